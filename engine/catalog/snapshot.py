"""A tenant's catalog as it was at a revision: frozen, indexed, a fold over the versions of its resources.

    Catalog.empty(tenant).advanced(revision, versions)

Versions are append-only, so a snapshot that is at hand is brought forward by the versions that came since.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any

from engine.catalog.definition import definition
from engine.catalog.resources import Kind, Meter, Plan, PlanPrice, Resource, Subscription
from engine.catalog.stored_resources import Customers, StoredVersion, Subscriptions
from engine.catalog.subscription_columns import SubscriptionColumns
from engine.catalog.versions import Versioned, Versions


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
    customers: Customers
    subscriptions: Subscriptions
    price_versions: Mapping[tuple[str, str], int]

    @classmethod
    def empty(cls, tenant: str) -> "Catalog":
        return cls(
            tenant=tenant,
            revision=0,
            meters={},
            plans={},
            customers=Customers.empty(),
            subscriptions=Subscriptions.empty(),
            price_versions={},
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
        yield from self.meters.values()
        yield from self.plans.values()
        yield from self.customers.in_order()
        yield from self.subscriptions.in_order()

    def listed(self, first: int) -> Iterator[StoredVersion]:
        """As `all`, from a place in that order, and without objects of customers and subscriptions."""
        meters_and_plans: tuple[Mapping[str, Versioned[Meter | Plan]], ...] = (self.meters, self.plans)
        for of_kind in meters_and_plans:
            for each in islice(of_kind.values(), first, None):
                yield StoredVersion(
                    each.resource.kind, each.resource.id, each.version, definition(each.resource)
                )
            first = max(0, first - len(of_kind))
        yield from self.customers.listed(first)
        yield from self.subscriptions.listed(max(0, first - len(self.customers)))

    def subscriptions_of(self, customer: str) -> tuple[Versioned[Subscription], ...]:
        """By start. Empty for a customer without one, or unknown."""
        return self.subscriptions.of_customer(customer)

    def meters_of(self, event_type: str) -> tuple[Versioned[Meter], ...]:
        """The meters that read events of this type."""
        return self._meters_by_event_type.get(event_type, ())

    def price_version(self, plan: str, price: str) -> int:
        return self.price_versions[plan, price]

    def advanced(self, revision: int, versions: Versions) -> "Catalog":
        """The catalog at a later revision. `versions`: those made since; of a plan all, in order."""
        meters, plans = self.meters, self.plans
        price_versions = self.price_versions
        if versions.meters_and_plans:
            meters, plans, price_versions = self._with(versions.meters_and_plans)
        return Catalog(
            tenant=self.tenant,
            revision=revision,
            meters=meters,
            plans=plans,
            customers=self.customers.merged(versions.customers),
            subscriptions=self.subscriptions.merged(versions.subscriptions),
            price_versions=price_versions,
        )

    def _with(
        self, versions: Iterable[Versioned[Meter | Plan]]
    ) -> tuple[Mapping[str, Versioned[Meter]], Mapping[str, Versioned[Plan]], Mapping[tuple[str, str], int]]:
        meters: dict[str, Any] = dict(self.meters)
        plans: dict[str, Any] = dict(self.plans)
        price_versions = dict(self.price_versions)
        for each in versions:
            if isinstance(each.resource, Plan):
                _advance_prices(price_versions, plans.get(each.resource.id), each.resource, each.version)
                plans[each.resource.id] = each
            else:
                meters[each.resource.id] = each
        return MappingProxyType(meters), MappingProxyType(plans), MappingProxyType(price_versions)

    @property
    def subscription_columns(self) -> SubscriptionColumns:
        """All subscriptions by customer and id: what is billed row by row."""
        return self.subscriptions.columns

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
