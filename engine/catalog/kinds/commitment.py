"""Commitments: what a subscription spends at least in a billing period, or in several together, and what spend beyond it costs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.coupon import Prices
from fields import BAD, Count, DecimalNumber, Flag, ListOf, Nested, Problem, Record, did_you_mean, rule
from rating import whole_minor_units


class EarlyEnd(StrEnum):
    """What is committed where a term ends before its last billing period."""

    FULL = "full"
    """All of it (default)."""
    PRORATED = "prorated"
    """Its share, by the second."""


class RolloverOrder(StrEnum):
    """When spend uses what was rolled over."""

    LAST = "last"
    """Beyond the period's own amount (default)."""
    FIRST = "first"
    """Before it, so that more of it may be rolled over again."""


@dataclass(frozen=True, kw_only=True)
class SpendCommitment(Record, called="commitment"):
    """So much spend in `periods` billing periods together, in units of its plan's currency, whole minor units.

    overage_factor: what spend beyond it is multiplied by. true_up: whether what is missing is charged.
    prices: the prices of the subscription whose lines count, by their ids; those of all, without.
    early_end, renews: of one for several periods; it renews unless it says not. rollover_periods: of one for a single period, how many later ones may use what it left.
    """

    amount: Annotated[Decimal, DecimalNumber()]
    # A typo in a factor should not pass as a price. Cheaper spend is a discount on spend, which comes off the lines themselves:
    # credit, taxes and splits then see what is left.
    overage_factor: Annotated[Decimal, DecimalNumber(at_least=1, at_most=1000, fraction_digits=12)] = Decimal(
        1
    )
    true_up: bool = True
    prices: Prices = ()
    periods: Annotated[int, Count(limits.COMMITMENT_PERIODS_MAX, at_least=1)] = 1
    early_end: EarlyEnd = EarlyEnd.FULL
    # Without a default that definitions would have: those of before stay what they were.
    renews: Annotated[bool | None, Flag()] = None
    rollover_periods: Annotated[int, Count(limits.ROLLOVER_PERIODS_MAX, at_least=0)] = 0
    rollover_order: RolloverOrder = RolloverOrder.LAST

    @rule("periods", "early_end")
    def _term_may_end_early(self) -> Iterator[Problem]:
        if self.early_end is not EarlyEnd.FULL and not self.is_contract:
            message = (
                "is of a commitment over several periods: one for a single period always commits its share"
            )
            yield Problem(("early_end",), message)

    @rule("periods", "renews")
    def _term_may_be_the_last(self) -> Iterator[Problem]:
        if self.renews is not None and not self.is_contract:
            yield Problem(("renews",), "is of a commitment over several periods: a single period has no term")

    @rule("periods", "rollover_periods", "rollover_order")
    def _single_periods_roll_over(self) -> Iterator[Problem]:
        if self.rolls_over and self.is_contract:
            message = "is of a commitment for a single period: in a term what is left goes on by itself"
            yield Problem(("rollover_periods",), message)
        if self.rollover_order is not RolloverOrder.LAST and not self.rolls_over:
            yield Problem(
                ("rollover_order",), "is of a commitment that rolls over: say rollover_periods, too"
            )

    @property
    def rolls_over(self) -> bool:
        """Whether later periods may use what one leaves."""
        return self.rollover_periods > 0

    @property
    def follows_earlier(self) -> bool:
        """Whether what it adds to a period follows from earlier periods, too."""
        return self.is_contract or self.rolls_over

    @property
    def is_contract(self) -> bool:
        """Whether it is for several billing periods together: a term."""
        return self.periods > 1


COMMITMENTS = ListOf(Nested(SpendCommitment), 0, limits.COMMITMENTS_MAX)


def overlaps(commitments: Sequence[SpendCommitment]) -> Iterator[Problem]:
    """A line counts toward one commitment: no price is in two of them, and one at most is for all prices."""
    named: dict[str, int] = {}
    for_all: int | None = None
    for number, each in enumerate(commitments):
        if each is BAD:
            continue
        if not each.prices:
            if for_all is not None:
                message = f"is missing: the commitment {for_all} is for all prices, too"
                yield Problem((number, "prices"), message)
            else:
                for_all = number
        for place, price in enumerate(each.prices):
            if price in named:
                yield Problem(
                    (number, "prices", place), f"{price!r} is in the commitment {named[price]}, too"
                )
            named.setdefault(price, number)


def misfits(
    commitments: Sequence[SpendCommitment], currency: str, price_ids: Iterable[str]
) -> Iterator[Problem]:
    """What doesn't fit the currency and the prices that a subscription has."""
    known = set(price_ids)
    for number, each in enumerate(commitments):
        if each is BAD:
            continue
        for problem in whole_minor_units("amount", each.amount, currency):
            yield Problem((number, *problem.path), problem.message)
        for place, price in enumerate(each.prices):
            if price not in known:
                message = f"the plan has no price {price!r}{did_you_mean(price, list(known))}"
                yield Problem((number, "prices", place), message)
