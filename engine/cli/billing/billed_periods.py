"""The line items of all billing periods that start in a span of time, from listings that have one of each subscription.

Rules:
1. The nth listing has the nth period of each subscription that starts in the span; there is another listing while the engine says
   that a subscription has more. Whatever periods' lengths are, each is listed once.
2. All listings are of one snapshot: that of the first page.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from engine.cli.terminal.connection import pages
from meterline.v1.billing_pb2 import LineItemForm, ListLineItemsRequest, ListLineItemsResponse

NO_PERIOD = "no billing period starts in this time"
# The most that the engine gives: the larger a page, the fewer reads of the store.
ALL_LINES: dict[str, Any] = {"form": LineItemForm.LINE_ITEM_FORM_ARROW, "page_size": 20_000}


def lines_of_periods(
    call: Callable[..., ListLineItemsResponse], request: ListLineItemsRequest, start: datetime, end: datetime
) -> Iterator[ListLineItemsResponse]:
    """Pages of the lines of all billing periods that start in [start, end): by period, then as they are listed."""
    request.period_start_from.FromDatetime(start)
    request.period_start_before.FromDatetime(end)
    goes_on = True
    while goes_on:
        request.page_token = ""
        for page in pages(call, request):
            goes_on = page.has_later_periods
            yield page
            request.as_of.CopyFrom(page.as_of)
            request.catalog_revision = page.catalog_revision
        request.period_number += 1
