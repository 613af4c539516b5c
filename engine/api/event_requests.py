"""A ListEventsRequest read: every mistake of it at once, or which events are meant. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.api.mistakes import raise_all, text_mistakes
from engine.api.page_tokens import checked_size, question_digest
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us
from meterline.v1.events_pb2 import ListEventsRequest

_PAGE_SIZE_DEFAULT = 100
# Events have up to 74 KB, some hundred bytes as a rule; a page ends earlier where they are larger.
_PAGE_SIZE_MAX = 1_000
# Bound as one parameter, of which a ClickHouse server takes 128 KiB: ids have up to 128 bytes.
_IDS_MAX = 500
# As of an event and of a meter: what is longer could never match.
_NAME_BYTES_MAX = 128
_VALUE_BYTES_MAX = 1_024
_DIMENSIONS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterQuestion:
    """The events of which meter. `revision` is None for the newest catalog, `group` None for all groups."""

    meter_id: str
    revision: int | None
    group: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuestion:
    """What was asked. `digest` identifies it, whatever page of its answer is asked for."""

    customer_ids: tuple[str, ...]
    event_type: str | None
    event_ids: tuple[str, ...]
    start_us: int | None
    end_us: int | None
    meter: MeterQuestion | None
    correction_id: str
    with_void: bool
    as_of_us: int | None
    page_size: int
    page_token: str
    digest: str


def read_event_question(request: ListEventsRequest) -> EventQuestion:
    """The question of a request.

    Raises:
        InvalidRequestError: it has mistakes: all of them.
    """
    start_us, end_us = optional_us(request, "start"), optional_us(request, "end")
    as_of_us = optional_us(request, "as_of")
    raise_all([*_mistakes(request), *_period_mistakes(start_us, end_us)])
    meter = None
    if request.HasField("meter"):
        has_group = request.meter.HasField("group")
        meter = MeterQuestion(
            meter_id=request.meter.meter_id,
            revision=request.meter.catalog_revision or None,
            group=dict(request.meter.group.dimensions) if has_group else None,
        )
    return EventQuestion(
        customer_ids=tuple(sorted(set(request.customer_ids))),
        event_type=request.event_type or None,
        event_ids=tuple(sorted(set(request.event_ids))),
        start_us=start_us,
        end_us=end_us,
        meter=meter,
        correction_id=request.correction_id,
        with_void=request.include_voided or bool(request.correction_id),
        as_of_us=as_of_us,
        page_size=checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX),
        page_token=request.page_token,
        digest=question_digest(request),
    )


def check_group(group: Mapping[str, str], group_by: tuple[str, ...], meter_id: str) -> None:
    """Raises InvalidRequestError for a property that the meter doesn't group by."""
    others = sorted(group.keys() - set(group_by))
    if others:
        by = ", ".join(group_by) or "nothing"
        raise InvalidRequestError(
            FieldMistake(
                f"meter.group.dimensions.{others[0]}",
                f"is not a group of meter {meter_id!r}: it groups by {by}",
            )
        )


def _mistakes(request: ListEventsRequest) -> Iterator[FieldMistake]:
    for field in ("customer_ids", "event_ids"):
        ids = getattr(request, field)
        if len(ids) > _IDS_MAX:
            yield FieldMistake(field, f"has {len(ids)} entries: name at most {_IDS_MAX}, or none for all")
        for place, each in enumerate(ids[:_IDS_MAX]):
            yield from text_mistakes(f"{field}[{place}]", each, _NAME_BYTES_MAX)
    for field in ("event_type", "correction_id"):
        if getattr(request, field):
            yield from text_mistakes(field, getattr(request, field), _NAME_BYTES_MAX)
    if request.HasField("meter"):
        yield from _meter_mistakes(request)


def _meter_mistakes(request: ListEventsRequest) -> Iterator[FieldMistake]:
    yield from text_mistakes("meter.meter_id", request.meter.meter_id, _NAME_BYTES_MAX)
    if request.event_type:
        yield FieldMistake("event_type", "is given beside a meter, which has its own: leave it out")
    for field in ("start", "end"):
        if not request.HasField(field):
            yield FieldMistake(field, "is not set: name the period in which the meter counts")
    dimensions = request.meter.group.dimensions
    if len(dimensions) > _DIMENSIONS_MAX:
        yield FieldMistake("meter.group.dimensions", f"has {len(dimensions)} entries")
        return
    for name, value in sorted(dimensions.items()):
        field = f"meter.group.dimensions.{name[:_NAME_BYTES_MAX]}"
        if len(value.encode()) > _VALUE_BYTES_MAX:
            yield FieldMistake(field, f"has {len(value.encode())} bytes; at most {_VALUE_BYTES_MAX}")


def _period_mistakes(start_us: int | None, end_us: int | None) -> Iterator[FieldMistake]:
    if start_us is not None and end_us is not None and end_us <= start_us:
        yield FieldMistake("end", "must be later than start")
