"""The reconciler: settles ids that were used for more than one event, over all gateways and any distance in time.

A gateway tells at once what it remembers (ingest.identity). What it doesn't, another gateway's ids and old ones, is
stored beside the first as a version of its own, and settled here: the first that was ingested stands, the others
are voided with a recorded fact.

Rules:
1. A pass looks at the events ingested since the last one and at those that a person decided on, up to a watermark:
   nothing is overlooked, since all that is still being stored has a later stamp.
2. Facts are recorded before the position is kept: after a crash a stretch is looked at again, and finds itself
   settled. The same holds for two reconcilers at once (engine.usage.corrections.voids, rule 2).
3. Versions that are void, for whatever reason, don't count: a kept event that a person voids doesn't bring back what
   was voided in its favour. A version that a person put in the place of another has that one's place: an event that
   comes later under its id is void. Of an id that a person has decided on, the table of its states says what counts
   (engine.usage.corrections.id_states, engine.usage.corrections.settling), whatever was undone since.
4. A pass is bounded: by the ids it holds in memory, and by the facts it records at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from engine.errors import StoreUnavailableError
from engine.metrics import METRICS
from engine.usage.corrections.conflict_queries import (
    PeriodPart,
    Stretch,
    keep_position_statement,
    losing_versions_query,
    part_count_query,
    position_query,
    reused_ids_query,
    stretch_query,
)
from engine.usage.corrections.id_history import corrected_ids_query
from engine.usage.corrections.settling import Settling
from engine.usage.corrections.voids import ENGINE, ID_REUSED_REASON, Kind, Void, event_key, record_voids
from engine.usage.store.query import number
from engine.usage.store.usage_store import Row, UsageStore
from ingest import IngestOrder

_log = structlog.get_logger(__name__)
# Ids that are compared at once: 16 bytes each in a set and 24 in a table, so some 50 MiB.
EVENTS_AT_ONCE = 1_000_000
# Hashes of ids in one statement: bound as text, well below the 128 KiB that ClickHouse takes of one parameter.
_IDS_AT_ONCE = 4_000
_FACTS_AT_ONCE = 10_000
# An id or two a pass is what a person wants to read; the rest is counted, and listed by ListConflicts.
_LOG_LINES_MAX = 20
# Of what came in while a period was settled: each round looks at what the one before left time for.
_ROUNDS_MAX = 20
# Some ten million events: a caller waits so long, and the background gets there without it.
_PASSES_MAX = 10
_RETRY_AFTER_MS = 1_000
# Whose position is kept: of the looks through the log for ids, and of the one look at all corrected ids.
IDS_READER, _CORRECTED_READER = "ids", "corrected ids"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a pass did: how many events it looked at, how many versions it voided; up to which stamp it looked."""

    events: int
    voided: int
    until_us: int


class Reconciler:
    """Settles reused ids. Thread-safe as the store is."""

    def __init__(
        self,
        store: UsageStore,
        clock: IngestOrder,
        now_us: Callable[[], int],
        events_at_once: int = EVENTS_AT_ONCE,
    ) -> None:
        self._store = store
        self._clock = clock
        self._now_us = now_us
        self._events_at_once = events_at_once
        self._settling = Settling(store, clock, now_us)
        self._corrected_are_settled = False

    def next_pass(self) -> Reconciled:
        """Looks at the next stretch of the log, of about `events_at_once` events.

        Raises:
            StoreUnavailableError: nothing is lost; call again.
        """
        self._settle_all_corrected()
        as_of_us = self._clock.watermark(self._now_us())
        after_us = number(self._store.query(position_query(IDS_READER))[0][0])
        ((count, last_us),) = self._store.look_through(
            stretch_query(after_us, as_of_us, self._events_at_once)
        )
        events = number(count)
        if not events:
            return Reconciled(0, 0, after_us)
        # A stamp is looked at whole, so the stretch may be longer by one insert.
        until_us = number(last_us)
        voided = self._settle(Stretch(after_us, until_us), as_of_us)
        self._store.execute(keep_position_statement(IDS_READER, until_us))
        return Reconciled(events, voided, until_us)

    def settle_until(self, until_us: int) -> None:
        """Passes until everything up to this watermark was looked at.

        Raises:
            StoreUnavailableError: it is far behind, or the store does not answer; call again.
        """
        for _ in range(_PASSES_MAX):
            done = self.next_pass()
            if not done.events or done.until_us >= until_us:
                return
        raise StoreUnavailableError(
            "event ids are still being looked through for reuse: call again", retry_after_ms=_RETRY_AFTER_MS
        )

    def reconcile(self, tenant: str | None, period_start_us: int, period_end_us: int) -> Reconciled:
        """Looks at all events of a half-open period, exactly: all that were acknowledged before the call.

        The answer's `until_us` is a watermark at which the period is settled.

        Raises:
            StoreUnavailableError: the period is settled in part; call again.
        """
        as_of_us = self._clock.watermark(self._now_us())
        whole = PeriodPart(tenant, period_start_us, period_end_us)
        events = number(self._store.look_through(part_count_query(whole, as_of_us))[0][0])
        parts = -(-events // self._events_at_once)
        voided = sum(
            self._settle(PeriodPart(tenant, period_start_us, period_end_us, part, parts), as_of_us)
            for part in range(parts)
        )
        # What came in meanwhile may reuse ids too: the answer is a watermark up to which all was looked at.
        for _ in range(_ROUNDS_MAX):
            until_us = self._clock.watermark(self._now_us())
            more = self._settle(Stretch(as_of_us, until_us), until_us)
            if not more:
                return Reconciled(events, voided, until_us)
            voided, as_of_us = voided + more, until_us
        raise StoreUnavailableError(
            "ids that were used before keep coming in while they are settled: reconcile again",
            retry_after_ms=_RETRY_AFTER_MS,
        )

    def _settle(self, chosen: Stretch | PeriodPart, as_of_us: int) -> int:
        """Voids what loses among the ids of this choice; how many versions."""
        ids = [number(each) for (each,) in self._store.look_through(reused_ids_query(chosen, as_of_us))]
        voided = 0
        for first in range(0, len(ids), _IDS_AT_ONCE):
            # What was voided is not found again: the next look finds the next ones.
            while losers := self._losers(ids[first : first + _IDS_AT_ONCE], as_of_us):
                record_voids(losers, self._store, self._clock, self._now_us)
                _report(losers, max(0, _LOG_LINES_MAX - voided))
                voided += len(losers)
                if len(losers) < _FACTS_AT_ONCE:
                    break
            voided += self._settle_corrected(ids[first : first + _IDS_AT_ONCE])
        if voided > _LOG_LINES_MAX:
            _log.warning("more event ids were used twice", voided_events=voided - _LOG_LINES_MAX)
        return voided

    def _settle_corrected(self, hashes: Sequence[int] | None) -> int:
        """Settles the ids among these (None: among all) that a person has decided on; how many versions it voided."""
        voided, after = 0, ("", "")
        while rows := self._store.look_through(corrected_ids_query(hashes, after, _IDS_AT_ONCE)):
            found = [(str(tenant), str(event_id)) for tenant, event_id in rows]
            for tenant, of_tenant in groupby(found, key=lambda each: each[0]):
                lost = self._settling.settle(tenant, [event_id for _, event_id in of_tenant])
                _report(lost, _LOG_LINES_MAX)
                voided += len(lost)
            if len(found) < _IDS_AT_ONCE:
                break
            after = found[-1]
        return voided

    def _settle_all_corrected(self) -> None:
        """Once in the life of a store: earlier versions of Meterline could leave an id with two versions that count."""
        if self._corrected_are_settled:
            return
        if not number(self._store.query(position_query(_CORRECTED_READER))[0][0]):
            as_of_us = self._clock.watermark(self._now_us())
            self._settle_corrected(None)
            self._store.execute(keep_position_statement(_CORRECTED_READER, max(1, as_of_us)))
        self._corrected_are_settled = True

    def _losers(self, ids: Sequence[int], as_of_us: int) -> list[Void]:
        rows = self._store.look_through(losing_versions_query(ids, as_of_us, _FACTS_AT_ONCE))
        return [_void(row) for row in rows]


def _void(row: Row) -> Void:
    tenant = str(row[0])
    lost, stands = event_key(tenant, row[1:6]), event_key(tenant, row[6:])
    return Void(
        event=lost,
        voided=True,
        kind=Kind.ID_REUSED,
        # The same however often, and by whomever, it is found.
        correction_id=f"{Kind.ID_REUSED}:{lost.content_hash:08x}",
        reason=ID_REUSED_REASON,
        recorded_by=ENGINE,
        stands=stands,
    )


def _report(losers: Sequence[Void], lines_max: int) -> None:
    METRICS.reconciled_events.inc(len(losers))
    for fact in losers[:lines_max]:
        _log.warning(
            "event id used twice: the first event stands, this one is void",
            tenant=fact.event.tenant,
            event_id=fact.event.event_id,
            customer_id=fact.event.customer_id,
            event_type=fact.event.event_type,
            event_time_us=fact.event.event_time_us,
        )
