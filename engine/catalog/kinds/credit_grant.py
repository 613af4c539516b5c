"""Credit grants: money that a customer was given, or has paid ahead."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.coupon import INSTANT, Plans, Prices
from engine.catalog.kinds.resource import Name, Reference, Resource
from fields import Count, DecimalNumber, Problem, rule
from rating import CurrencyCode, GrantCategory, whole_minor_units


@dataclass(frozen=True, kw_only=True)
class CustomerCredit(
    Resource, section="credit_grants", count_max=limits.CREDIT_GRANTS_MAX, called="credit_grant"
):
    """Credit over [effective_at, expires_at), in whole minor units.

    priority: the lower is used first. cost_basis: what a unit of paid credit cost, in its currency.
    recurs_months: of how many months another grant of the amount begins each time, counted from effective_at; each lasts
    for lasts_months, and none begins at expires_at or later.
    plans, prices: whose lines it pays for; all, without.
    """

    customer: Annotated[str, Reference(to="customer")]
    name: Name | None = None
    currency: Annotated[str, CurrencyCode()]
    amount: Annotated[Decimal, DecimalNumber(positive=True)]
    category: GrantCategory = GrantCategory.PROMOTIONAL
    cost_basis: Annotated[Decimal | None, DecimalNumber(at_most=1000, fraction_digits=12)] = None
    priority: Annotated[int, Count(255)] = 50
    effective_at: Annotated[datetime, INSTANT]
    expires_at: Annotated[datetime | None, INSTANT] = None
    recurs_months: Annotated[int | None, Count(limits.RECURS_MONTHS_MAX, at_least=1)] = None
    lasts_months: Annotated[int | None, Count(limits.RECURS_MONTHS_MAX, at_least=1)] = None
    plans: Plans = ()
    prices: Prices = ()

    @rule("amount", "currency")
    def _is_whole_minor_units(self) -> Iterator[Problem]:
        yield from whole_minor_units("amount", self.amount, self.currency)

    @rule("effective_at", "expires_at")
    def _expires_after_it_begins(self) -> Iterator[Problem]:
        if self.expires_at is not None and self.expires_at <= self.effective_at:
            yield Problem(("expires_at",), "must be after effective_at")

    @rule("category", "cost_basis")
    def _what_is_given_costs_nothing(self) -> Iterator[Problem]:
        if self.cost_basis is not None and self.category is not GrantCategory.PAID:
            yield Problem(("cost_basis",), "belongs to paid credit: remove it, or say category: paid")

    @rule("recurs_months", "lasts_months")
    def _lasts_if_it_recurs(self) -> Iterator[Problem]:
        if self.lasts_months is not None and self.recurs_months is None:
            yield Problem(
                ("lasts_months",), "belongs to a grant that recurs: say expires_at, or recurs_months"
            )
