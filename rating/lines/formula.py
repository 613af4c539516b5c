"""A line's calculation in one legible line that a machine can read back.

Grammar: `TERM + TERM ... = AMOUNT`, then for each further stage `; WORDS = AMOUNT`, then ` → ROUNDED CURRENCY`,
and for a line billed in parts `; less BOOKED booked = DUE CURRENCY`. A TERM is a quantity TIMES a unit
amount, `(TERM rounded)` where each tier is rounded, or a flat amount. Amounts left of the arrow are exact.
Of a group that is rounded together with others there stands ` in SUM of COUNT groups → TOTAL CURRENCY; share ROUNDED
CURRENCY` in place of the arrow and what follows it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fields import fraction_digits
from rating.numbers.decimals import EXACT, canonical
from rating.prices.models import Model, Scope
from rating.prices.price import Price

TIMES = "\N{MULTIPLICATION SIGN}"


class TierTerm(Protocol):
    """The numbers of a tier that a formula shows."""

    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_amount(self) -> Decimal: ...
    @property
    def flat_amount(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class Together:
    """A charge of several groups: how many, the sum of their exact amounts, and what that is rounded to."""

    group_count: int
    exact_amount: Decimal
    amount: Decimal


def formula_of(
    price: Price,
    tiers: Sequence[TierTerm],
    stages: Sequence[tuple[str, Decimal]],
    rounded: Decimal,
    booked: Decimal,
    together: Together | None = None,
) -> str:
    """The formula of a line.

    Args:
        price: its price.
        tiers: what each tier contributes.
        stages: (name, exact amount after it), the price stage first.
        rounded: the amount rounded to the currency's digits; of a group its share.
        booked: what is booked already, of the same period.
        together: the charge that the line is one group of, if its groups are rounded together.
    """
    terms = " + ".join(term for tier in tiers for term in _terms(price, tier)) or "0"
    text = f"{terms} = {plain(stages[0][1])}"
    for name, amount in stages[1:]:
        text += f"; {_words(price, name)} = {plain(amount)}"
    if together is not None:
        text += f" in {plain(together.exact_amount)} of {together.group_count} groups"
        text += f" → {together.amount:f} {price.currency}; share {rounded:f} {price.currency}"
    else:
        text += f" → {rounded:f} {price.currency}"
    if booked:
        text += f"; less {booked:f} booked = {canonical(EXACT.subtract(rounded, booked), price.digits):f} {price.currency}"
    return text


def _terms(price: Price, tier: TierTerm) -> Iterator[str]:
    flat_only = price.model in (Model.FLAT, Model.STAIRSTEP, Model.CAPACITY) or price.needs_events
    if not flat_only:
        usage = f"{plain(tier.quantity)} {TIMES} {plain(tier.unit_amount)}"
        yield f"({usage} rounded)" if price.rounding.scope is Scope.TIER else usage
    if tier.flat_amount or flat_only:
        yield plain(tier.flat_amount)


def _words(price: Price, stage: str) -> str:
    if stage == "percent_off":
        return f"less {plain(price.percent_off)} %"
    if stage == "amount_off":
        return f"less {plain(price.amount_off)}"
    if stage == "maximum_amount":
        return f"at most {plain(price.maximum_amount)}"
    return f"at least {plain(price.minimum_amount)}"


def plain(value: Decimal | None) -> str:
    """A decimal without exponent and without trailing zeros."""
    return "0" if not value else format(value, f".{fraction_digits(value)}f")
