"""Alerts: what a customer has used or spent in a billing period, and from which values on somebody is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from engine.catalog import limits
from engine.catalog.kinds.resource import Name, Reference, Resource
from fields import DecimalNumber, ListOf, Problem, rule
from rating import CurrencyCode


class AlertMeasure(StrEnum):
    """What is measured of a customer, in the billing periods that contain an instant."""

    SPEND = "spend"
    """Its lines in a currency, less discounts; before commitments, credit and taxes."""
    DUE = "due"
    """What would be due in a currency: after all terms of money, with taxes."""
    USAGE = "usage"
    """The billed quantity of a meter, on the lines of the subscription and price that have most of it."""
    CREDIT_BALANCE = "credit_balance"
    """What is left of the customer's credit in a currency, after what the running periods draw. It is reached from above."""
    COMMITMENT = "commitment"
    """The spend that counts toward a commitment, in percent of what is committed; of several the one that is furthest."""


class AlertRepeats(StrEnum):
    """When a threshold that was reached in one billing period is told again."""

    EVERY_PERIOD = "every_period"
    ONCE = "once"


_OF_A_CURRENCY: Final = (AlertMeasure.SPEND, AlertMeasure.DUE, AlertMeasure.CREDIT_BALANCE)
_WITH_BUDGET: Final = (AlertMeasure.SPEND, AlertMeasure.DUE, AlertMeasure.USAGE)
_NEEDS: Final[Mapping[str, tuple[AlertMeasure, ...]]] = {
    "currency": _OF_A_CURRENCY,
    "meter": (AlertMeasure.USAGE,),
}


@dataclass(frozen=True, kw_only=True)
class Alert(Resource, section="alerts", count_max=limits.ALERTS_MAX):
    """Thresholds on one measure of one customer; without a customer, of each.

    currency, meter: what is measured, as the measure needs.
    budget: with it, thresholds are percentages of it; those of a commitment always are of what is committed.
    visible_to_customer: whether the customers whom it is about see it.
    set_by_customer: it is the budget that its customer has set for itself, and sees; one in a currency.
    """

    name: Name
    measure: AlertMeasure
    customer: Annotated[str | None, Reference(to="customer")] = None
    currency: Annotated[str | None, CurrencyCode()] = None
    meter: Annotated[str | None, Reference(to="meter")] = None
    budget: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    # As many digits as a share is computed with.
    thresholds: Annotated[
        tuple[Decimal, ...],
        ListOf(DecimalNumber(fraction_digits=12), 1, limits.ALERT_THRESHOLDS_MAX, distinct=True),
    ]
    repeats: AlertRepeats = AlertRepeats.EVERY_PERIOD
    visible_to_customer: bool = False
    set_by_customer: bool = False

    @rule("measure", "currency", "meter")
    def _says_what_is_measured(self) -> Iterator[Problem]:
        for name, measures in _NEEDS.items():
            is_given, is_needed = getattr(self, name) is not None, self.measure in measures
            if is_needed and not is_given:
                yield Problem((name,), f"is missing: {self.measure} is measured in one {name}")
            elif is_given and not is_needed:
                yield Problem((name,), f"belongs to {', '.join(measures)}: remove it")

    @rule("measure", "budget")
    def _has_a_budget_where_it_means_something(self) -> Iterator[Problem]:
        if self.budget is not None and self.measure not in _WITH_BUDGET:
            yield Problem(("budget",), f"belongs to {', '.join(_WITH_BUDGET)}: remove it")

    @rule("measure", "thresholds")
    def _is_not_reached_by_nothing(self) -> Iterator[Problem]:
        if self.measure is AlertMeasure.CREDIT_BALANCE:
            return
        for position, each in enumerate(self.thresholds):
            if not each:
                yield Problem(("thresholds", position), "must be more than 0: nothing would reach it")

    @rule("measure", "customer", "budget", "set_by_customer")
    def _is_a_budget_of_its_customer(self) -> Iterator[Problem]:
        if not self.set_by_customer:
            return
        if self.measure is not AlertMeasure.SPEND:
            yield Problem(("set_by_customer",), f"belongs to {AlertMeasure.SPEND}: remove it")
        for name in ("customer", "budget"):
            if getattr(self, name) is None:
                yield Problem((name,), "is missing: a customer sets a budget of its own")

    @property
    def is_seen_by_customer(self) -> bool:
        return self.visible_to_customer or self.set_by_customer

    @property
    def subject(self) -> str:
        """The currency or the meter; empty for a commitment."""
        return self.currency or self.meter or ""
