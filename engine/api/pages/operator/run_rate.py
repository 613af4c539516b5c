"""What fees come to a month, and what was collected in each month: sums of amounts that calls gave. Pure.

Rules:
1. A fee is the charge of a price without a meter that recurs: not one whose timing is `once`. What the fees of one price come to in the billing periods of all customers (ListSpend by
   price), before discounts, commitments, credit and taxes, is divided by the length of the plan's billing period in months: a year has
   12 months and 365 days, a quarter 3 months, a week 7 days.
2. The quotient is exact, and is rounded once for each price, half away from zero, to the currency's minor unit. Totals are sums of rounded
   ones.
3. The plan is its newest version. What it has not, such as one-off items, is no fee.
4. A payment counts in the month (UTC) in which it was received, less what was refunded of it; one that failed doesn't.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import MAX_PREC, Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

from engine.times import us_datetime
from meterline.v1.catalog_pb2 import Resource
from meterline.v1.receivables_pb2 import Payment, PaymentState
from meterline.v1.spend_pb2 import SpendGroup
from rating import Timing, minor_unit_digits

_MONTHS: Final = {
    "day": Fraction(12, 365),
    "week": Fraction(12 * 7, 365),
    "month": Fraction(1),
    "quarter": Fraction(3),
    "year": Fraction(12),
}


@dataclass(frozen=True, slots=True)
class FeePrices:
    """Of a plan's newest version. months: of its billing period."""

    months: Fraction
    price_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class MonthlyFee:
    """What the fees of one price come to. amount: in their billing periods; monthly: a month, rounded."""

    plan_id: str
    price_id: str
    currency: str
    amount: Decimal
    monthly: Decimal


def fee_prices(plan: Resource) -> FeePrices:
    definition: Mapping[str, Any] = json.loads(plan.definition)
    unit = _MONTHS[definition.get("billing_period", "month")]
    prices = definition.get("prices") or []
    return FeePrices(
        unit * int(definition.get("billing_period_count") or 1),
        frozenset(
            each["id"] for each in prices if not each.get("meter") and each.get("timing") != Timing.ONCE
        ),
    )


def monthly_fees(groups: Iterable[SpendGroup], plans: Mapping[str, FeePrices]) -> list[MonthlyFee]:
    """Of those prices that are fees, in their order."""
    found = []
    for each in groups:
        plan = plans.get(each.plan_id)
        if plan is None or each.price_id not in plan.price_ids:
            continue
        amount = Decimal(each.amount)
        monthly = _rounded(Fraction(amount) / plan.months, minor_unit_digits(each.currency))
        found.append(MonthlyFee(each.plan_id, each.price_id, each.currency, amount, monthly))
    return found


def by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Exact sums, in alphabetical order."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    with localcontext(prec=MAX_PREC):
        for currency, amount in amounts:
            sums[currency] += amount
    return dict(sorted(sums.items()))


def collected(payments: Iterable[Payment]) -> dict[tuple[str, str], Decimal]:
    """By month ("2026-11") and currency, the newest month in front."""
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with localcontext(prec=MAX_PREC):
        for each in payments:
            if each.state != PaymentState.PAYMENT_STATE_FAILED:
                month = us_datetime(each.received_at.ToMicroseconds()).strftime("%Y-%m")
                sums[month, each.currency] += Decimal(each.amount) - Decimal(each.refunded or 0)
    by_name = sorted(sums.items(), key=lambda one: one[0][1])
    return dict(sorted(by_name, key=lambda one: one[0][0], reverse=True))


def _rounded(exact: Fraction, digits: int) -> Decimal:
    """Half away from zero."""
    scaled = abs(exact) * 10**digits
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    with localcontext(prec=MAX_PREC):
        return Decimal(units if exact >= 0 else -units).scaleb(-digits)
