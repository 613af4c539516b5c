"""BillingService: rated line items, in pages that share one snapshot, and reads of the store."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

import numpy as np
import pyarrow as pa

from engine.api.messages import ANSWER_BYTES_MAX, fitting, line_item_message, unrateable_messages
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, sealed
from engine.billing.line_item import LineItem
from engine.billing.line_table import LINE_SCHEMA, line_table
from engine.billing.line_windows import LineWindows
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot, rows_of_customer
from engine.billing.segments import Index, NthPeriod
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1.billing_pb2 import LineItemForm, ListLineItemsRequest, ListLineItemsResponse

# The default and the most of each form. A line is about a KiB as a message and a hundred bytes in Arrow: a page ends
# earlier where they are larger, to stay what every client accepts.
_PAGE_SIZES = {
    LineItemForm.LINE_ITEM_FORM_UNSPECIFIED: (250, 1_000),
    LineItemForm.LINE_ITEM_FORM_ARROW: (10_000, 20_000),
}
_ARROW_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")
_UNRATEABLE_MAX = 1_000
# Of a day, two centuries; and a bound for what is computed with it.
_PERIODS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class _Place:
    """The snapshot that all pages share, and where the next one starts: a subscription in the order of customers, and
    how many of its lines come before.
    """

    at_us: int
    as_of_us: int
    revision: int
    skip: int
    customer_id: str
    subscription_id: str

    @classmethod
    def of(cls, request: ListLineItemsRequest) -> "_Place | None":
        """None for the first page. Raises InvalidRequestError for a token of another listing."""
        if not request.page_token:
            return None
        parts = opened(request.page_token, _listing(request), int, int, int, int, str, str)
        at_us, as_of_us, revision, skip, customer_id, subscription_id = parts
        return cls(
            int(at_us), int(as_of_us), int(revision), int(skip), str(customer_id), str(subscription_id)
        )


@dataclass(frozen=True, slots=True)
class _Lines:
    """Some lines of a stretch of whole subscriptions."""

    rated: Rated
    lines: Index

    def __len__(self) -> int:
        return len(self.lines)

    def first(self, count: int) -> "_Lines":
        return _Lines(self.rated, self.lines[:count])


class BillingService:
    """Lists line items."""

    def __init__(self, rater: Rater, windows: LineWindows) -> None:
        self._rater = rater
        self._windows = windows

    def list_line_items(self, request: ListLineItemsRequest, call: Call) -> ListLineItemsResponse:
        page_size = _page_size(request)
        place = _Place.of(request)
        snapshot = self._snapshot(request, call, place)
        all_rows = rows = _rows(request, snapshot)
        skip = 0
        if place is not None:
            columns = snapshot.catalog.subscription_columns
            # Never before the rows that were asked for: a token is not a secret, and may have been changed.
            following = columns.row_from(place.customer_id, place.subscription_id)
            rows = slice(max(rows.start, following), rows.stop)
            skip = place.skip
        # One more than the page says where the next one starts.
        found = self._first(snapshot, rows, skip, page_size + 1)
        response = ListLineItemsResponse(
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            subscription_count=all_rows.stop - all_rows.start,
            listed_subscription_count=all_rows.stop - all_rows.start,
        )
        listed = _add_lines(response, _until(found, page_size), request.form)
        if next_line := _line_at(found, listed):
            rated, line = next_line
            row, skip = _place_of(rated, line)
            response.listed_subscription_count = row - all_rows.start
            response.next_page_token = _token(request, snapshot, row, skip)
        elif snapshot.nth is not None:
            asked = np.arange(all_rows.start, all_rows.stop)
            response.has_later_periods = not snapshot.nth.is_last(snapshot.catalog, asked)
        return response

    def _snapshot(self, request: ListLineItemsRequest, call: Call, place: _Place | None) -> Snapshot:
        nth = _nth(request)
        if place is not None:
            snapshot = self._rater.snapshot(call.tenant, place.at_us, place.as_of_us, place.revision)
        else:
            snapshot = self._rater.snapshot(
                call.tenant,
                optional_us(request, "at"),
                optional_us(request, "as_of"),
                request.catalog_revision or None,
            )
        return replace(snapshot, nth=nth)

    def _first(self, snapshot: Snapshot, rows: slice, skip: int, count: int) -> list[_Lines]:
        """The first lines of a stretch of subscriptions, behind so many."""
        found: list[_Lines] = []
        for rated, begin in self._windows.lines_from(snapshot, rows, skip + count):
            last = min(len(rated), begin + skip + count)
            found.append(_Lines(rated, np.arange(min(begin + skip, last), last)))
            count -= len(found[-1])
            skip = max(0, skip - (len(rated) - begin))
            if not count:
                break
        return found


def _nth(request: ListLineItemsRequest) -> NthPeriod | None:
    start_us, end_us = (optional_us(request, name) for name in ("period_start_from", "period_start_before"))
    if start_us is None and end_us is None:
        return None
    if start_us is None or end_us is None or request.HasField("at") or end_us <= start_us:
        raise InvalidRequestError(
            FieldMistake(
                "period_start_before",
                "must be after period_start_from: the two say together, without at, when billing periods start",
            )
        )
    if request.period_number > _PERIODS_MAX:
        raise InvalidRequestError(FieldMistake("period_number", f"must be at most {_PERIODS_MAX}"))
    return NthPeriod(start_us, end_us, request.period_number)


def _listing(request: ListLineItemsRequest) -> str:
    """What pages of one listing share, as text."""
    nth = _nth(request)
    return request.customer_id if nth is None else f"{request.customer_id} {astuple(nth)}"


def _page_size(request: ListLineItemsRequest) -> int:
    if request.form not in _PAGE_SIZES:
        raise InvalidRequestError(
            FieldMistake("form", f"is {request.form}, which is not a form of line items")
        )
    return checked_size(request.page_size, *_PAGE_SIZES[request.form])


def _rows(request: ListLineItemsRequest, snapshot: Snapshot) -> slice:
    if request.customer_id:
        return rows_of_customer(snapshot.catalog, request.customer_id)
    return slice(0, len(snapshot.catalog.subscription_columns))


def _add_lines(response: ListLineItemsResponse, found: list[_Lines], form: int) -> int:
    """As many of the lines as fit into the answer, in this form; how many."""
    if form == LineItemForm.LINE_ITEM_FORM_ARROW:
        listed, response.arrow = _fitting_arrow(found)
    else:
        messages = fitting(
            line_item_message(item) for each in found for item in each.rated.line_items(each.lines)
        )
        response.line_items.extend(messages)
        listed = len(messages)
    response.unrateable_customers.extend(unrateable_messages(_unrateable(_until(found, listed))))
    return listed


def _fitting_arrow(found: list[_Lines]) -> tuple[int, bytes]:
    """How many of the lines, and their IPC stream."""
    batches = [line_table(each.rated, each.lines) for each in found]
    table = pa.Table.from_batches(batches, LINE_SCHEMA)
    count = len(table)
    while True:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=_ARROW_OPTIONS) as writer:
            writer.write_table(table.slice(0, count))
        data = sink.getvalue().to_pybytes()
        if len(data) <= ANSWER_BYTES_MAX or count <= 1:
            return count, data
        count = max(1, count // 2)


def _unrateable(found: Iterable[_Lines]) -> list[LineItem]:
    items: list[LineItem] = []
    for each in found:
        flagged = each.lines[~each.rated.is_rated[each.lines]]
        items += each.rated.line_items(flagged[: _UNRATEABLE_MAX - len(items)])
    return items


def _until(found: list[_Lines], count: int) -> list[_Lines]:
    """The first so many of the lines."""
    taken = []
    for each in found:
        taken.append(each.first(count))
        count -= len(taken[-1])
    return taken


def _line_at(found: list[_Lines], place: int) -> tuple[Rated, int] | None:
    for each in found:
        if place < len(each):
            return each.rated, int(each.lines[place])
        place -= len(each)
    return None


def _place_of(rated: Rated, line: int) -> tuple[int, int]:
    """The row of a line's subscription in the catalog's columns, and how many lines of it come before."""
    charges = rated.charges
    row = int(charges.row[rated.charge[line]])
    first = rated.offsets[np.searchsorted(charges.row, row)]
    return row, int(line - first)


def _token(request: ListLineItemsRequest, snapshot: Snapshot, row: int, skip: int) -> str:
    columns = snapshot.catalog.subscription_columns
    customer_id, subscription_id = columns.customer_id[row].as_py(), columns.subscription_id[row].as_py()
    place = _Place(
        snapshot.at_us, snapshot.as_of_us, snapshot.catalog.revision, skip, customer_id, subscription_id
    )
    return sealed(_listing(request), *astuple(place))
