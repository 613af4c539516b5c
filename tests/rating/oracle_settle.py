"""The oracle's reading of what follows the lines: commitments, credits, taxes and revenue splits.

Amounts are Fractions in units of the currency; `digits` are its minor units.

Rules:
1. Commitment: a subscription that spent less than it committed to owes the difference in the last part of the
   period (true-up); what it spent beyond costs `overage_factor` times as much in all, so (factor - 1) x the
   overage is added. Both are worked out for the period so far, less what is booked.
2. Credits: grants are used by priority (the lower number first), then the earliest expiry (none is last), then
   promotional before paid, then the oldest. Each line, in order, takes from the first grant that has a balance,
   is its customer's, in its currency, for its price and valid at its instant. Only a positive amount takes.
3. Tax, exclusive: each rate of the net amount, each rounded once. Inclusive: the net is amount / (1 + all rates),
   rounded once, and the rest is allocated to the rates, so net and taxes add up to the amount. Reverse charge:
   no tax is due.
4. Split: the platform takes percent + fixed, rounded once and never more than the amount; the rest is
   allocated to the shares by the largest remainder.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from oracle_models import HUNDRED, Fields
from oracle_numbers import ZERO, allocated, rounded


class Draw(NamedTuple):
    """One consumption of a credit grant by a line; both are positions."""

    line: int
    grant: int
    amount: Fraction


def commitment(terms: Fields, part: Fields, spend: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    """(overage, true-up) to charge now; `spend` is that of the period so far, `part` what is known of it."""
    mode = terms.get("rounding", "half_up")
    committed = rounded(terms["amount"] * part.get("proration", Fraction(1)), digits, mode)
    overage, true_up = ZERO, ZERO
    if spend > committed:
        overage = rounded((spend - committed) * (terms.get("overage_factor", Fraction(1)) - 1), digits, mode)
    elif part.get("final", True) and terms.get("true_up", True):
        true_up = committed - spend
    return overage - part.get("booked_overage", ZERO), true_up - part.get("booked_true_up", ZERO)


def draws(lines: Sequence[Fields], grants: Sequence[Fields]) -> list[Draw]:
    """Which line takes how much from which grant, line by line."""
    left = [grant["balance"] for grant in grants]
    order = sorted(range(len(grants)), key=lambda index: (*turn(grants[index]), index))
    result = []
    for position, line in enumerate(lines):
        owed = line["amount"]
        for grant in order:
            taken = min(owed, left[grant]) if pays_for(grants[grant], line) else ZERO
            if taken > 0:
                result.append(Draw(position, grant, taken))
                left[grant] -= taken
                owed -= taken
    return result


def turn(grant: Fields) -> tuple[Any, ...]:
    """What decides when a grant's turn comes."""
    never = grant["expires_at"] is None
    return (
        grant["priority"],
        never,
        0 if never else grant["expires_at"],
        not grant["promotional"],
        grant["created_at"],
    )


def pays_for(grant: Fields, line: Fields) -> bool:
    """Whether a grant may pay for a line."""
    valid = grant["effective_at"] <= line["at"] and (
        grant["expires_at"] is None or line["at"] < grant["expires_at"]
    )
    own = grant["customer"] == line["customer"] and grant["currency"] == line["currency"]
    return valid and own and (grant["price_ids"] is None or line["price_id"] in grant["price_ids"])


def exclusive_taxes(
    net: Fraction, percents: Sequence[Fraction], digits: int, mode: str = "half_up"
) -> list[Fraction]:
    """The tax of each rate on top of a net amount."""
    return [rounded(net * percent / HUNDRED, digits, mode) for percent in percents]


def inclusive_taxes(
    gross: Fraction, percents: Sequence[Fraction], digits: int, mode: str = "half_up"
) -> tuple[Fraction, list[Fraction]]:
    """(net, the tax of each rate) of an amount that contains its taxes."""
    if sum(percents, ZERO) == 0:
        return gross, [ZERO] * len(percents)
    net = rounded(gross / (1 + sum(percents, ZERO) / HUNDRED), digits, mode)
    return net, allocated(gross - net, percents, digits)


def split(
    amount: Fraction, percent: Fraction, fixed: Fraction, weights: Sequence[Fraction], digits: int
) -> tuple[Fraction, list[Fraction]]:
    """(platform fee, each share) of what a marketplace took in."""
    fee = min(rounded(amount * percent / HUNDRED + fixed, digits, "half_up"), amount)
    return fee, allocated(amount - fee, weights, digits)
