"""What the engine bills of running periods by itself, for tenants whose periods it closes without a review: a pass every few seconds.

Rules:
1. A pass looks at the customers about whom an event or a correction came in since the pass before, up to its watermark: what came in
   between two passes is one look.
2. What else may bring a customer to its threshold is the catalog, and a void: all subscriptions with a threshold are looked at when
   an engine's turn comes, when the catalog has changed, and once an hour.
3. A subscription with fees in advance is looked at when its period begins, or terms inside it do; all of them when an engine's turn
   comes, and once an hour.
4. What a pass looked at is kept in memory alone. An engine that comes up, or takes over, looks at all.
5. A step that must wait, for a backup or a person's close, breaks the pass off: the next pass goes on. No tenant's failure holds others
   up.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import structlog

from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.closing.invoice import AUTOMATIC, Close
from engine.billing.running_periods.fees_in_advance import advance_fees
from engine.billing.running_periods.invoicing_thresholds import has_thresholds, thresholds_at
from engine.billing.running_periods.part_biller import PartBiller, WantedParts
from engine.billing.segments import Index
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import MeterlineError, RetryLaterError
from engine.usage.query.facts_since import touched_since
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
_HOUR_US: Final = 3_600_000_000
_SUBSCRIPTIONS_AT_ONCE: Final = 2_000
_LOGGED_MAX: Final = 20
_WANTED: Final = WantedParts(anew=False)


@dataclass(frozen=True, slots=True)
class _Looked:
    """Of a tenant: up to which watermark, at which revision of the catalog, and when all were looked at. begun_us: of subscriptions with
    fees in advance since when what is due of them; next_us: when it is another at that revision.
    """

    as_of_us: int
    revision: int
    all_at_us: int
    begun_us: Mapping[str, int]
    next_us: int


class PartWatch:
    """An upkeep: one at a time in a deployment."""

    def __init__(
        self,
        settings: BillingSettingsStore,
        biller: PartBiller,
        store: UsageStore,
        turn: Callable[[], contextlib.AbstractContextManager[object]],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`turn`: while a step runs, no backup, erasure or close is at work."""
        self._settings = settings
        self._biller = biller
        self._store = store
        self._turn = turn
        self._is_stopping = is_stopping
        self._looked: dict[str, _Looked] = {}

    def next_pass(self) -> None:
        """Raises RetryLaterError at once, and another MeterlineError once every tenant had its turn: the next pass goes on."""
        failure = None
        tenants = self._settings.automatic(reviewed=False)
        self._looked = {tenant: each for tenant, each in self._looked.items() if tenant in tenants}
        for tenant in tenants:
            try:
                self._look(tenant)
            except RetryLaterError:
                raise
            except MeterlineError as error:
                _log.error("usage can't be billed by threshold", tenant=tenant, error=str(error))
                failure = error
        if failure is not None:
            raise failure

    def _look(self, tenant: str) -> None:
        run = self._biller.begin(tenant, AUTOMATIC)
        snapshot = self._biller.snapshot(run)
        catalog, known = snapshot.catalog, self._looked.get(tenant)
        if known is not None and run.as_of_us >= known.all_at_us + _HOUR_US:
            known = None
        looked, rows = _begun(catalog, run.as_of_us, known)
        if has_thresholds(catalog):
            is_same = known is not None and known.revision == catalog.revision
            rows = np.union1d(rows, self._rows(catalog, run, known.as_of_us if known and is_same else None))
        while len(rows):
            # A person may have turned it off, or to review.
            if self._is_stopping() or tenant not in self._settings.automatic(reviewed=False):
                return
            some, rows = _some(catalog, rows)
            with self._turn():
                done = self._biller.bill(run, snapshot, _WANTED, some)
            for line in done.unrateable[:_LOGGED_MAX]:
                _log.warning(
                    "a customer is not billed while its period runs",
                    tenant=tenant,
                    customer_id=line.charge.subscription.customer,
                    reason=line.unrateable_reason,
                )
            if done.issued:
                _log.info("running periods billed", tenant=tenant, issued=len(done.issued))
        self._looked[tenant] = looked

    def _rows(self, catalog: Catalog, run: Close, after_us: int | None) -> Index:
        """The subscriptions with a threshold of customers about whom something came in; None: of all."""
        if after_us is None:
            rows = np.arange(len(catalog.subscription_columns))
        else:
            names = touched_since(self._store, run.tenant, after_us=after_us, until_us=run.as_of_us)
            owners = catalog.customers.links.owners_of(names.keys())
            customers = sorted({each for name in names for each in (name, owners.get(name, name))})
            bounds = [catalog.subscription_columns.rows_of(each) for each in customers]
            rows = np.concatenate(
                [np.zeros(0, dtype=np.int64), *(np.arange(each.start, each.stop) for each in bounds)]
            )
        return np.array(sorted(thresholds_at(catalog, rows, run.as_of_us)), dtype=np.int64)


def _begun(catalog: Catalog, as_of_us: int, known: _Looked | None) -> tuple[_Looked, Index]:
    """What is known after this look, and the subscriptions that rule 3 names. `known`: None looks at all."""
    if known is not None and known.revision == catalog.revision and as_of_us < known.next_us:
        return replace(known, as_of_us=as_of_us), np.zeros(0, dtype=np.int64)
    fees = advance_fees(catalog, np.arange(len(catalog.subscription_columns)), as_of_us)
    ids = catalog.subscription_columns.subscription_id.take(pa.array(fees.rows)).to_pylist()
    begun_us: dict[str, int] = dict(zip(ids, fees.begun_us.tolist(), strict=True))
    all_at_us = as_of_us if known is None else known.all_at_us
    looked = _Looked(as_of_us, catalog.revision, all_at_us, begun_us, fees.next_us)
    if known is None:
        return looked, fees.rows
    is_new = np.array([known.begun_us.get(each) != at_us for each, at_us in begun_us.items()], dtype=np.bool_)
    return looked, fees.rows[is_new]


def _some(catalog: Catalog, rows: Index) -> tuple[Index, Index]:
    """The first of these rows, those of whole customers, and all others."""
    if len(rows) <= _SUBSCRIPTIONS_AT_ONCE:
        return rows, rows[:0]
    behind = catalog.subscription_columns.customer_end(int(rows[_SUBSCRIPTIONS_AT_ONCE - 1]))
    split = int(np.searchsorted(rows, behind))
    return rows[:split], rows[split:]
