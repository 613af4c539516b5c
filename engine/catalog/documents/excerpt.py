"""What a document concerns of a catalog, looked up at once: a document may have 100,000 entries, a catalog a million.

A document's entries come first, since they say what is looked up:

    excerpt = Excerpt.of(entries, catalog)
    excerpt.knows("customer", "acme")
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.catalog.documents.entries import Entry
from engine.catalog.kinds import definition
from engine.catalog.snapshots.ended_resources import EndedResource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.stored_resources import StoredSubscription, StoredVersion
from engine.catalog.snapshots.versions import IN_COLUMNS, ResourceState


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A document's entries beside what the catalog has of them.

    given: the ids of the document's entries, with mistakes or not.
    before: what the catalog has of `given`, by kind and id (and other subscriptions of the customers).
    ended: those of `given` that were archived or deleted, by kind and id.
    customers: those that the document gives or names and the catalog has. currency_of: those of them with a currency, and which.
    customer_of: the customers of those subscriptions in `given` that the catalog has, or that are archived.
    subscriptions_of: all of a customer's, for each that the document names.
    """

    catalog: Catalog
    given: Mapping[str, Collection[str]]
    before: Mapping[tuple[str, str], StoredVersion]
    ended: Mapping[tuple[str, str], EndedResource]
    customers: Collection[str]
    currency_of: Mapping[str, str]
    customer_of: Mapping[str, str]
    subscriptions_of: Mapping[str, list[StoredSubscription]]

    @classmethod
    def of(cls, entries: Iterable[Entry], catalog: Catalog) -> "Excerpt":
        given: dict[str, set[str]] = defaultdict(set)
        named: set[str] = set()
        others: set[str] = set()
        for entry in entries:
            if entry.id is not None:
                given[entry.kind].add(entry.id)
            if isinstance(customer := entry.fields.get("customer"), str):
                (named if entry.kind == "subscription" else others).add(customer)
            if entry.kind == "customer" and isinstance(parent := entry.fields.get("parent"), str):
                others.add(parent)
        customers = catalog.customers.stored(given["customer"] | named | others)
        customer_of = catalog.subscriptions.customer_of(given["subscription"])
        subscriptions_of = catalog.subscriptions.of_customers(named.union(customer_of.values()))
        ended = catalog.ended.stored({(kind, key) for kind, keys in given.items() for key in keys})
        for each in ended.values():
            if each.kind == "subscription" and each.state == ResourceState.ARCHIVED:
                customer_of[each.id] = json.loads(each.definition)["customer"]
        before = [customers[key] for key in given["customer"] if key in customers]
        before += [each.stored for of_one in subscriptions_of.values() for each in of_one]
        for kind in given.keys() - {*IN_COLUMNS}:
            known = catalog.of_kind(kind)
            for key in given[kind] & known.keys():
                before.append(StoredVersion(kind, key, known[key].version, definition(known[key].resource)))
        return cls(
            catalog=catalog,
            given=given,
            before={(each.kind, each.id): each for each in before},
            ended=ended,
            customers=customers.keys(),
            currency_of={
                key: currency
                for key, each in customers.items()
                if (currency := stored_currency(each.definition))
            },
            customer_of=customer_of,
            subscriptions_of=subscriptions_of,
        )

    def knows(self, kind: str, resource_id: str) -> bool:
        """Whether the document or the catalog has it; of customers, for those that the document names."""
        if resource_id in self.given[kind]:
            return True
        return resource_id in (self.customers if kind == "customer" else self.catalog.of_kind(kind))

    def count(self, kind: str) -> int:
        """How many there would be with the document's."""
        new = sum((kind, key) not in self.before for key in self.given[kind])
        return len(self.catalog.of_kind(kind)) + new


def stored_currency(definition: str) -> str | None:
    """The currency that a stored customer or subscription says."""
    # The mark is in few of them; it may be a name in a mapping, too.
    found: str | None = json.loads(definition).get("currency") if '"currency":' in definition else None
    return found
