"""SpendService: what customers owe so far."""

import numpy as np

from engine.api.messages import (
    commitment_message,
    credit_message,
    discount_message,
    fitting,
    group_message,
    line_item_message,
    recipient_message,
    reported_message,
    share_message,
    spend_message,
    tax_message,
    unrateable_messages,
)
from engine.api.operation import Call
from engine.billing.line_item import LineItem
from engine.billing.rater import Rater, Snapshot
from engine.billing.terms.history import History
from engine.billing.terms.settled import settled
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.applied_terms import (
    applied_commitments,
    applied_credits,
    applied_discounts,
    applied_taxes,
)
from engine.spend.reported import ReportedTotals
from engine.spend.revenue_shares import RecipientTotals, applied_shares
from engine.spend.spend import SpendColumns, joined, sums_of
from engine.spend.spend_groups import GroupedBy, SpendGroups
from engine.times import optional_us, to_timestamp
from meterline.v1.spend_pb2 import (
    GetSpendRequest,
    GetSpendResponse,
    ListSpendRequest,
    ListSpendResponse,
    SpendGrouping,
)
from rating import CurrencyCode

_LIMIT_DEFAULT = 10
# An answer stays a message of some hundred KiB.
_LIMIT_MAX = 1_000
# Lines are about a KiB each; fewer are listed if they are larger. Amounts are always of all lines.
_LINE_ITEMS_MAX = 1_000
# Each is a message of some hundred bytes; a person mends a catalog by the first few.
_UNRATEABLE_MAX = 1_000
# Beside the line items of a customer, and the customers of a list.
_SHARES_BYTES_MAX = 512 * 1024
_RECIPIENTS_MAX = 10_000
_RECIPIENTS_BYTES_MAX = 1024 * 1024
_GROUPS_MAX = 10_000
_GROUPS_BYTES_MAX = 512 * 1024
_GROUPINGS = {
    SpendGrouping.SPEND_GROUPING_PRODUCT: GroupedBy.PRODUCT,
    SpendGrouping.SPEND_GROUPING_PLAN: GroupedBy.PLAN,
    SpendGrouping.SPEND_GROUPING_PRICE: GroupedBy.PRICE,
    SpendGrouping.SPEND_GROUPING_METER: GroupedBy.METER,
}


class SpendService:
    """Reads spend."""

    def __init__(self, rater: Rater) -> None:
        self._rater = rater

    def get_spend(self, request: GetSpendRequest, call: Call) -> GetSpendResponse:
        if not request.customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name a customer"))
        # How a customer's money is divided is no matter of the customer's.
        return self.spend_of(request, call.tenant, shows_shares=call.caller.customer_id is None)

    def spend_of(self, request: GetSpendRequest, tenant: str, *, shows_shares: bool) -> GetSpendResponse:
        snapshot = self._snapshot(request, tenant)
        rated = self._rater.rate_customer(snapshot, request.customer_id)
        items = rated.line_items(np.arange(min(len(rated), _LINE_ITEMS_MAX)))
        terms = settled(rated, History.of(self._rater, snapshot))
        shares = applied_shares(terms) if shows_shares else []
        return GetSpendResponse(
            spends=map(spend_message, sums_of(rated, terms).by_amount(1)),
            discounts=map(discount_message, applied_discounts(terms)),
            taxes=map(tax_message, applied_taxes(terms)),
            commitments=map(commitment_message, applied_commitments(terms)),
            credits=map(credit_message, applied_credits(terms)),
            shares=fitting(map(share_message, shares), _SHARES_BYTES_MAX),
            line_items=fitting(map(line_item_message, items)),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
        )

    def list_spend(self, request: ListSpendRequest, call: Call) -> ListSpendResponse:
        limit = request.limit or _LIMIT_DEFAULT
        if limit > _LIMIT_MAX:
            raise InvalidRequestError(FieldMistake("limit", f"is {limit}: ask for at most {_LIMIT_MAX}"))
        snapshot = self._snapshot(request, call.tenant)
        sums: list[SpendColumns] = []
        unrateable: list[LineItem] = []
        recipients = RecipientTotals()
        reported = _reported(request, snapshot.catalog)
        groups = _groups(request)
        rater, history = self._rater, History.of(self._rater, snapshot)
        stretches = (
            rater.rate_group(snapshot, request.customer_id, digests=False)
            if request.customer_id
            else rater.rate_all(snapshot, digests=False)
        )
        for rated in stretches:
            terms = settled(rated, history)
            sums.append(sums_of(rated, terms))
            recipients.add(terms)
            if reported is not None:
                reported.add(rated, terms)
            if groups is not None:
                groups.add(rated)
            unrateable += rated.unrateable_lines(_UNRATEABLE_MAX - len(unrateable))
        spends, of_recipients = joined(sums), recipients.by_amount()
        found_groups = [] if groups is None else groups.by_amount()
        return ListSpendResponse(
            spends=map(spend_message, spends.by_amount(limit)),
            totals=map(spend_message, spends.totals()),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
            unrateable_customers=unrateable_messages(unrateable),
            recipients=fitting(
                map(recipient_message, of_recipients[:_RECIPIENTS_MAX]), _RECIPIENTS_BYTES_MAX
            ),
            recipient_count=len(of_recipients),
            reported=None if reported is None else reported_message(request.reporting_currency, reported),
            groups=fitting(map(group_message, found_groups[:_GROUPS_MAX]), _GROUPS_BYTES_MAX),
            group_count=len(found_groups),
        )

    def _snapshot(self, request: GetSpendRequest | ListSpendRequest, tenant: str) -> Snapshot:
        return self._rater.snapshot(
            tenant,
            optional_us(request, "at"),
            optional_us(request, "as_of"),
            request.catalog_revision or None,
        )


def _groups(request: ListSpendRequest) -> SpendGroups | None:
    if not request.group_by:
        return None
    if request.group_by not in _GROUPINGS:
        raise InvalidRequestError(
            FieldMistake("group_by", f"is {request.group_by}: it is not a known grouping")
        )
    return SpendGroups(_GROUPINGS[request.group_by])


def _reported(request: ListSpendRequest, catalog: Catalog) -> ReportedTotals | None:
    if not request.reporting_currency:
        return None
    try:
        currency = CurrencyCode().read(request.reporting_currency)
    except ValueError as error:
        raise InvalidRequestError(FieldMistake("reporting_currency", str(error))) from None
    return ReportedTotals(catalog, currency)
