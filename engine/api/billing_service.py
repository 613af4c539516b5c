"""BillingService: rated line items, in pages that share one snapshot."""

import base64
import binascii
import bisect
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from engine.api.messages import fitting_line_items, unrateable_messages
from engine.api.operation import Call
from engine.billing.line_item import LineItem
from engine.billing.rate_charges import Rated
from engine.billing.rater import Rater, Snapshot
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import INSTANT_US_MAX, optional_us, to_timestamp
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse

_PAGE_SIZE_DEFAULT = 250
# Lines are about a KiB each; a page ends earlier if they are larger, to stay what every client accepts.
_PAGE_SIZE_MAX = 1_000
# Rated together: one read of each meter serves them all.
_CUSTOMERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _PageToken:
    """The first line of the next page (a customer, and how many of its lines to skip) and the pages' snapshot."""

    at_us: int
    as_of_us: int
    revision: int
    skip: int
    customer_id: str
    # The customer that the listing was asked for; empty for all.
    only_customer_id: str

    def encode(self) -> str:
        fields = astuple(self)
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "_PageToken":
        try:
            fields = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            at_us, as_of_us, revision, skip, customer_id, only_customer_id = fields
        except (ValueError, TypeError, RecursionError, binascii.Error) as error:
            raise _bad_token() from error
        numbers, texts = (at_us, as_of_us, revision, skip), (customer_id, only_customer_id)
        if not all(type(each) is int and 0 <= each <= INSTANT_US_MAX for each in numbers) or not all(
            isinstance(each, str) for each in texts
        ):
            raise _bad_token()
        return cls(at_us, as_of_us, revision, skip, customer_id, only_customer_id)


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
        skip = 0
        if request.page_token:
            token = _PageToken.decode(request.page_token)
            if token.only_customer_id != request.customer_id:
                raise _bad_token()
            snapshot = self._rater.snapshot(call.tenant, token.at_us, token.as_of_us, token.revision)
            customer_ids = _customers(request, snapshot)
            customer_ids = customer_ids[bisect.bisect_left(customer_ids, token.customer_id) :]
            skip = token.skip
        else:
            snapshot = self._rater.snapshot(
                call.tenant,
                optional_us(request, "at"),
                optional_us(request, "as_of"),
                request.catalog_revision or None,
            )
            customer_ids = _customers(request, snapshot)
        if request.customer_id:
            rated = Rated(self._rater.rate_one(call.tenant, snapshot, request.customer_id), {})
        else:
            rated = self._first(call.tenant, snapshot, customer_ids, skip + page_size)
        items = rated.line_items
        page = fitting_line_items(items[skip : skip + page_size])
        return ListLineItemsResponse(
            line_items=page,
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            next_page_token=_next_token(request, snapshot, items, skip + len(page)),
            unrateable_customers=unrateable_messages(rated.unrateable),
        )

    def _first(self, tenant: str, snapshot: Snapshot, customer_ids: Sequence[str], count: int) -> Rated:
        """At least `count + 1` items of the first of these customers, if there are as many."""
        sofar = Rated([], {})
        for first in range(0, len(customer_ids), _CUSTOMERS_AT_ONCE):
            rated = self._rater.rate(tenant, snapshot, customer_ids[first : first + _CUSTOMERS_AT_ONCE])
            sofar = Rated(sofar.line_items + rated.line_items, sofar.unrateable | rated.unrateable)
            if len(sofar.line_items) > count:
                break
        return sofar


def _customers(request: ListLineItemsRequest, snapshot: Snapshot) -> list[str]:
    return [request.customer_id] if request.customer_id else sorted(snapshot.catalog.customers)


def _next_token(
    request: ListLineItemsRequest, snapshot: Snapshot, items: Sequence[LineItem], end: int
) -> str:
    if end >= len(items):
        return ""
    customer_id = items[end].charge.subscription.customer
    skip = sum(item.charge.subscription.customer == customer_id for item in items[:end])
    return _PageToken(
        snapshot.at_us, snapshot.as_of_us, snapshot.catalog.revision, skip, customer_id, request.customer_id
    ).encode()
