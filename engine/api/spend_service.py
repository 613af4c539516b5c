"""SpendService: what customers owe so far."""

from itertools import groupby, islice

from engine.api.messages import fitting_line_items, spend_message, unrateable_messages
from engine.api.operation import Call
from engine.billing.rater import Rater, Snapshot
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.spend import spend_by_customer, spend_totals
from engine.times import optional_us, to_timestamp
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse, ListSpendRequest, ListSpendResponse

_LIMIT_DEFAULT = 10
# An answer stays a message of some hundred KiB.
_LIMIT_MAX = 1_000
# Lines are about a KiB each; fewer are listed if they are larger. Amounts are always of all lines.
_LINE_ITEMS_MAX = 1_000


class SpendService:
    """Reads spend."""

    def __init__(self, rater: Rater) -> None:
        self._rater = rater

    def get_spend(self, request: GetSpendRequest, call: Call) -> GetSpendResponse:
        if not request.customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name a customer"))
        snapshot = self._snapshot(request, call)
        items = self._rater.rate_one(call.tenant, snapshot, request.customer_id)
        return GetSpendResponse(
            spends=map(spend_message, spend_by_customer(items)),
            line_items=fitting_line_items(items[:_LINE_ITEMS_MAX]),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
        )

    def list_spend(self, request: ListSpendRequest, call: Call) -> ListSpendResponse:
        limit = request.limit or _LIMIT_DEFAULT
        if limit > _LIMIT_MAX:
            raise InvalidRequestError(FieldMistake("limit", f"is {limit}: ask for at most {_LIMIT_MAX}"))
        snapshot = self._snapshot(request, call)
        rated = self._rater.rate(call.tenant, snapshot, None)
        by_currency = groupby(spend_by_customer(rated.line_items), key=lambda spend: spend.currency)
        return ListSpendResponse(
            spends=[spend_message(spend) for _, spends in by_currency for spend in islice(spends, limit)],
            totals=map(spend_message, spend_totals(rated.line_items)),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            unrateable_customers=unrateable_messages(rated.unrateable),
        )

    def _snapshot(self, request: GetSpendRequest | ListSpendRequest, call: Call) -> Snapshot:
        return self._rater.snapshot(
            call.tenant,
            optional_us(request, "at"),
            optional_us(request, "as_of"),
            request.catalog_revision or None,
        )
