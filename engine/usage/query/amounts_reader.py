"""The way in to the values of single events, for prices with terms per event: many customers, each in a period of its own.

Rules:
1. What was counted at the same watermark (engine.usage.query.periods_reader) says beforehand how many values there are at
   which place, so a statement reads a bounded number of them. No rollup has them: they are read from events.
2. A place with more than EVENTS_MAX events has no values, and says so; so has one of whose period events have expired. All
   others have theirs.
3. The values of a group sum up to its quantity, which was read apart. Where they don't, there is no answer.
"""

import numpy as np
import numpy.typing as npt

from engine.errors import StoreUnavailableError
from engine.usage.facts.event_amounts import amounts_of, amounts_query
from engine.usage.facts.period_scan import Asked, ScanSnapshot
from engine.usage.facts.periods_request import Index, Periods, PeriodsRequest
from engine.usage.facts.usage_columns import EVENTS_MAX, UsageAmounts, UsageColumns
from engine.usage.facts.usage_request import Measure
from engine.usage.query.expired_read import expired_us
from engine.usage.query.expiries import Expiry
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.usage_store import UsageStore
from rating import DecimalColumn, EventAmounts

_RETRY_AFTER_MS = 1_000


class AmountsReader:
    """Reads values as of a watermark. Thread-safe as the store is."""

    def __init__(self, store: UsageStore, reader: UsageReader, events_max: int = EVENTS_MAX) -> None:
        """`events_max`: of a place, and of a statement."""
        self._store = store
        self._reader = reader
        self.events_max = events_max

    def read(self, request: PeriodsRequest, number: int, usage: UsageColumns) -> UsageAmounts:
        """The values of one of the request's meters, at the places at which it is wanted. `usage`: what the meter has there, at
        the same watermark.

        Raises:
            StoreUnavailableError: the store does not answer, or events changed while they were read.
        """
        measure, wanted = request.measures[number], request.wanted[number]
        expiries = self._reader.expiries
        while True:
            known = expiries.of(measure.tenant)
            expired = wanted[_is_expired(self._store, measure, request.periods.part(wanted), request, known)]
            found = self._read(request, measure, usage, np.setdiff1d(wanted, expired), expired)
            if expiries.stands(measure.tenant, known):
                return found

    def _read(
        self, request: PeriodsRequest, measure: Measure, usage: UsageColumns, wanted: Index, expired: Index
    ) -> UsageAmounts:
        counts = np.where(np.isin(usage.place, wanted), usage.value_count, 0)
        of_place = np.zeros(len(request.periods), dtype=np.int64)
        np.add.at(of_place, usage.place, counts)
        too_many = np.flatnonzero(of_place > self.events_max)
        of_place[too_many] = 0
        counts[np.isin(usage.place, too_many)] = 0
        any_facts = self._reader.any_facts(measure.tenant, request.as_of_us)
        snapshot = ScanSnapshot(measure.tenant, request.as_of_us, request.draft_id, any_facts, digests=False)
        parts = [DecimalColumn.zeros(0)]
        for places in _stretches(of_place, self.events_max):
            asked = Asked(request.periods.part(places))
            rows_max = int(of_place[places].sum()) + 1
            parts.append(
                amounts_of(self._store.query_columns(amounts_query(measure, asked, snapshot, rows_max)))
            )
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        amounts = DecimalColumn.concatenate(parts).trimmed()
        _check(usage, counts, amounts)
        return UsageAmounts(EventAmounts(offsets, amounts), too_many, expired)


def _is_expired(
    store: UsageStore, measure: Measure, periods: Periods, request: PeriodsRequest, known: Expiry
) -> npt.NDArray[np.bool_]:
    """Of these places, whether events of their periods have expired. No customer with aliases is among them: their usage
    is refused then.
    """
    before = expired_us(store, measure, periods, request.as_of_us, known)
    if not before:
        return np.zeros(len(periods), dtype=np.bool_)
    customers = periods.customer_id.to_pylist()
    before_us = np.fromiter((before.get(each, 0) for each in customers), np.int64, len(customers))
    return before_us > periods.start_us


def _stretches(counts: Index, events_max: int) -> list[Index]:
    """Places with events, in order, in stretches of at most so many events."""
    places = np.flatnonzero(counts)
    sums = np.cumsum(counts[places])
    found, first = [], 0
    while first < len(places):
        before = sums[first - 1] if first else 0
        last = int(np.searchsorted(sums, before + events_max, side="right"))
        found.append(places[first:last])
        first = last
    return found


def _check(usage: UsageColumns, counts: Index, amounts: DecimalColumn) -> None:
    """Rule 3."""
    is_whole = len(amounts) == counts.sum()
    if is_whole:
        sums = amounts.sum_by_group(np.repeat(np.arange(len(usage)), counts), len(usage))
        read = counts > 0
        is_whole = not (sums.take(read).compare(usage.quantity.take(read)) != 0).any()
    if not is_whole:
        raise StoreUnavailableError(
            "events changed while a price with terms per event read them: try again",
            retry_after_ms=_RETRY_AFTER_MS,
        )
