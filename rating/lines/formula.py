"""A line's calculation in one legible line that a machine can read back.

Grammar: `TERM + TERM ... = AMOUNT`, then for each further stage `; WORDS = AMOUNT`, then ` → ROUNDED CURRENCY`,
and for a line billed in parts `; less BOOKED booked = DUE CURRENCY`. A TERM is a quantity TIMES a unit
amount, `(TERM rounded)` where each tier is rounded, or a flat amount. Amounts left of the arrow are exact, but for that of a
part of the billing period: behind `; TIMES NUMERATOR/DENOMINATOR` it is the quotient to 12 digits, off by less than one of the
last. What is rounded is the quotient itself.
With terms per event the terms are the amounts of all events that pay TIMES the share, their number TIMES the fixed fee,
and what then comes off or on, as `-3.42 (at most 5 an event)`, `0.1 (at least 0.5 an event)`, and `0.001 (rounded)`
where each tier is rounded.
Of a group that is rounded together with others there stands ` in SUM of COUNT groups → TOTAL CURRENCY; share ROUNDED
CURRENCY` in place of the arrow and what follows it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from fields import fraction_digits
from rating.kernels.events import FeeSums
from rating.numbers.decimals import EXACT, canonical
from rating.prices.models import Model, Scope
from rating.prices.price import Price
from rating.prices.proration import Part

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
    """A charge of several groups: how many, the sum of their exact amounts as it is shown, and what the sum is rounded to."""

    group_count: int
    exact_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Due:
    """What a line owes: the rounded amount, of a group its share of what `together` is rounded to, less what is booked."""

    rounded: Decimal
    booked: Decimal
    together: Together | None = None


def formula_of(
    price: Price,
    tiers: Sequence[TierTerm],
    stages: Sequence[tuple[str, Decimal]],
    due: Due,
    fees: FeeSums | None = None,
    part: Part | None = None,
) -> str:
    """The formula of a line.

    Args:
        price: its price.
        tiers: what each tier contributes.
        stages: (name, exact amount after it), the price stage first.
        due: what stands behind the exact amounts.
        fees: of a price with terms per event.
        part: of its billing period, if it is for one.
    """
    amount = stages[0][1]
    if fees is None:
        terms = " + ".join(term for tier in tiers for term in _terms(price, tier)) or "0"
    else:
        terms = " + ".join(_terms_of_fees(price, fees, amount))
    text = f"{terms} = {plain(amount)}"
    for name, amount in stages[1:]:
        text += f"; {_words(price, name, part)} = {plain(amount)}"
    if (together := due.together) is not None:
        text += f" in {plain(together.exact_amount)} of {together.group_count} groups"
        text += f" → {together.amount:f} {price.currency}; share {due.rounded:f} {price.currency}"
    else:
        text += f" → {due.rounded:f} {price.currency}"
    if due.booked:
        left = canonical(EXACT.subtract(due.rounded, due.booked), price.digits)
        text += f"; less {due.booked:f} booked = {left:f} {price.currency}"
    return text


def _terms(price: Price, tier: TierTerm) -> Iterator[str]:
    flat_only = price.model in (Model.FLAT, Model.STAIRSTEP, Model.CAPACITY)
    if not flat_only:
        usage = f"{plain(tier.quantity)} {TIMES} {plain(tier.unit_amount)}"
        yield f"({usage} rounded)" if price.rounding.scope is Scope.TIER else usage
    if tier.flat_amount or flat_only:
        yield plain(tier.flat_amount)


def _terms_of_fees(price: Price, fees: FeeSums, amount: Decimal) -> Iterator[str]:
    yield f"{plain(fees.charged_amount)} {TIMES} {plain(EXACT.scaleb(price.percent or Decimal(0), -2))}"
    if price.fixed_amount_per_event is not None:
        yield f"{fees.charged_event_count} {TIMES} {plain(price.fixed_amount_per_event)}"
    if fees.above_maximum:
        yield f"-{plain(fees.above_maximum)} (at most {plain(price.maximum_per_event)} an event)"
    if fees.below_minimum:
        yield f"{plain(fees.below_minimum)} (at least {plain(price.minimum_per_event)} an event)"
    if more := EXACT.subtract(amount, fees.amount):
        yield f"{plain(more)} (rounded)"


def _words(price: Price, stage: str, part: Part | None) -> str:
    if part is not None and stage == "proration":
        return f"{TIMES} {Fraction(part.end - part.start, part.total)}"
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
