"""The oracle's reading of what follows the lines: commitments, credits, taxes and revenue splits.

Rules:
1. Commitment: a subscription that used less than it committed to owes the difference (true-up); what it used
   beyond the commitment costs `overage_factor` times as much, so the line to add is (factor - 1) x the overage.
2. Credits: grants are used by priority (the lower number first), then the earliest expiry (none is last), then
   promotional before paid, then the oldest. Each line, in order, takes from the first grant that has a balance.
   Only a positive amount takes credit, and a grant never gives more than it holds.
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
    """One consumption of a credit grant by a line."""

    grant: int
    line: int
    amount: Fraction


def commitment(
    used: Fraction, terms: Fields, digits: int, mode: str = "half_up"
) -> tuple[Fraction, Fraction]:
    """(true-up, overage charge) for what a subscription's lines come to."""
    committed = terms["amount"]
    if used < committed:
        return (committed - used if terms.get("true_up", True) else ZERO), ZERO
    beyond = used - committed
    return ZERO, rounded(beyond * (terms.get("overage_factor", Fraction(1)) - 1), digits, mode)


def draws(lines: Sequence[Fraction], grants: Sequence[dict[str, Any]]) -> list[Draw]:
    """Which line takes how much from which grant; `expires_at` is None for a grant that never expires."""

    def turn(index: int) -> tuple:
        grant = grants[index]
        never = grant["expires_at"] is None
        return (
            grant["priority"],
            never,
            0 if never else grant["expires_at"],
            not grant["promotional"],
            grant["granted_at"],
            index,
        )

    left = [grant["balance"] for grant in grants]
    order = sorted(range(len(grants)), key=turn)
    result = []
    for line, amount in enumerate(lines):
        owed = amount
        for grant in order:
            taken = min(owed, left[grant])
            if taken > 0:
                result.append(Draw(grant, line, taken))
                left[grant] -= taken
                owed -= taken
    return result


def exclusive_taxes(
    net: Fraction, percents: Sequence[Fraction], digits: int, mode: str = "half_up"
) -> list[Fraction]:
    """The tax of each rate on top of a net amount."""
    return [rounded(net * percent / HUNDRED, digits, mode) for percent in percents]


def inclusive_taxes(
    gross: Fraction, percents: Sequence[Fraction], digits: int, mode: str = "half_up"
) -> tuple[Fraction, list[Fraction]]:
    """(net, the tax of each rate) of an amount that contains its taxes."""
    net = rounded(gross / (1 + sum(percents, ZERO) / HUNDRED), digits, mode)
    if sum(percents, ZERO) == 0:
        return gross, [ZERO] * len(percents)
    return net, allocated(gross - net, percents, digits)


def split(
    amount: Fraction, percent: Fraction, fixed: Fraction, weights: Sequence[Fraction], digits: int
) -> tuple[Fraction, list[Fraction]]:
    """(platform fee, each share) of what a marketplace took in."""
    fee = min(rounded(amount * percent / HUNDRED + fixed, digits, "half_up"), amount)
    return fee, allocated(amount - fee, weights, digits)
