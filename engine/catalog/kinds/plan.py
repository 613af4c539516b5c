"""Plans: prices in one currency, by billing period; each but a flat one rates a meter."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.resource import Id, Name, Reference, Resource
from fields import BAD, Choice, Inline, ListOf, Nested, Problem, Record, Schema, rule, shown
from rating import CurrencyCode, Model, Price


@dataclass(frozen=True, kw_only=True)
class PlanPrice(Record, called="price"):
    """One price of a plan; `id` is unique in the plan, `meter` is None for a flat price only."""

    id: Id
    price: Annotated[Price, Inline(Price, "currency", owner="plan")]
    meter: Annotated[str | None, Reference(to="meter")] = None

    @rule(partly=("price",))
    def _usage_can_be_fed(self) -> Iterator[Problem]:
        if problem := usage_problem(self.price):
            yield Problem(("model",), problem)

    @rule("meter", partly=("price",))
    def _meter_fits_model(self) -> Iterator[Problem]:
        model = self.price.model
        if model is Model.FLAT and self.meter is not None:
            yield Problem(("meter",), "does not belong to a flat price, which has no usage: remove it")
        if model is not Model.FLAT and model is not BAD and self.meter is None:
            yield Problem(("meter",), f"is missing: a {model} price rates the quantity of a meter")

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """With the meter that a flat price alone can't have."""
        found = super().schema(definitions)
        none, flat = {"type": "null"}, {"properties": {"model": {"const": "flat"}}}
        metered = {"required": ["meter"], "properties": {"meter": {"not": none}}}
        meter = {"if": flat, "then": {"properties": {"meter": none}}, "else": metered}
        return found | {"allOf": [*found["allOf"], meter]}


def usage_problem(price: Price) -> str | None:
    """What is wrong with metering for this price: a meter gives one quantity a line."""
    if price.model is Model.CAPACITY:
        return "needs the quantities of several units, which a meter doesn't give yet"
    if price.needs_events:
        return "needs the amount of each event (for its terms per event), which a meter doesn't give yet"
    return None


class _BillingPeriod(Choice):
    def refusal(self, given: object) -> str:
        return f"{shown(given)} is not supported yet: only {' and '.join(self.choices)} is"


@dataclass(frozen=True, kw_only=True)
class Plan(Resource, section="plans", count_max=limits.PLANS_MAX):
    """Prices in one currency (ISO 4217), in the order in which their line items are listed."""

    name: Name
    currency: Annotated[str, CurrencyCode()]
    billing_period: Annotated[str, _BillingPeriod(("month",))] = "month"
    prices: Annotated[
        tuple[PlanPrice, ...], ListOf(Nested(PlanPrice), 0, limits.PLAN_PRICES_MAX, unique="id")
    ]

    @rule("currency", "prices")
    def _prices_are_in_its_currency(self) -> Iterator[Problem]:
        for index, each in enumerate(self.prices):
            if each.price.currency != self.currency:
                message = f"is in {each.price.currency}, its plan in {self.currency}"
                yield Problem(("prices", index, "price"), message)
