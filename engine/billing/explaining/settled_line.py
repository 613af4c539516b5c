"""What each term of money did to one line of settled ones. Pure."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np
import pyarrow.compute as pc

from engine.billing.closing.settled_lines import settled_lines
from engine.billing.explaining.explanation import LineTerm, SettledLine
from engine.billing.rated import Rated
from engine.billing.terms.settled import Settled
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.decimal_texts import combined, decimal128_column
from engine.spend.applied_terms import applied_commitment, minor_decimal


def settled_line(
    found: Settled, parts: Sequence[Rated], line_item_id: str, currency: str
) -> SettledLine | None:
    """Of `found`, which was made from `parts`; None where it has no such line.

    Raises:
        MeterlineError: a line doesn't add up.
    """
    rows = settled_lines(found, parts).rows
    is_it = pc.and_(pc.equal(rows["line_item_id"], line_item_id), pc.equal(rows["currency"], currency))
    places = np.flatnonzero(np.asarray(combined(is_it), dtype=np.bool_))
    if not len(places):
        return None
    place = int(places[0])
    row = rows.slice(place, 1)
    amounts = {
        name.removesuffix("_minor"): minor_decimal(
            int(decimal128_column(combined(row[name]), 0).mantissa[0]), currency
        )
        for name in AMOUNTS
    }
    commitment = int(found.settlement.commitment[place])
    return SettledLine(
        amounts,
        [
            *_discounts(found, place, currency),
            *_credits(found, place, currency),
            *_taxes(found, place, currency),
        ],
        None if commitment < 0 else applied_commitment(found, commitment),
    )


def _discounts(found: Settled, line: int, currency: str) -> Iterator[LineTerm]:
    settlement, rated = found.settlement, len(found.invoiced)
    if line >= rated:
        return
    of_plans = settlement.plan_discounts
    if of_plans is not None and (taken := int(of_plans.discounted_minor.mantissa[line])):
        plan = found.invoiced.plans[int(found.invoiced.plan[line])].id
        yield LineTerm("plan_discount", plan, minor_decimal(taken, currency))
    result, coupons = settlement.discounts, found.coupons
    if result is None:
        return
    for row in np.flatnonzero(result.line == line).tolist():
        if amount := int(result.amount_minor.mantissa[row]):
            discount = int(result.discount[row])
            terms = coupons.discounts.terms[int(coupons.discounts.terms_index[discount])]
            yield LineTerm(
                "coupon", coupons.coupon_ids[discount], minor_decimal(amount, currency), terms.percent_off
            )


def _credits(found: Settled, line: int, currency: str) -> Iterator[LineTerm]:
    credit = found.settlement.credits
    for row in np.flatnonzero(credit.line == line).tolist():
        grant = found.grants[int(credit.grant[row])].grant
        yield LineTerm("credit", grant.id, minor_decimal(int(credit.amount_minor.mantissa[row]), currency))


def _taxes(found: Settled, line: int, currency: str) -> Iterator[LineTerm]:
    taxes = found.settlement.taxes
    for row in np.flatnonzero(taxes.line == line).tolist():
        number = int(taxes.rate[row])
        rate = taxes.rates[number]
        yield LineTerm(
            "tax",
            rate.tax_rate_id,
            minor_decimal(int(taxes.amount_minor.mantissa[row]), currency),
            Decimal(rate.percent),
            included=rate.inclusive,
            reverse_charge=bool(taxes.reverse[number]),
        )
