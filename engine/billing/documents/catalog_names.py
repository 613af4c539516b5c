"""What the catalog calls what a customer has, and by which wall clock. Pure."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.catalog.kinds.items.invoice_item import named_item
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import overridden
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us
from fields import FieldsError
from rating import Price

_UTC: Final = "UTC"


class CatalogNames:
    """Of one customer, as the catalog is now."""

    def __init__(self, catalog: Catalog, customer_id: str) -> None:
        self._catalog = catalog
        customers = catalog.customers
        own = customers[customer_id].resource if customer_id in customers else None
        self.customer = (own and own.name) or customer_id
        self.zone = (own and own.time_zone) or _UTC
        self._subscriptions = {
            each.resource.id: each.resource for each in catalog.subscriptions.of_customer(customer_id)
        }

    @property
    def seller(self) -> str:
        """Empty where the catalog has none."""
        return "" if self._catalog.seller is None else self._catalog.seller.name

    @property
    def first_start_us(self) -> int | None:
        """When the first subscription starts; None where there is none."""
        return min((datetime_us(each.start) for each in self._subscriptions.values()), default=None)

    def zone_of(self, subscription_id: str) -> str:
        found = self._subscriptions.get(subscription_id)
        return (found and found.time_zone) or self.zone

    def plan(self, plan_id: str, version: int) -> Plan | None:
        """None where the catalog has it no more."""
        return self._plan(plan_id, version, None)

    def price(self, plan_id: str, version: int, price_id: str, currency: str) -> PlanPrice | None:
        """As the plan has it in a currency, whatever a subscription overrides."""
        plan = self._plan(plan_id, version, currency)
        prices = () if plan is None else plan.prices
        return next((each for each in prices if each.id == price_id), None)

    def _plan(self, plan_id: str, version: int, currency: str | None) -> Plan | None:
        versions = self._catalog.billed_plans.get(plan_id)
        if versions is not None and named_item(plan_id) is not None:
            # An item says what it says now: it has no other versions.
            return versions.newest.resource
        if versions is None or version not in versions.numbers:
            return None
        return versions.offered(int(versions.numbers.searchsorted(version)), currency)

    def own_prices(self, subscription_id: str, price: PlanPrice) -> list[Price]:
        """What a price may be on a subscription's own terms, at any time; none that doesn't fit it."""
        found = self._subscriptions.get(subscription_id)
        own: list[Price] = []
        for each in () if found is None else _overrides(found):
            if price.id in each:
                with contextlib.suppress(FieldsError):
                    own.append(overridden(price.price, each[price.id]))
        return own

    def is_overridden(self, subscription_id: str, price_id: str) -> bool:
        """Whether a subscription has, at any time, terms of its own for a price."""
        found = self._subscriptions.get(subscription_id)
        return found is None or any(price_id in each for each in _overrides(found))

    def unit(self, meter_id: str) -> str:
        meter = self._catalog.meters.get(meter_id)
        return "" if meter is None else meter.resource.unit or ""


def _overrides(subscription: Subscription) -> Iterator[Mapping[str, Mapping[str, Any]]]:
    yield subscription.overrides or {}
    for phase in subscription.phases:
        yield phase.overrides or {}
