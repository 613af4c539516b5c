"""The one rating path: catalog and usage at a watermark in, rated lines out.

Live spend, draft lines, and all that comes later call `Rater.rate`; nothing else turns usage into money.

Rules:
1. The watermark is taken before anything is read, the usage is read as it stood at the watermark, and the
   catalog at one revision: the same watermark and revision give the same lines.
2. What is rated together are some subscriptions, in their one order. The lines of a subscription are the same
   whatever it is rated with.
3. Of prices with terms per event so many subscriptions are rated at once that their events fit in memory: whole customers,
   at least one. Their values are kept only for who shows lines.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from engine.billing.charges import charges_at
from engine.billing.periods import Instants
from engine.billing.rate_charges import rate_charges
from engine.billing.rated import Rated
from engine.billing.read_usage import UsageRead
from engine.billing.segments import Index, NthPeriod
from engine.catalog.kinds.items.invoice_item import named_item
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.cluster.watermarks import read_watermark_us
from engine.errors import NotFoundError
from engine.metrics import METRICS
from engine.usage.query.periods_reader import PeriodsReader
from ingest import IngestOrder

# Subscriptions rated at once: columns of some hundred bytes a line, for a plan of five prices some 100 MB.
_SUBSCRIPTIONS_AT_ONCE = 50_000
# Events whose values are in memory at once, for prices with terms per event: 8 bytes each, and some 100 while they are read.
EVENTS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer is made from; the same snapshot gives the same answer."""

    catalog: Catalog
    at_us: int
    as_of_us: int
    # With the facts of this draft besides what is recorded: a correction that is tried (engine.usage.corrections).
    draft_id: int | None = None
    # In place of the instant: of each subscription a period of its own.
    nth: NthPeriod | None = None

    def instants_us(self, rows: Index) -> int | Instants:
        """When the billing periods of some of the catalog's subscriptions are."""
        return self.at_us if self.nth is None else self.nth.instants_us(self.catalog, rows)


class Rater:
    """Rates customers' usage as of a watermark."""

    def __init__(
        self, catalog: CatalogStore, usage: PeriodsReader, clock: IngestOrder, now_us: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._usage = usage
        self._clock = clock
        self._now_us = now_us

    def snapshot(
        self, tenant: str, at_us: int | None, as_of_us: int | None, revision: int | None = None
    ) -> Snapshot:
        """Fixes what an answer is made from. By default: now, all that is stored, the newest catalog.

        Raises:
            InvalidRequestError: `as_of` is later than what is stored for sure.
        """
        now_us = self._now_us()
        settled_us = read_watermark_us(self._clock, now_us, as_of_us)
        at_us = now_us if at_us is None else at_us
        return Snapshot(self._catalog.snapshot(tenant, revision), at_us, settled_us)

    def rate(self, snapshot: Snapshot, rows: Index, *, digests: bool = True) -> Rated:
        """The lines of some of the catalog's subscriptions, of the billing periods that contain `at`. `rows` rise.

        digests: False for who shows no lines: the digests of events cost more than all the rest of a read.
        """
        at_us = snapshot.instants_us(rows)
        ((rated, _),) = self._rate_within(snapshot, rows, at_us, digests=digests, events_max=sys.maxsize)
        return rated

    def rate_rows(
        self, snapshot: Snapshot, rows: Index, *, digests: bool = True
    ) -> Iterator[tuple[Rated, Index]]:
        """As `rate`, in order, as many of them at a time as fit (rule 3), each with its rows; once at least."""
        at_us = snapshot.instants_us(rows)
        return self._rate_within(snapshot, rows, at_us, digests=digests, events_max=EVENTS_AT_ONCE)

    def rate_at(
        self,
        snapshot: Snapshot,
        rows: Index,
        at_us: Instants,
        *,
        digests: bool = False,
        is_part: bool = False,
    ) -> Iterator[Rated]:
        """As `rate_rows`, each subscription at an instant of its own. `is_part`: to be billed before the periods are over
        (engine.billing.rate_charges).
        """
        found = self._rate_within(
            snapshot, rows, at_us, digests=digests, events_max=EVENTS_AT_ONCE, is_part=is_part
        )
        return (rated for rated, _ in found)

    def _rate_within(
        self,
        snapshot: Snapshot,
        rows: Index,
        at_us: int | Instants,
        *,
        digests: bool,
        events_max: int,
        is_part: bool = False,
    ) -> Iterator[tuple[Rated, Index]]:
        with METRICS.rate_duration_seconds.time():
            charges = charges_at(snapshot.catalog, rows, at_us)
            read = UsageRead(self._usage, charges, snapshot.as_of_us, snapshot.draft_id, digests=digests)
            middle = _middle(snapshot.catalog, rows) if read.event_count > events_max else None
            rated = (
                rate_charges(charges, read.usage, read.amounts, is_part=is_part) if middle is None else None
            )
        if rated is not None:
            _count(rated)
            yield (rated if digests else rated.without_events()), rows
            return
        for half in (slice(None, middle), slice(middle, None)):
            at = at_us if isinstance(at_us, int) else at_us[half]
            yield from self._rate_within(
                snapshot, rows[half], at, digests=digests, events_max=events_max, is_part=is_part
            )

    def rate_customer(self, snapshot: Snapshot, customer_id: str) -> Rated:
        """The lines of one customer.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
        """
        rows = rows_of_customer(snapshot.catalog, customer_id)
        return self.rate(snapshot, np.arange(rows.start, rows.stop))

    def rate_group(self, snapshot: Snapshot, customer_id: str, *, digests: bool = True) -> Iterator[Rated]:
        """The lines of a customer and of all below it, some customers at a time, in order.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
        """
        rows_of_customer(snapshot.catalog, customer_id)
        group = snapshot.catalog.customers.with_all_below(customer_id)
        yield from self.rate_customers(snapshot, group, digests=digests)

    def rate_customers(
        self, snapshot: Snapshot, customers: Sequence[str], *, digests: bool = True
    ) -> Iterator[Rated]:
        """The lines of some customers, which are sorted, some at a time, in order; at least one stretch, be it empty."""
        columns = snapshot.catalog.subscription_columns
        rows: list[int] = []
        for each in customers:
            of_one = columns.rows_of(each)
            rows += range(of_one.start, of_one.stop)
            if len(rows) >= _SUBSCRIPTIONS_AT_ONCE:
                yield from self._rate_some(snapshot, np.array(rows), digests=digests)
                rows = []
        yield from self._rate_some(snapshot, np.array(rows, dtype=np.int64), digests=digests)

    def rate_all(self, snapshot: Snapshot, *, digests: bool = True) -> Iterator[Rated]:
        """The lines of every customer, some customers at a time, in order; at least one stretch, be it empty."""
        columns = snapshot.catalog.subscription_columns
        first = 0
        while True:
            last = min(first + _SUBSCRIPTIONS_AT_ONCE, len(columns))
            last = columns.customer_end(last - 1) if last else 0
            yield from self._rate_some(snapshot, np.arange(first, last), digests=digests)
            if last == len(columns):
                return
            first = last

    def _rate_some(self, snapshot: Snapshot, rows: Index, *, digests: bool) -> Iterator[Rated]:
        return (rated for rated, _ in self.rate_rows(snapshot, rows, digests=digests))

    def rate_from(self, snapshot: Snapshot, rows: slice, charges_min: int) -> Iterator[tuple[Rated, int]]:
        """The lines of a stretch of subscriptions, of a little more than so many charges at a time, for who stops when it is
        enough; and which subscription is next.
        """
        first, window = rows.start, charges_min + 1
        while first < rows.stop:
            last = min(first + window, rows.stop)
            next_rows = np.arange(first, last)
            charges = charges_at(snapshot.catalog, next_rows, snapshot.instants_us(next_rows))
            if len(charges) > charges_min:
                last = int(charges.row[charges_min]) + 1
            else:
                window = min(2 * window, _SUBSCRIPTIONS_AT_ONCE)
            for rated, own in self.rate_rows(snapshot, np.arange(first, last)):
                yield rated, int(own[-1]) + 1
            first = last


def _count(rated: Rated) -> None:
    unrateable = sum(len(part.unrateable) for part in rated.parts)
    METRICS.rated_lines.inc(len(rated) - unrateable)
    METRICS.unrateable_lines.inc(unrateable)


def _middle(catalog: Catalog, rows: Index) -> int | None:
    """The place nearest to their middle at which a customer begins; None where all are of one."""
    customers = catalog.subscription_columns.customer_id.take(rows)
    begins = pc.not_equal(customers[1:], customers[:-1]).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(begins) + 1
    return int(places[np.argmin(np.abs(2 * places - len(rows)))]) if len(places) else None


def rows_of_customer(catalog: Catalog, customer_id: str) -> slice:
    """Of the catalog's subscriptions those of one customer.

    Raises:
        NotFoundError: the catalog doesn't have the customer.
    """
    if customer_id not in catalog.customers:
        raise NotFoundError(f"customer {customer_id!r} is not in the catalog: apply it first")
    return catalog.subscription_columns.rows_of(customer_id)


def subscription_rows_of_customer(catalog: Catalog, customer_id: str) -> Index:
    """As `rows_of_customer`, without the customer's invoice items, which have rows there, too."""
    rows = rows_of_customer(catalog, customer_id)
    names = catalog.subscription_columns.subscription_id[rows].to_pylist()
    own = [row for row, name in enumerate(names, rows.start) if named_item(name) is None]
    return np.array(own, dtype=np.int64)
