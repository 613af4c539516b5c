"""The budget that a customer sets for itself: an alert of the catalog that is its own. Pure: a catalog in, what to change out.

Rules:
1. A customer has at most one such budget in a currency, and sets it in the currencies alone in which it is billed.
2. It is found by what it is, and not by its id: that is random, and tells nothing of the customer.
3. A write with an etag goes on what its caller has seen, as every write of a resource does; one that was removed since is stale, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from engine.catalog.documents.changes import Changes
from engine.catalog.kinds.alert import Alert, AlertMeasure
from engine.catalog.single.single_changes import create, end, update
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError, StaleError
from fields import decimal_text

_NAME: Final = "Budget"


@dataclass(frozen=True, slots=True)
class CustomerBudget:
    """What a customer sets. amount: of each billing period, in whole minor units; None removes the budget. thresholds: percentages of it."""

    customer_id: str
    currency: str
    amount: Decimal | None
    thresholds: Sequence[Decimal]


def budget_currencies(catalog: Catalog, customer_id: str, at: datetime) -> list[str]:
    """Those in which the customer's subscriptions that have not ended are billed, in alphabetical order.

    Raises:
        NotFoundError: the catalog doesn't have the customer.
    """
    if customer_id not in catalog.customers:
        raise NotFoundError(f"customer {customer_id!r} is not in the catalog: apply it first")
    own = catalog.customers[customer_id].resource.currency
    all_of_it = (each.resource for each in catalog.subscriptions.of_customer(customer_id))
    running = (each for each in all_of_it if each.end is None or each.end > at)
    return sorted(
        {
            each.currency or own or catalog.plan_versions[each.plan].newest.resource.currency
            for each in running
        }
    )


def checked_currency(catalog: Catalog, customer_id: str, currency: str, at: datetime) -> str:
    """The currency of a budget: this one, or where none is given the only one that there is.

    Raises:
        InvalidRequestError: the customer is billed in no such currency, or in several.
        NotFoundError: the catalog doesn't have the customer.
    """
    known = budget_currencies(catalog, customer_id, at)
    if not currency and len(known) == 1:
        return known[0]
    if currency not in known:
        said = f"is {currency[:8]!r}: the customer is billed in" if currency else "is missing: give one of"
        raise InvalidRequestError(
            FieldMistake("currency", f"{said} {', '.join(known) or 'no currency, as it has no subscription'}")
        )
    return currency


def own_budget(catalog: Catalog, customer_id: str, currency: str) -> Versioned[Alert] | None:
    """The budget that a customer has set in a currency."""
    own = catalog.alerts_of.get(customer_id, ())
    return next(
        (each for each in own if each.resource.set_by_customer and each.resource.currency == currency), None
    )


def set_budget(
    budget: CustomerBudget, etag: str, at: datetime, catalog: Catalog, new_id: Callable[[], str]
) -> Changes:
    """What setting, changing or removing a budget changes.

    Raises:
        NotFoundError: there is none to remove.
        StaleError: it was changed or removed since `etag`.
        InvalidRequestError: the etag is none of it.
    """
    known = own_budget(catalog, budget.customer_id, budget.currency)
    if known is None:
        if etag:
            raise StaleError("the budget was removed since it was read: read it again")
        if budget.amount is None:
            raise NotFoundError(f"the customer has set no budget in {budget.currency}")
        fields = {
            "id": new_id(),
            "name": _NAME,
            "measure": AlertMeasure.SPEND.value,
            "customer": budget.customer_id,
            "currency": budget.currency,
            "set_by_customer": True,
            **_said(budget, budget.amount),
        }
        return create(Alert.kind, fields, at, catalog)
    if budget.amount is None:
        return end(Alert.kind, known.resource.id, "delete", etag, at, catalog)
    return update(Alert.kind, known.resource.id, _said(budget, budget.amount), (), etag, at, catalog)


def _said(budget: CustomerBudget, amount: Decimal) -> dict[str, object]:
    return {"budget": decimal_text(amount), "thresholds": [decimal_text(each) for each in budget.thresholds]}
