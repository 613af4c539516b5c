"""The one rating path: catalog and usage at a watermark in, rated lines out.

Live spend, draft lines, and all that comes later call `Rater.rate`; nothing else turns usage into money.

Rules:
1. The watermark is taken before anything is read, the usage is read as it stood at the watermark, and the
   catalog at one revision: the same watermark and revision give the same lines.
2. What is rated together are some subscriptions, in their one order. The lines of a subscription are the same
   whatever it is rated with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.billing.charges import Index, charges_at
from engine.billing.rate_charges import rate_charges
from engine.billing.rated import Rated
from engine.billing.read_usage import read_usage
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.cluster.watermarks import read_watermark_us
from engine.errors import NotFoundError
from engine.metrics import METRICS
from engine.usage.query.periods_reader import PeriodsReader
from ingest import IngestOrder

# Subscriptions rated at once: columns of some hundred bytes a line, for a plan of five prices some 100 MB.
_SUBSCRIPTIONS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer is made from; the same snapshot gives the same answer."""

    catalog: Catalog
    at_us: int
    as_of_us: int
    # With the facts of this draft besides what is recorded: a correction that is tried (engine.usage.corrections).
    draft_id: int | None = None


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

        digests: False for who doesn't show any: the digests of events cost more than all the rest of a read.
        """
        with METRICS.rate_duration_seconds.time():
            charges = charges_at(snapshot.catalog, rows, snapshot.at_us)
            usage = read_usage(self._usage, charges, snapshot.as_of_us, snapshot.draft_id, digests=digests)
            rated = rate_charges(charges, usage)
        unrateable = sum(len(part.unrateable) for part in rated.parts)
        METRICS.rated_lines.inc(len(rated) - unrateable)
        METRICS.unrateable_lines.inc(unrateable)
        return rated

    def rate_customer(self, snapshot: Snapshot, customer_id: str) -> Rated:
        """The lines of one customer.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
        """
        rows = rows_of_customer(snapshot.catalog, customer_id)
        return self.rate(snapshot, np.arange(rows.start, rows.stop))

    def rate_all(self, snapshot: Snapshot, *, digests: bool = True) -> Iterator[Rated]:
        """The lines of every customer, some customers at a time, in order; at least one stretch, be it empty."""
        columns = snapshot.catalog.subscription_columns
        first = 0
        while True:
            last = min(first + _SUBSCRIPTIONS_AT_ONCE, len(columns))
            last = columns.customer_end(last - 1) if last else 0
            yield self.rate(snapshot, np.arange(first, last), digests=digests)
            if last == len(columns):
                return
            first = last

    def rate_from(self, snapshot: Snapshot, rows: slice, charges_min: int) -> Iterator[tuple[Rated, int]]:
        """The lines of a stretch of subscriptions, of a little more than so many charges at a time, for who stops when it is
        enough; and which subscription is next.
        """
        first, window = rows.start, charges_min + 1
        while first < rows.stop:
            last = min(first + window, rows.stop)
            charges = charges_at(snapshot.catalog, np.arange(first, last), snapshot.at_us)
            if len(charges) > charges_min:
                last = int(charges.periods.row[charges.place[charges_min]]) + 1
            else:
                window = min(2 * window, _SUBSCRIPTIONS_AT_ONCE)
            yield self.rate(snapshot, np.arange(first, last)), last
            first = last


def rows_of_customer(catalog: Catalog, customer_id: str) -> slice:
    """Of the catalog's subscriptions those of one customer.

    Raises:
        NotFoundError: the catalog doesn't have the customer.
    """
    if customer_id not in catalog.customers:
        raise NotFoundError(f"customer {customer_id!r} is not in the catalog: apply it first")
    return catalog.subscription_columns.rows_of(customer_id)
