"""The line items of all billing periods that start in a span of time, from listings that are each of one instant.

Rules:
1. A billing period takes 28 days at least to its natural end, and is listed at each instant until then, also where the
   subscription has ended before (engine.billing.periods, rule 2). So listings 28 days apart miss none: the lines of a
   period are taken from the first listing at its start or later, and from no other.
2. All listings are of one snapshot: that of the first page.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from engine.cli.terminal.connection import pages
from engine.times import datetime_us
from meterline.v1.billing_pb2 import LineItemForm, ListLineItemsRequest, ListLineItemsResponse

NO_PERIOD = "no billing period starts in this time"
# The most that the engine gives: the larger a page, the fewer reads of the store.
ALL_LINES: dict[str, Any] = {"form": LineItemForm.LINE_ITEM_FORM_ARROW, "page_size": 20_000}
_STEP = timedelta(days=28)
_LEAST = timedelta(microseconds=1)


def instants(start: datetime, end: datetime) -> list[datetime]:
    """Those to list at. Every period that starts in [start, end) contains the first of them that is not before it."""
    found = [start]
    while found[-1] < end - _LEAST:
        found.append(min(found[-1] + _STEP, end - _LEAST))
    return found


def lines_of_periods(
    call: Callable[..., ListLineItemsResponse], request: ListLineItemsRequest, start: datetime, end: datetime
) -> Iterator[ListLineItemsResponse]:
    """Pages of the lines of all billing periods that start in [start, end): by period, then as they are listed."""
    listings = instants(start, end)
    after_us = datetime_us(start) - 1
    for number, at in enumerate(listings):
        request.at.FromDatetime(at)
        request.page_token = ""
        until_us = datetime_us(at)
        for page in pages(call, request):
            if request.form == LineItemForm.LINE_ITEM_FORM_ARROW:
                flagged = _keep_rows(page, after_us, until_us)
            else:
                flagged = _keep_messages(page, after_us, until_us)
            unrateable = [each for each in page.unrateable_customers if each.customer_id in flagged]
            del page.unrateable_customers[:]
            page.unrateable_customers.extend(unrateable)
            page.listed_subscription_count += number * page.subscription_count
            page.subscription_count *= len(listings)
            yield page
            request.as_of.CopyFrom(page.as_of)
            request.catalog_revision = page.catalog_revision
        after_us = until_us


def _keep_messages(page: ListLineItemsResponse, after_us: int, until_us: int) -> set[str]:
    """Leaves the lines of some periods; the customers with a line that can't be rated."""
    kept = [item for item in page.line_items if after_us < item.period_start.ToMicroseconds() <= until_us]
    del page.line_items[:]
    page.line_items.extend(kept)
    return {item.customer_id for item in kept if item.unrateable_reason}


def _keep_rows(page: ListLineItemsResponse, after_us: int, until_us: int) -> set[str]:
    """As `_keep_messages`, of the Arrow form."""
    import pyarrow as pa  # noqa: PLC0415 - its parts take as long to load as all the rest
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    table: Any = pa.ipc.open_stream(page.arrow).read_all()
    starts_us = table["period_start"].cast(pa.int64())
    kept = table.filter(pc.and_(pc.greater(starts_us, after_us), pc.less_equal(starts_us, until_us)))
    if len(kept) < len(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, kept.schema) as writer:
            writer.write_table(kept)
        page.arrow = sink.getvalue().to_pybytes()
    return set(kept.filter(kept["unrateable_reason"].is_valid())["customer_id"].to_pylist())
