"""Usage: what a meter comes to, as frozen values with exact Decimals, and the listing of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from meterline.arguments import asked_text, asked_texts, epoch_us, set_snapshot
from meterline.errors import InvalidArgumentError
from meterline.reads.paging import AsyncListing, Listing, Pages
from meterline.v1 import metering_pb2
from meterline.v1.metering_pb2 import QueryUsageRequest, QueryUsageResponse, UsageFilter, UsageGrouping

UsageWindow: TypeAlias = Literal["minute", "hour", "day", "week", "month"]

_PAGE_ROWS = 10_000  # the engine's most: a listing is read to its end as a rule
_CUSTOMER = "customer_id"
_PROPERTIES = "properties."


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one group used in the window `[window_start, window_end)`, in the meter's unit.

    `customer_id` is empty where customers are no group; `dimensions` has the values of the properties that are
    grouped by, without those that the events don't have. `quantity` is made from `event_count` events, of which
    `missing_value_event_count` and `unreadable_event_count` add nothing; `event_digest` identifies their set.
    """

    customer_id: str
    dimensions: Mapping[str, str] = field(hash=False)
    window_start: datetime
    window_end: datetime
    quantity: Decimal
    event_count: int
    unreadable_event_count: int
    missing_value_event_count: int
    event_digest: str


def usage_request(  # noqa: PLR0913 - a question has as many parts as the contract's
    meter_id: str,
    period_start: datetime,
    period_end: datetime,
    *,
    window: UsageWindow | None,
    time_zone: str | None,
    group_by: Iterable[str] | None,
    filters: Mapping[str, Iterable[str]] | None,
    customer_ids: Iterable[str] | None,
    as_of: datetime | None,
    catalog_revision: int | None,
) -> QueryUsageRequest:
    """The request for the first page. Raises InvalidArgumentError."""
    request = QueryUsageRequest(
        meter_id=asked_text("meter_id", meter_id), window=_window(window), page_size=_PAGE_ROWS
    )
    request.period_start.FromMicroseconds(epoch_us(period_start, "period_start"))
    request.period_end.FromMicroseconds(epoch_us(period_end, "period_end"))
    if time_zone is not None:
        request.time_zone = asked_text("time_zone", time_zone)
    if group_by is not None:
        request.group_by.CopyFrom(_grouping(asked_texts("group_by", group_by)))
    if filters is not None:
        request.filters.extend(_filters(filters))
    if customer_ids is not None:
        request.customer_ids.extend(_some_customers(asked_texts("customer_ids", customer_ids)))
    set_snapshot(request, as_of, catalog_revision)
    return request


class UsagePages(Pages[QueryUsageResponse, UsageRow]):
    """What `UsageRows` and `AsyncUsageRows` know of the pages that they have read."""

    @property
    def meter_version(self) -> int:
        """The version of the meter at `catalog_revision`."""
        return self._last_page().meter_version

    @property
    def group_by(self) -> tuple[str, ...]:
        """What the rows are grouped by, as the argument of that name has it."""
        grouping = self._last_page().group_by
        properties = (
            _PROPERTIES + name if name == _CUSTOMER or name.startswith(_PROPERTIES) else name
            for name in grouping.properties
        )
        return (*([_CUSTOMER] if grouping.customer else []), *properties)

    def _values_of(self, page: QueryUsageResponse) -> Iterator[UsageRow]:
        return map(_row, page.rows)


class UsageRows(Listing[QueryUsageResponse, UsageRow], UsagePages):
    """Iterates over the rows of `Client.usage`, by customer, dimensions and window."""


class AsyncUsageRows(AsyncListing[QueryUsageResponse, UsageRow], UsagePages):
    """Iterates over the rows of `AsyncClient.usage`, by customer, dimensions and window."""


def _window(window: object) -> str:
    """The name of the wire."""
    if window is None:
        return "USAGE_WINDOW_UNSPECIFIED"
    if window not in get_args(UsageWindow):
        raise InvalidArgumentError(
            f"window is {window!r:.80}: give one of {', '.join(get_args(UsageWindow))}"
        )
    return f"USAGE_WINDOW_{str(window).upper()}"


def _grouping(names: list[str]) -> UsageGrouping:
    properties = [name.removeprefix(_PROPERTIES) for name in names if name != _CUSTOMER]
    return UsageGrouping(customer=_CUSTOMER in names, properties=properties)


def _filters(filters: object) -> Iterator[UsageFilter]:
    if not isinstance(filters, Mapping):
        raise InvalidArgumentError(
            f"filters is a {type(filters).__name__}: give a mapping of properties to lists of values"
        )
    for name, values in filters.items():
        yield UsageFilter(
            property=asked_text("a property of filters", name),
            values=asked_texts(f"filters[{name!r}]", values),
        )


def _some_customers(customer_ids: list[str]) -> list[str]:
    if not customer_ids:
        raise InvalidArgumentError("customer_ids is empty: leave it out for all customers")
    return customer_ids


def _row(row: metering_pb2.UsageRow) -> UsageRow:
    return UsageRow(
        customer_id=row.customer_id,
        dimensions=dict(sorted(row.dimensions.items())),
        window_start=row.window_start.ToDatetime(tzinfo=UTC),
        window_end=row.window_end.ToDatetime(tzinfo=UTC),
        quantity=Decimal(row.quantity),
        event_count=row.event_count,
        unreadable_event_count=row.unreadable_event_count,
        missing_value_event_count=row.missing_value_event_count,
        event_digest=row.event_digest,
    )
