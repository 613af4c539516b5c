"""What follows from people's corrections for the other versions of their ids, recorded by the engine itself.

A correction records what it does to other versions of its ids in its own block. What arrives later under such an id is
settled here: the reconciler's facts would not stand beside a person's (engine.usage.corrections.voids, rule 2).

Rules:
1. What is recorded is worked out on a snapshot, and recorded only if no other fact about the tenant came between that
   snapshot and its stamp; otherwise it is worked out anew. So it is right where it stands, at any number of gateways.
2. Nothing is recorded where the facts already say what the history makes of an id (engine.usage.corrections.id_states).
"""

from collections.abc import Callable, Sequence

import structlog

from engine.errors import StoreUnavailableError
from engine.usage.corrections.correction_facts import settling_facts
from engine.usage.corrections.id_history import IDS_AT_ONCE, WantedIds, read_histories, read_versions
from engine.usage.corrections.id_states import recorded_states, states_of, to_settle
from engine.usage.corrections.voids import Void, record_voids
from engine.usage.store.query import Query
from engine.usage.store.tables.schema import VOIDS_TABLE, stamp_sql
from engine.usage.store.usage_store import UsageStore
from ingest import IngestOrder

_log = structlog.get_logger(__name__)
# Of the ids that are looked at together, and of one alone; their facts are one block (engine.usage.corrections.voids).
_VERSIONS_MAX = 150_000
_ATTEMPTS_MAX = 10
_RETRY_AFTER_MS = 1_000


class Settling:
    """Settles ids that people have corrected. Thread-safe as the store is."""

    def __init__(self, store: UsageStore, clock: IngestOrder, now_us: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._now_us = now_us

    def settle(self, tenant: str, event_ids: Sequence[str]) -> list[Void]:
        """Records what is missing about these ids; the facts that void a version that counted and was lost to another.

        Raises:
            StoreUnavailableError: other facts keep coming in between, or the store does not answer; call again.
        """
        lost: list[Void] = []
        for first in range(0, len(event_ids), IDS_AT_ONCE):
            lost += self._settle_some(tenant, event_ids[first : first + IDS_AT_ONCE])
        return lost

    def _settle_some(self, tenant: str, event_ids: Sequence[str]) -> list[Void]:
        wanted = WantedIds(tenant, event_ids)
        for _ in range(_ATTEMPTS_MAX):
            as_of_us = self._clock.watermark(self._now_us())
            versions = read_versions(self._store, wanted, None, as_of_us, _VERSIONS_MAX + 1)
            if len(versions) > _VERSIONS_MAX:
                return self._settle_fewer(tenant, event_ids)
            histories = read_histories(self._store, wanted, versions, as_of_us)
            facts = [
                fact
                for each in histories.values()
                for fact in settling_facts(to_settle(each, states_of(each)))
            ]
            nothing_since = nothing_recorded_since(self._store, self._clock, tenant, as_of_us)
            if not facts or record_voids(facts, self._store, self._clock, self._now_us, nothing_since):
                before = {
                    event: state
                    for each in histories.values()
                    for event, state in recorded_states(each).items()
                }
                return [each for each in facts if each.voided and each.stands and before[each.event].counts]
        raise StoreUnavailableError(
            "corrections keep coming in while ids are settled: call again", retry_after_ms=_RETRY_AFTER_MS
        )

    def _settle_fewer(self, tenant: str, event_ids: Sequence[str]) -> list[Void]:
        if len(event_ids) == 1:
            # What nobody has decided on is void all the same (engine.usage.corrections.conflict_queries).
            _log.error(
                "an event id has too many versions to be settled as its corrections ask",
                tenant=tenant,
                event_id=event_ids[0],
                versions_max=_VERSIONS_MAX,
            )
            return []
        half = len(event_ids) // 2
        return self._settle_some(tenant, event_ids[:half]) + self._settle_some(tenant, event_ids[half:])


def nothing_recorded_since(
    store: UsageStore, clock: IngestOrder, tenant: str, as_of_us: int
) -> Callable[[int], bool]:
    """Of a stamp: whether no other fact about the tenant's events lies between the watermark and it."""

    def look(stamp_us: int) -> bool:
        clock.complete_before(stamp_us)
        return not store.query(facts_between_query(tenant, as_of_us, stamp_us))

    return look


def facts_between_query(tenant: str, after_us: int, before_us: int) -> Query:
    """One row if any fact about the tenant's events has a stamp between these instants."""
    return Query(
        f"SELECT 1 FROM {VOIDS_TABLE} WHERE tenant = {{tenant:String}} "  # noqa: S608 - own name
        f"AND recorded_at > {stamp_sql('after_us')} AND recorded_at < {stamp_sql('before_us')} LIMIT 1",
        {"tenant": tenant, "after_us": after_us, "before_us": before_us},
    )
