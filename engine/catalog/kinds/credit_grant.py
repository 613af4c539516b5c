"""Credit grants: money that a customer was given, or has paid ahead; and the rules by which it pays ahead again."""

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


@dataclass(frozen=True, kw_only=True)
class TopUpRule(Resource, section="top_up_rules", count_max=limits.TOP_UP_RULES_MAX, called="top_up_rule"):
    """Whenever what is left of the customer's credit is below so much, it is granted an amount of paid credit (engine.spend.top_ups).

    below, amount, most_per_month: in whole minor units. most_per_month: what the rule grants in a calendar month in UTC, at most.
    lasts_months: how long each top-up is valid; for ever, without. cost_basis, priority: of the grants, as they have them.
    """

    customer: Annotated[str, Reference(to="customer")]
    name: Name | None = None
    currency: Annotated[str, CurrencyCode()]
    below: Annotated[Decimal, DecimalNumber(positive=True)]
    amount: Annotated[Decimal, DecimalNumber(positive=True)]
    most_per_month: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    cost_basis: Annotated[Decimal | None, DecimalNumber(at_most=1000, fraction_digits=12)] = None
    priority: Annotated[int, Count(255)] = 50
    lasts_months: Annotated[int | None, Count(limits.RECURS_MONTHS_MAX, at_least=1)] = None

    @rule("id")
    def _leaves_room_for_the_ids_of_grants(self) -> Iterator[Problem]:
        if len(self.id) > limits.TOP_UP_RULE_ID_BYTES_MAX:
            message = (
                f"must have at most {limits.TOP_UP_RULE_ID_BYTES_MAX} characters: its grants are called by it"
            )
            yield Problem(("id",), message)

    @rule("below", "amount", "most_per_month", "currency")
    def _are_whole_minor_units(self) -> Iterator[Problem]:
        for name in ("below", "amount", "most_per_month"):
            given = getattr(self, name)
            if given is not None:
                yield from whole_minor_units(name, given, self.currency)

    @rule("amount", "most_per_month")
    def _grants_once_a_month_at_least(self) -> Iterator[Problem]:
        if self.most_per_month is not None and self.most_per_month < self.amount:
            yield Problem(("most_per_month",), "must be the amount at least: nothing would be granted")
