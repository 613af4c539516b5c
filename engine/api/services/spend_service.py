"""SpendService: what customers owe so far."""

import numpy as np

from engine.api.messages import fitting, line_item_message, spend_message, unrateable_messages
from engine.api.operation import Call
from engine.billing.line_item import LineItem
from engine.billing.rater import Rater, Snapshot
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.spend import SpendColumns, joined, spend_of
from engine.times import optional_us, to_timestamp
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse, ListSpendRequest, ListSpendResponse

_LIMIT_DEFAULT = 10
# An answer stays a message of some hundred KiB.
_LIMIT_MAX = 1_000
# Lines are about a KiB each; fewer are listed if they are larger. Amounts are always of all lines.
_LINE_ITEMS_MAX = 1_000
# Each is a message of some hundred bytes; a person mends a catalog by the first few.
_UNRATEABLE_MAX = 1_000


class SpendService:
    """Reads spend."""

    def __init__(self, rater: Rater) -> None:
        self._rater = rater

    def get_spend(self, request: GetSpendRequest, call: Call) -> GetSpendResponse:
        if not request.customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name a customer"))
        snapshot = self._snapshot(request, call)
        rated = self._rater.rate_customer(snapshot, request.customer_id)
        items = rated.line_items(np.arange(min(len(rated), _LINE_ITEMS_MAX)))
        return GetSpendResponse(
            spends=map(spend_message, spend_of(rated).by_amount(1)),
            line_items=fitting(map(line_item_message, items)),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
        )

    def list_spend(self, request: ListSpendRequest, call: Call) -> ListSpendResponse:
        limit = request.limit or _LIMIT_DEFAULT
        if limit > _LIMIT_MAX:
            raise InvalidRequestError(FieldMistake("limit", f"is {limit}: ask for at most {_LIMIT_MAX}"))
        snapshot = self._snapshot(request, call)
        sums: list[SpendColumns] = []
        unrateable: list[LineItem] = []
        for rated in self._rater.rate_all(snapshot, digests=False):
            sums.append(spend_of(rated))
            unrateable += rated.unrateable_lines(_UNRATEABLE_MAX - len(unrateable))
        spends = joined(sums)
        return ListSpendResponse(
            spends=map(spend_message, spends.by_amount(limit)),
            totals=map(spend_message, spends.totals()),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            unrateable_customers=unrateable_messages(unrateable),
        )

    def _snapshot(self, request: GetSpendRequest | ListSpendRequest, call: Call) -> Snapshot:
        return self._rater.snapshot(
            call.tenant,
            optional_us(request, "at"),
            optional_us(request, "as_of"),
            request.catalog_revision or None,
        )
