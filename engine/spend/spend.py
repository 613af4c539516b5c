"""Spend: sums of line items. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from engine.billing.line_item import LineItem

# Sums of amounts are exact or raise: 200 digits hold any sum of lines.
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])


@dataclass(frozen=True, slots=True)
class Spend:
    """The sum of the rounded amounts of a customer's lines (customer None: of all) in one currency."""

    customer_id: str | None
    currency: str
    amount: Decimal
    line_item_count: int
    event_count: int


def spend_by_customer(items: Iterable[LineItem]) -> list[Spend]:
    """One for each customer and currency: by currency, then descending by amount, then by customer."""
    spends = _sum(items, by_customer=True)
    return sorted(spends, key=lambda each: (each.currency, each.amount.copy_negate(), each.customer_id or ""))


def spend_totals(items: Iterable[LineItem]) -> list[Spend]:
    """One for each currency, in alphabetical order."""
    return sorted(_sum(items, by_customer=False), key=lambda each: each.currency)


def _sum(items: Iterable[LineItem], *, by_customer: bool) -> list[Spend]:
    sums: dict[tuple[str | None, str], Spend] = {}
    for item in items:
        customer_id = item.charge.subscription.customer if by_customer else None
        key = (customer_id, item.rated.currency)
        so_far = sums.get(key) or Spend(customer_id, item.rated.currency, Decimal(0), 0, 0)
        sums[key] = Spend(
            customer_id,
            so_far.currency,
            _EXACT.add(so_far.amount, item.rated.amount),
            so_far.line_item_count + 1,
            so_far.event_count + item.event_count,
        )
    return list(sums.values())
