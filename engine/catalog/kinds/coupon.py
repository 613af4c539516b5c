"""Coupons: a percentage or an amount off what a customer's usage comes to, and who has redeemed one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.resource import ID, Name, Reference, Resource
from fields import Count, DecimalNumber, Instant, ListOf, Nested, Problem, Record, rule
from rating import CurrencyCode, discount_problems

INSTANT = Instant(limits.SUBSCRIPTION_YEAR_MIN, limits.SUBSCRIPTION_YEAR_MAX)
Plans = Annotated[tuple[str, ...], ListOf(Reference(to="plan"), 0, limits.SCOPE_ENTRIES_MAX, distinct=True)]
"""The plans that a term of money is about; none: all."""
Prices = Annotated[tuple[str, ...], ListOf(ID, 0, limits.SCOPE_ENTRIES_MAX, distinct=True)]
"""The prices, by their ids in whichever of these plans has one; none: all."""


@dataclass(frozen=True, kw_only=True)
class Redemption(Record):
    """A coupon that a customer or a subscription has, from the billing period on that contains `start`."""

    coupon: Annotated[str, Reference(to="coupon")]
    start: Annotated[datetime, INSTANT]


Redemptions = Annotated[
    tuple[Redemption, ...], ListOf(Nested(Redemption), 0, limits.REDEMPTIONS_MAX, unique="coupon")
]


@dataclass(frozen=True, kw_only=True)
class Coupon(Resource, section="coupons", count_max=limits.COUPONS_MAX):
    """So many percent, or so much in a currency, off each invoice of `periods` billing periods; of all, without.

    redemptions_max: how many customers and subscriptions of the catalog may have it.
    valid_from, valid_until: in which time, [from, until), a redemption may start.
    plans, prices: off which lines; those of all, without.
    """

    name: Name
    percent_off: Annotated[Decimal | None, DecimalNumber(positive=True, at_most=100, fraction_digits=12)] = (
        None
    )
    amount_off: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    currency: Annotated[str | None, CurrencyCode()] = None
    periods: Annotated[int | None, Count(limits.COUPON_PERIODS_MAX, at_least=1)] = None
    redemptions_max: Annotated[int | None, Count(at_least=1)] = None
    valid_from: Annotated[datetime | None, INSTANT] = None
    valid_until: Annotated[datetime | None, INSTANT] = None
    plans: Plans = ()
    prices: Prices = ()

    @rule("percent_off", "amount_off", "currency")
    def _is_a_percentage_or_an_amount(self) -> Iterator[Problem]:
        yield from discount_problems(self.percent_off, self.amount_off, self.currency)

    @rule("valid_from", "valid_until")
    def _can_be_redeemed(self) -> Iterator[Problem]:
        if (
            self.valid_from is not None
            and self.valid_until is not None
            and self.valid_until <= self.valid_from
        ):
            yield Problem(("valid_until",), "must be after valid_from")

    def may_start(self, at: datetime) -> bool:
        """Whether a redemption may start at an instant."""
        return (self.valid_from is None or at >= self.valid_from) and (
            self.valid_until is None or at < self.valid_until
        )
