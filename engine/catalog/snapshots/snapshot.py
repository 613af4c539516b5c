"""A tenant's catalog as it was at a revision: frozen, indexed, a fold over the versions of its resources.

    Catalog.empty(tenant).advanced(revision, versions)

Versions are append-only, so a snapshot that is at hand is brought forward by the versions that came since.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from engine.catalog.kinds import KINDS, definition
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.stored_resources import Customers, StoredVersion, Subscriptions
from engine.catalog.snapshots.subscription_columns import SubscriptionColumns
from engine.catalog.snapshots.versions import Versioned, Versions


@dataclass(frozen=True)
class Catalog:
    """Every resource's newest version at `revision`; revision 0 is the catalog before anything was applied.

    objects: kind -> id -> the resource, of the kinds that aren't kept in columns.
    price_versions: (plan id, price id) -> the version of the plan in which that price last changed, be it
    through the plan's currency. A price that went and came back changed when it came back.
    """

    tenant: str
    revision: int
    objects: Mapping[str, Mapping[str, Versioned[Any]]]
    customers: Customers
    subscriptions: Subscriptions
    price_versions: Mapping[tuple[str, str], int]

    @classmethod
    def empty(cls, tenant: str) -> "Catalog":
        return cls(
            tenant=tenant,
            revision=0,
            objects={},
            customers=Customers.empty(),
            subscriptions=Subscriptions.empty(),
            price_versions={},
        )

    @property
    def meters(self) -> Mapping[str, Versioned[Meter]]:
        return self.objects.get("meter", {})

    @property
    def plans(self) -> Mapping[str, Versioned[Plan]]:
        return self.objects.get("plan", {})

    def of_kind(self, kind: str) -> Mapping[str, Versioned[Resource]]:
        in_columns: Mapping[str, Mapping[str, Versioned[Resource]]] = {
            self.customers.kind: self.customers,
            self.subscriptions.kind: self.subscriptions,
        }
        return in_columns.get(kind) or self.objects.get(kind, {})

    def all(self) -> Iterator[Versioned[Resource]]:
        """Every resource, by kind, customers and subscriptions last; each in the order of their creation."""
        for kind in KINDS:
            yield from self.objects.get(kind, {}).values()
        yield from self.customers.in_order()
        yield from self.subscriptions.in_order()

    def listed(self, first: int) -> Iterator[StoredVersion]:
        """As `all`, from a place in that order, and without objects of customers and subscriptions."""
        for kind in KINDS:
            of_kind = self.objects.get(kind, {})
            for each in islice(of_kind.values(), first, None):
                yield StoredVersion(kind, each.resource.id, each.version, definition(each.resource))
            first = max(0, first - len(of_kind))
        yield from self.customers.listed(first)
        yield from self.subscriptions.listed(max(0, first - len(self.customers)))

    def subscriptions_of(self, customer: str) -> tuple[Versioned[Subscription], ...]:
        """By start. Empty for a customer without one, or unknown."""
        return self.subscriptions.of_customer(customer)

    def price_version(self, plan: str, price: str) -> int:
        return self.price_versions[plan, price]

    def advanced(self, revision: int, versions: Versions) -> "Catalog":
        """The catalog at a later revision. `versions`: those made since; of a plan all, in order."""
        objects, price_versions = self.objects, self.price_versions
        if versions.objects:
            objects, price_versions = self._with(versions.objects)
        return Catalog(
            tenant=self.tenant,
            revision=revision,
            objects=objects,
            customers=self.customers.merged(versions.customers),
            subscriptions=self.subscriptions.merged(versions.subscriptions),
            price_versions=price_versions,
        )

    def _with(
        self, versions: Iterable[Versioned[Resource]]
    ) -> tuple[Mapping[str, Mapping[str, Versioned[Any]]], Mapping[tuple[str, str], int]]:
        objects: dict[str, dict[str, Any]] = defaultdict(dict)
        objects |= {kind: dict(of_kind) for kind, of_kind in self.objects.items()}
        price_versions = dict(self.price_versions)
        for each in versions:
            of_kind = objects[each.resource.kind]
            if isinstance(each.resource, Plan):
                _advance_prices(price_versions, of_kind.get(each.resource.id), each.resource, each.version)
            of_kind[each.resource.id] = each
        frozen = {kind: MappingProxyType(of_kind) for kind, of_kind in objects.items()}
        return MappingProxyType(frozen), MappingProxyType(price_versions)

    @property
    def row_count(self) -> int:
        """Of all `chunks`."""
        return sum(chunk.num_rows for chunk in self.chunks())

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """What customers and subscriptions are kept in, which snapshots share."""
        yield from self.customers.chunks()
        yield from self.subscriptions.chunks()

    @property
    def subscription_columns(self) -> SubscriptionColumns:
        """All subscriptions by customer and id: what is billed row by row."""
        return self.subscriptions.columns


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
