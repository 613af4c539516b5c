"""A QueryUsageRequest read: every mistake of it at once, or a question that can be asked. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.api.page_tokens import question_digest
from engine.errors import FieldMistake, InvalidRequestError
from engine.time_zones import time_zone
from engine.times import optional_us
from engine.usage.facts.windows import TooManyWindowsError, Window, window_bounds_us
from meterline.v1 import metering_pb2
from meterline.v1.metering_pb2 import QueryUsageRequest

PAGE_SIZE_DEFAULT = 1_000
# Rows are some hundred bytes; a page ends earlier where they are larger.
PAGE_SIZE_MAX = 10_000
# Bound as one parameter, of which a ClickHouse server takes 128 KiB: ids have up to 128 bytes.
CUSTOMERS_MAX = 500
# As of a meter (engine.catalog.limits), for the same reasons.
FILTERS_MAX = 16
FILTER_VALUES_MAX = 100
# Bound as one parameter, as above; each byte may have to be escaped.
_FILTER_BYTES_MAX = 60 * 1024
GROUP_BY_MAX = 8
# As of an event: what is longer could never match.
_NAME_BYTES_MAX = 128
_VALUE_BYTES_MAX = 1_024

_WINDOWS = {
    metering_pb2.USAGE_WINDOW_UNSPECIFIED: Window.NONE,
    metering_pb2.USAGE_WINDOW_MINUTE: Window.MINUTE,
    metering_pb2.USAGE_WINDOW_HOUR: Window.HOUR,
    metering_pb2.USAGE_WINDOW_DAY: Window.DAY,
    metering_pb2.USAGE_WINDOW_WEEK: Window.WEEK,
    metering_pb2.USAGE_WINDOW_MONTH: Window.MONTH,
}
_SOURCES = {metering_pb2.USAGE_SOURCE_UNSPECIFIED: False, metering_pb2.USAGE_SOURCE_RAW: True}

Filter = tuple[str, tuple[str, ...]]
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Grouping:
    """What makes a row of its own, besides the windows."""

    customer: bool
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """What was asked. `grouping` is None for the meter's own, `customer_ids` ascend and are empty for all customers.

    `bounds_us` are n + 1 ascending instants that make n windows. `digest` identifies the question, whatever page
    of its answer is asked for.
    """

    meter_id: str
    bounds_us: tuple[int, ...]
    grouping: Grouping | None
    filters: tuple[Filter, ...]
    customer_ids: tuple[str, ...]
    as_of_us: int | None
    revision: int | None
    raw_only: bool
    page_size: int
    page_token: str
    digest: str


def read_question(request: QueryUsageRequest) -> UsageQuestion:
    """The question of a request.

    Raises:
        InvalidRequestError: it has mistakes: all of them.
    """
    mistakes: list[FieldMistake] = []

    def noted(read: Callable[[], _Read], otherwise: _Read) -> _Read:
        try:
            return read()
        except InvalidRequestError as error:
            mistakes.extend(error.mistakes)
            return otherwise

    question = UsageQuestion(
        meter_id=noted(lambda: _meter_id(request), ""),
        bounds_us=noted(lambda: _bounds_us(request), ()),
        grouping=noted(lambda: _grouping(request), None),
        filters=noted(lambda: _filters(request), ()),
        customer_ids=noted(lambda: _customer_ids(request.customer_ids), ()),
        as_of_us=noted(lambda: optional_us(request, "as_of"), None),
        revision=request.catalog_revision or None,
        raw_only=noted(lambda: _raw_only(request), False),
        page_size=noted(lambda: _page_size(request), 0),
        page_token=request.page_token,
        digest=question_digest(request),
    )
    if mistakes:
        raise InvalidRequestError(*mistakes)
    return question


def _wrong(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(field, message))


def _meter_id(request: QueryUsageRequest) -> str:
    if not request.meter_id:
        raise _wrong("meter_id", "is empty: name a meter of the catalog")
    return request.meter_id


def _bounds_us(request: QueryUsageRequest) -> tuple[int, ...]:
    start_us, end_us = optional_us(request, "period_start"), optional_us(request, "period_end")
    if start_us is None or end_us is None:
        missing = "period_start" if start_us is None else "period_end"
        raise _wrong(missing, "is not set: name the period to look at")
    if end_us <= start_us:
        raise _wrong("period_end", "must be later than period_start")
    window = _WINDOWS.get(request.window)
    if window is None:
        raise _wrong("window", f"is {request.window}, which is not a UsageWindow")
    try:
        zone = time_zone(request.time_zone or "UTC")
    except ValueError as error:
        raise _wrong("time_zone", str(error)) from error
    try:
        return tuple(window_bounds_us(start_us, end_us, window, zone))
    except TooManyWindowsError as error:
        raise _wrong("window", str(error)) from error


def _grouping(request: QueryUsageRequest) -> Grouping | None:
    if not request.HasField("group_by"):
        return None
    properties = tuple(request.group_by.properties)
    if len(properties) > GROUP_BY_MAX:
        raise _wrong(
            "group_by.properties",
            f"has {len(properties)} entries: group by at most {GROUP_BY_MAX} properties",
        )
    for place, name in enumerate(properties):
        _check_text(f"group_by.properties[{place}]", name, _NAME_BYTES_MAX)
        if name in properties[:place]:
            raise _wrong(f"group_by.properties[{place}]", f"names {name[:48]!r} twice")
    return Grouping(request.group_by.customer, properties)


def _filters(request: QueryUsageRequest) -> tuple[Filter, ...]:
    if len(request.filters) > FILTERS_MAX:
        raise _wrong("filters", f"has {len(request.filters)} entries: give at most {FILTERS_MAX}")
    found = []
    for place, given in enumerate(request.filters):
        field = f"filters[{place}]"
        _check_text(f"{field}.property", given.property, _NAME_BYTES_MAX)
        if not 1 <= len(given.values) <= FILTER_VALUES_MAX:
            raise _wrong(
                f"{field}.values", f"has {len(given.values)} entries: give 1 to {FILTER_VALUES_MAX} values"
            )
        for value_place, value in enumerate(given.values):
            _check_length(f"{field}.values[{value_place}]", value, _VALUE_BYTES_MAX)
        values = sorted(set(given.values))
        size_bytes = sum(len(value.encode()) for value in values)
        if size_bytes > _FILTER_BYTES_MAX:
            raise _wrong(f"{field}.values", f"has {size_bytes} bytes: give at most {_FILTER_BYTES_MAX:,}")
        found.append((given.property, tuple(values)))
    return tuple(found)


def _customer_ids(given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > CUSTOMERS_MAX:
        raise _wrong(
            "customer_ids", f"has {len(given)} entries: name at most {CUSTOMERS_MAX}, or none for all"
        )
    for place, customer_id in enumerate(given):
        _check_text(f"customer_ids[{place}]", customer_id, _NAME_BYTES_MAX)
    return tuple(sorted(set(given)))


def _raw_only(request: QueryUsageRequest) -> bool:
    raw_only = _SOURCES.get(request.source)
    if raw_only is None:
        raise _wrong("source", f"is {request.source}, which is not a UsageSource")
    return raw_only


def _page_size(request: QueryUsageRequest) -> int:
    if request.page_size > PAGE_SIZE_MAX:
        raise _wrong("page_size", f"is {request.page_size}: ask for at most {PAGE_SIZE_MAX:,}")
    return request.page_size or PAGE_SIZE_DEFAULT


def _check_text(field: str, text: str, bytes_max: int) -> None:
    if not text:
        raise _wrong(field, "is empty")
    _check_length(field, text, bytes_max)


def _check_length(field: str, text: str, bytes_max: int) -> None:
    size_bytes = len(text.encode())
    if size_bytes > bytes_max:
        raise _wrong(field, f"has {size_bytes} bytes: no event has more than {bytes_max}")
