"""BillingService: rated line items, in pages that share one snapshot."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from engine.api.messages import fitting_line_items, unrateable_messages
from engine.api.operation import Call
from engine.billing.line_item import LineItem
from engine.billing.rater import Rater, Snapshot, rows_of_customer
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import INSTANT_US_MAX, optional_us, to_timestamp
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse

_PAGE_SIZE_DEFAULT = 250
# Lines are about a KiB each; a page ends earlier if they are larger, to stay what every client accepts.
_PAGE_SIZE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _PageToken:
    """The snapshot that all pages share, and where the next one starts: a subscription in the order of customers, and
    how many of its lines come before.
    """

    at_us: int
    as_of_us: int
    revision: int
    skip: int
    customer_id: str
    subscription_id: str
    # The customer that the listing was asked for; empty for all.
    only_customer_id: str

    def encode(self) -> str:
        fields = astuple(self)
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "_PageToken":
        try:
            fields = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            at_us, as_of_us, revision, skip, *texts = fields
            customer_id, subscription_id, only_customer_id = texts
        except (ValueError, TypeError, RecursionError, binascii.Error) as error:
            raise _bad_token() from error
        numbers = (at_us, as_of_us, revision, skip)
        if not all(type(each) is int and 0 <= each <= INSTANT_US_MAX for each in numbers) or not all(
            isinstance(each, str) for each in texts
        ):
            raise _bad_token()
        return cls(at_us, as_of_us, revision, skip, customer_id, subscription_id, only_customer_id)


def _bad_token() -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "page_token",
            "is not one that this engine gave out for this listing: start the listing anew without it",
        )
    )


class BillingService:
    """Lists line items."""

    def __init__(self, rater: Rater) -> None:
        self._rater = rater

    def list_line_items(self, request: ListLineItemsRequest, call: Call) -> ListLineItemsResponse:
        page_size = request.page_size or _PAGE_SIZE_DEFAULT
        if page_size > _PAGE_SIZE_MAX:
            raise InvalidRequestError(
                FieldMistake("page_size", f"is {page_size}: ask for at most {_PAGE_SIZE_MAX}")
            )
        token = _PageToken.decode(request.page_token) if request.page_token else None
        if token is not None and token.only_customer_id != request.customer_id:
            raise _bad_token()
        snapshot = self._snapshot(request, call, token)
        rows = _rows(request, snapshot)
        skip = 0
        if token is not None:
            columns = snapshot.catalog.subscription_columns
            rows = slice(columns.row_from(token.customer_id, token.subscription_id), rows.stop)
            skip = token.skip
        # One more than the page says where the next one starts.
        items = self._first(snapshot, rows, skip, page_size + 1)
        page = fitting_line_items(items[:page_size])
        return ListLineItemsResponse(
            line_items=page,
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            next_page_token=_next_token(request, snapshot, items, len(page), skip),
            unrateable_customers=unrateable_messages(
                item for item in items[: len(page)] if item.unrateable_reason
            ),
        )

    def _snapshot(self, request: ListLineItemsRequest, call: Call, token: _PageToken | None) -> Snapshot:
        if token is not None:
            return self._rater.snapshot(call.tenant, token.at_us, token.as_of_us, token.revision)
        return self._rater.snapshot(
            call.tenant,
            optional_us(request, "at"),
            optional_us(request, "as_of"),
            request.catalog_revision or None,
        )

    def _first(self, snapshot: Snapshot, rows: slice, skip: int, count: int) -> list[LineItem]:
        """The first lines of a stretch of subscriptions, behind so many."""
        items: list[LineItem] = []
        for rated in self._rater.rate_from(snapshot, rows, skip + count):
            last = min(len(rated), skip + count - len(items))
            items += rated.line_items(np.arange(skip, last))
            skip = max(0, skip - len(rated))
            if len(items) == count:
                break
        return items


def _rows(request: ListLineItemsRequest, snapshot: Snapshot) -> slice:
    if request.customer_id:
        return rows_of_customer(snapshot.catalog, request.customer_id)
    return slice(0, len(snapshot.catalog.subscription_columns))


def _next_token(
    request: ListLineItemsRequest, snapshot: Snapshot, items: Sequence[LineItem], listed: int, skip: int
) -> str:
    """Empty if all were listed."""
    if listed == len(items):
        return ""
    subscription = items[listed].charge.subscription
    own = sum(item.charge.subscription.id == subscription.id for item in items[:listed])
    # Lines that the page before had listed of it.
    own += skip if items[0].charge.subscription.id == subscription.id else 0
    return _PageToken(
        snapshot.at_us,
        snapshot.as_of_us,
        snapshot.catalog.revision,
        own,
        subscription.customer,
        subscription.id,
        request.customer_id,
    ).encode()
