"""Measures customers by the one rating path, and tells of whom the measures may have changed."""

from collections.abc import Collection, Iterator

from engine.billing.rater import Rater, Snapshot
from engine.billing.terms.history import History
from engine.billing.terms.settled import settled
from engine.catalog.kinds import customer_of
from engine.catalog.store import CatalogStore
from engine.errors import MeterlineError
from engine.spend.alerts.crossings import Measured
from engine.spend.alerts.measured import measured_customers
from engine.usage.query.facts_since import touched_since
from engine.usage.store.usage_store import UsageStore
from rating import InconsistentTermsError


def measured_at(
    rater: Rater, snapshot: Snapshot, meters: Collection[str], customers: Collection[str] | None
) -> Iterator[Measured]:
    """These customers, None: all, at the snapshot's instant; without those that have no billing period then.

    Raises:
        MeterlineError: the commitments of one of them don't fit together.
    """
    history = History.of(rater, snapshot)
    rated = (
        rater.rate_all(snapshot, digests=False)
        if customers is None
        else rater.rate_customers(snapshot, sorted(customers), digests=False)
    )
    for some in rated:
        try:
            terms = settled(some, history)
        except InconsistentTermsError as error:
            raise MeterlineError(f"what customers owe is not known: {error}") from error
        yield from measured_customers(some, terms, meters, snapshot.at_us)


def touched_customers(usage: UsageStore, snapshot: Snapshot, after_us: int) -> dict[str, int]:
    """Of customers with facts since a watermark, up to the snapshot's, the earliest instant that they are about."""
    catalog = snapshot.catalog
    names = touched_since(usage, catalog.tenant, after_us=after_us, until_us=snapshot.as_of_us)
    owners = catalog.customers.links.owners_of(names.keys())
    found: dict[str, int] = {}
    for name, at_us in names.items():
        customer = owners.get(name, name)
        if customer in catalog.customers:
            found[customer] = min(at_us, found.get(customer, at_us))
    return found


def changed_customers(catalog: CatalogStore, tenant: str, after: int, revision: int) -> frozenset[str] | None:
    """Whom the catalog's changes concern in the revisions (after, revision]; None: everybody."""
    if after == revision:
        return frozenset()
    found = set()
    for kind, _, fields in catalog.definitions_between(tenant, after, revision):
        customer = customer_of(kind, fields)
        if customer is None:
            return None
        found.add(customer)
    return frozenset(found)
