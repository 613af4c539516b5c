"""Discounts of plans: off all that a subscription's lines of one plan come to in a billing period.

Rules:
1. percent_off comes first, then amount_off, then the spend discount; each of what those before it left of the positive lines.
2. An amount is at most what the lines come to. In a part of a period it is amount x counted / whole.
3. A spend discount has tiers, each over (up_to of the tier before, up_to] of the spend: graduated takes each tier's percent
   off the spend inside it, volume the percent of the one tier that holds the spend off all of it. In a part of a period the
   bounds are up_to x counted / whole, exact.
4. Each of the three is rounded once to a minor unit, half away from zero, and shared out over the lines in proportion, by the
   largest remainder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import numpy as np

from fields import DecimalNumber, ListOf, Nested, Problem, Record, rule
from rating.numbers.allocate import allocate
from rating.numbers.currency import minor_unit_digits
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.settlement.invoice_lines import NONE, Ids, InvoiceLines, check_ids, divided_minor

SPEND_TIERS_MAX = 50
"""A person writes them."""
_PERCENT = Decimal("0.01")


class SpendDiscountMode(StrEnum):
    """What a tier's percentage is taken of."""

    GRADUATED = "graduated"
    """The spend inside the tier (default)."""
    VOLUME = "volume"
    """All of the spend, by the one tier that holds it."""


@dataclass(frozen=True, kw_only=True)
class SpendTier(Record, called="tier"):
    """Spend up to `up_to`, in units of the currency (None: without end), has `percent_off` off."""

    up_to: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    percent_off: Annotated[Decimal, DecimalNumber(at_most=100, fraction_digits=12)]


@dataclass(frozen=True, kw_only=True)
class SpendDiscount(Record):
    """A percentage off by how much is spent.

    Raises:
        FieldsError: with every problem of the values.
    """

    mode: SpendDiscountMode = SpendDiscountMode.GRADUATED
    tiers: Annotated[tuple[SpendTier, ...], ListOf(Nested(SpendTier), 1, SPEND_TIERS_MAX)]

    @rule("tiers")
    def _tiers_rise(self) -> Iterator[Problem]:
        for number, (before, tier) in enumerate(pairwise(self.tiers), 1):
            if before.up_to is None:
                yield Problem(("tiers", number - 1, "up_to"), "is missing: only the last tier has no end")
            elif tier.up_to is not None and tier.up_to <= before.up_to:
                message = f"must be greater than the tier before ({before.up_to}), is {tier.up_to}"
                yield Problem(("tiers", number, "up_to"), message)
        if self.tiers[-1].up_to is not None:
            message = "must be left out in the last tier, so that all spend has a percentage"
            yield Problem(("tiers", len(self.tiers) - 1, "up_to"), message)


@dataclass(frozen=True, slots=True)
class PlanDiscount:
    """What a plan takes off, in its currency; each may be None."""

    currency: str
    percent_off: Decimal | None = None
    amount_off: Decimal | None = None
    spend_discount: SpendDiscount | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class PlanDiscounts:
    """K discounts, each of some lines, as columns.

    Attributes:
        terms: the distinct discounts; `terms_index`: index into it, int64[K].
        of_line: which of the K each of the n lines has, int64[n]; -1: none.
        counted, whole: of which part of a whole period each is, int64[K], 0 <= counted <= whole, 0 < whole.
    """

    terms: tuple[PlanDiscount, ...]
    terms_index: Ids
    of_line: Ids
    counted: Ids
    whole: Ids

    def __post_init__(self) -> None:
        for name in ("counted", "whole"):
            if len(getattr(self, name)) != len(self):
                raise ValueError(f"{name} must have {len(self)} rows, has {len(getattr(self, name))}")
        check_ids("terms_index", self.terms_index, 0, len(self.terms) - 1)
        check_ids("of_line", self.of_line, NONE, len(self) - 1)
        check_ids("whole", self.whole, 1, 2**62)
        check_ids("counted", self.counted, 0, 2**62)

    def __len__(self) -> int:
        return len(self.terms_index)


@dataclass(frozen=True, eq=False, kw_only=True)
class PlanDiscountResult:
    """Amounts in minor units at scale 0.

    Attributes:
        amount_minor: what each of the K discounts takes off in all.
        discounted_minor: what is off each of the n lines.
        left_minor: what each line comes to after it.
    """

    amount_minor: DecimalColumn
    discounted_minor: DecimalColumn
    left_minor: DecimalColumn


def apply_plan_discounts(lines: InvoiceLines, discounts: PlanDiscounts) -> PlanDiscountResult:
    """What is off which line. Three passes over the lines; a step for each distinct spend discount."""
    left = lines.amount_minor
    for off in (_percents, _amounts, _by_spend):
        place = np.flatnonzero((discounts.of_line != NONE) & np.asarray(left.mantissa > 0, dtype=np.bool_))
        group = discounts.of_line[place]
        own = left.take(place)
        taken = off(discounts, own.sum_by_group(group, len(discounts)))
        shares = allocate(taken, own, group)
        left = left.subtract(DecimalColumn.scattered([shares], [place], len(lines))).narrowed()
    discounted = lines.amount_minor.subtract(left).narrowed()
    has = np.flatnonzero(discounts.of_line != NONE)
    return PlanDiscountResult(
        amount_minor=discounted.take(has).sum_by_group(discounts.of_line[has], len(discounts)),
        discounted_minor=discounted,
        left_minor=left,
    )


def _percents(discounts: PlanDiscounts, spend: DecimalColumn) -> DecimalColumn:
    percents = DecimalColumn.of([(each.percent_off or 0) for each in discounts.terms])
    exact = spend.multiply(percents.take(discounts.terms_index)).scaled_by(_PERCENT)
    return exact.round(0, RoundingMode.HALF_UP)


def _amounts(discounts: PlanDiscounts, spend: DecimalColumn) -> DecimalColumn:
    amounts = DecimalColumn.of([_minor(each.amount_off, each.currency) for each in discounts.terms])
    exact = amounts.take(discounts.terms_index).multiply(DecimalColumn(discounts.counted, 0))
    return divided_minor(exact, discounts.whole).minimum(spend).narrowed()


def _by_spend(discounts: PlanDiscounts, spend: DecimalColumn) -> DecimalColumn:
    found, places = [DecimalColumn.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for number, terms in enumerate(discounts.terms):
        rows = np.flatnonzero(discounts.terms_index == number)
        if terms.spend_discount is not None and len(rows):
            # Of spend and bounds the `whole`-fold, which is exact.
            whole = spend.take(rows).multiply(DecimalColumn(discounts.whole[rows], 0))
            counted = DecimalColumn(discounts.counted[rows], 0)
            exact = _tiers_off(terms.spend_discount, terms.currency, whole, counted)
            found.append(divided_minor(exact, discounts.whole[rows]))
            places.append(rows)
    return DecimalColumn.scattered(found, places, len(discounts)).narrowed()


def _tiers_off(
    discount: SpendDiscount, currency: str, spend: DecimalColumn, counted: DecimalColumn
) -> DecimalColumn:
    """Rule 3: of the spend of rows what is off, exactly; spend and bounds are to one measure."""
    off = below = DecimalColumn.zeros(len(spend))
    is_open = np.ones(len(spend), dtype=np.bool_)
    for tier in discount.tiers:
        bound = spend if tier.up_to is None else counted.scaled_by(_minor(tier.up_to, currency))
        within = spend.minimum(bound)
        share = tier.percent_off * _PERCENT
        if discount.mode is SpendDiscountMode.GRADUATED:
            off = off.add(within.subtract(below).scaled_by(share))
            below = within
        else:
            holds = is_open & (spend.compare(bound) <= 0)
            off = spend.scaled_by(share).where(holds, off)
            is_open &= ~holds
    return off


def _minor(amount: Decimal | None, currency: str) -> Decimal:
    return Decimal(0) if amount is None else amount.scaleb(minor_unit_digits(currency))
