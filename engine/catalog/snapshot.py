"""A tenant's catalog as it was at a revision: frozen, indexed, a fold over the versions of its resources.

    Catalog.empty(tenant).advanced(revision, versions)

Versions are append-only, so a snapshot that is at hand is brought forward by the versions that came since.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from engine.catalog.resources import Customer, Kind, Meter, Plan, PlanPrice, Resource, Subscription
from engine.catalog.subscription_columns import SubscriptionColumns

R_co = TypeVar("R_co", bound=Resource, covariant=True)


@dataclass(frozen=True, slots=True)
class Versioned(Generic[R_co]):
    """A resource as of its `version` (from 1), which the catalog's `revision` made."""

    resource: R_co
    version: int
    revision: int


@dataclass(frozen=True)
class Catalog:
    """Every resource's newest version at `revision`; revision 0 is the catalog before anything was applied.

    price_versions: (plan id, price id) -> the version of the plan in which that price last changed, be it
    through the plan's currency. A price that went and came back changed when it came back.
    """

    tenant: str
    revision: int
    meters: Mapping[str, Versioned[Meter]]
    plans: Mapping[str, Versioned[Plan]]
    customers: Mapping[str, Versioned[Customer]]
    subscriptions: Mapping[str, Versioned[Subscription]]
    price_versions: Mapping[tuple[str, str], int]

    @classmethod
    def empty(cls, tenant: str) -> "Catalog":
        return cls(
            tenant=tenant, revision=0, meters={}, plans={}, customers={}, subscriptions={}, price_versions={}
        )

    def of_kind(self, kind: Kind) -> Mapping[str, Versioned[Resource]]:
        kinds: Mapping[Kind, Mapping[str, Versioned[Resource]]] = {
            "meter": self.meters,
            "plan": self.plans,
            "customer": self.customers,
            "subscription": self.subscriptions,
        }
        return kinds[kind]

    def all(self) -> Iterator[Versioned[Resource]]:
        """Every resource: meters, plans, customers, subscriptions, each in the order of their creation."""
        for of_kind in (self.meters, self.plans, self.customers, self.subscriptions):
            yield from of_kind.values()

    def subscriptions_of(self, customer: str) -> tuple[Versioned[Subscription], ...]:
        """By start. Empty for a customer without one, or unknown."""
        return self._subscriptions_by_customer.get(customer, ())

    def meters_of(self, event_type: str) -> tuple[Versioned[Meter], ...]:
        """The meters that read events of this type."""
        return self._meters_by_event_type.get(event_type, ())

    def price_version(self, plan: str, price: str) -> int:
        return self.price_versions[plan, price]

    def advanced(self, revision: int, versions: Iterable[Versioned[Resource]]) -> "Catalog":
        """The catalog at a later revision. `versions`: those made since; of a plan all, in order."""
        maps: dict[Kind, dict[str, Any]] = {
            "meter": dict(self.meters),
            "plan": dict(self.plans),
            "customer": dict(self.customers),
            "subscription": dict(self.subscriptions),
        }
        price_versions = dict(self.price_versions)
        for each in versions:
            if isinstance(each.resource, Plan):
                before: Versioned[Plan] | None = maps["plan"].get(each.resource.id)
                _advance_prices(price_versions, before, each.resource, each.version)
            maps[each.resource.kind][each.resource.id] = each
        return Catalog(
            tenant=self.tenant,
            revision=revision,
            meters=MappingProxyType(maps["meter"]),
            plans=MappingProxyType(maps["plan"]),
            customers=MappingProxyType(maps["customer"]),
            subscriptions=MappingProxyType(maps["subscription"]),
            price_versions=MappingProxyType(price_versions),
        )

    @cached_property
    def subscription_columns(self) -> SubscriptionColumns:
        """All subscriptions by customer and id: what is billed row by row."""
        return SubscriptionColumns.of(each.resource for each in self.subscriptions.values())

    @cached_property
    def _subscriptions_by_customer(self) -> Mapping[str, tuple[Versioned[Subscription], ...]]:
        found: dict[str, list[Versioned[Subscription]]] = defaultdict(list)
        for each in self.subscriptions.values():
            found[each.resource.customer].append(each)
        return {
            customer: tuple(sorted(of_customer, key=lambda each: (each.resource.start, each.resource.id)))
            for customer, of_customer in found.items()
        }

    @cached_property
    def _meters_by_event_type(self) -> Mapping[str, tuple[Versioned[Meter], ...]]:
        found: dict[str, list[Versioned[Meter]]] = defaultdict(list)
        for each in self.meters.values():
            found[each.resource.event_type].append(each)
        return {event_type: tuple(meters) for event_type, meters in found.items()}


def _advance_prices(
    price_versions: dict[tuple[str, str], int], before: Versioned[Plan] | None, plan: Plan, version: int
) -> None:
    earlier: dict[str, PlanPrice] = (
        {} if before is None else {each.id: each for each in before.resource.prices}
    )
    for price in plan.prices:
        if earlier.pop(price.id, None) != price:
            price_versions[plan.id, price.id] = version
    for gone in earlier:
        del price_versions[plan.id, gone]
