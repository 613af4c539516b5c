"""Corrections of recorded usage: planned at a watermark, recorded as one block of facts, undone by another.

Rules:
1. A correction is planned on a snapshot in which every id is settled (engine.usage.corrections.reconciler), and recorded under a
   stamp before which, since the snapshot, no other fact was: otherwise it is planned anew. This holds across gateways:
   everything before the stamp has its outcome when that is looked at. So corrections have one order, and each was
   right where it stands.
2. A correction that is recorded is found by its id, in the snapshot that it would be planned on: sent again, also at
   once to two gateways, it is answered and not recorded again.
3. What a correction makes of other versions of its ids, such as one that took the id of a void event meanwhile, is in
   its plan, and in its block: a dry run, a draft and a record are of the same facts. What arrives between the snapshot
   and the stamp is settled before the correction is answered, and by the reconciler, if that is cut short.
4. A draft is written for one question and dropped after it. No read of usage but one that names it sees it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import structlog

from engine.errors import (
    CorrectionIdUsedError,
    CorrectionRefusedError,
    FieldMistake,
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
)
from engine.usage.corrections.correction import (
    EVENTS_MAX,
    PROPERTIES_BYTES_MAX,
    Correction,
    CorrectionPlan,
    EventRefs,
    Selection,
    Signature,
    Standing,
    Undone,
    request_hash,
)
from engine.usage.corrections.correction import RecordedCorrection as Recorded
from engine.usage.corrections.correction_facts import FactMaker, event_count, without_standing
from engine.usage.corrections.correction_list import find_correction
from engine.usage.corrections.correction_queries import (
    drop_draft_statement,
    selected_query,
    selected_size_query,
    standing_replacements_query,
)
from engine.usage.corrections.correction_versions import chosen_versions
from engine.usage.corrections.id_history import (
    IDS_AT_ONCE,
    IdVersion,
    WantedIds,
    read_histories,
    read_versions,
)
from engine.usage.corrections.id_states import IdHistory
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.settling import nothing_recorded_since
from engine.usage.corrections.voids import FACTS_MAX, Kind, Void, event_key, fact_columns, record_voids
from engine.usage.store.query import number
from engine.usage.store.usage_store import Row, UsageStore
from ingest import IngestOrder

_log = structlog.get_logger(__name__)
# Another fact a moment before, so many times in a row: then somebody else corrects in a loop.
_ATTEMPTS_MAX = 10
_RETRY_AFTER_MS = 1_000
# The largest correction takes some seconds; nobody's call should wait for more than a few of them.
_TURN_TIMEOUT_S = 60
# Of the ids of one correction; each may have several.
_VERSIONS_MAX = 4 * EVENTS_MAX

Check = Callable[[Sequence[Void]], None]


class Corrections:
    """Corrects. Thread-safe; one correction of this process at a time."""

    def __init__(
        self,
        store: UsageStore,
        clock: IngestOrder,
        reconciler: Reconciler,
        now_us: Callable[[], int],
        draft_id: Callable[[], int],
    ) -> None:
        """`draft_id` draws a number that no other draft has."""
        self._store = store
        self._clock = clock
        self._reconciler = reconciler
        self._now_us = now_us
        self._draft_id = draft_id
        self._one_at_a_time = threading.Lock()

    def plan(
        self, tenant: str, correction: Correction, signature: Signature, check: Check = lambda _facts: None
    ) -> CorrectionPlan:
        """What the correction would record now; `check` raises an error of the tree for facts that may not be.

        Raises:
            InvalidRequestError: more events than one correction may have.
            NotFoundError: an event or a correction that is not there.
            CorrectionRefusedError: nothing to correct, or not without doubt.
        """
        settled_us, as_of_us = self._settled_snapshot()
        plan = self._plan(tenant, correction, signature, settled_us, as_of_us)
        check(plan.facts)
        return plan

    def record(
        self,
        tenant: str,
        correction: Correction,
        signature: Signature,
        expected_event_count: int | None = None,
        check: Check = lambda _facts: None,
    ) -> Recorded:
        """Records it, or finds it recorded.

        Raises:
            CorrectionIdUsedError: the id belongs to another correction.
            StoreUnavailableError: it may be recorded or not: send it again.
            InvalidRequestError, NotFoundError, CorrectionRefusedError: as `plan`; or it has not the expected number
                of events.
        """
        with self._turn():
            as_of_us = self._clock.watermark(self._now_us())
            for _ in range(_ATTEMPTS_MAX):
                if known := self._known(tenant, correction, signature, as_of_us):
                    return known
                settled_us, as_of_us = self._settled_snapshot()
                # It may have been recorded meanwhile, by another gateway.
                if known := self._known(tenant, correction, signature, as_of_us):
                    return known
                plan = self._plan(tenant, correction, signature, settled_us, as_of_us)
                _check_count(plan, expected_event_count)
                check(plan.facts)
                nothing_since = nothing_recorded_since(self._store, self._clock, tenant, as_of_us)
                stamp_us = record_voids(plan.facts, self._store, self._clock, self._now_us, nothing_since)
                if stamp_us is not None:
                    _log.info(
                        "corrected",
                        tenant=tenant,
                        kind=correction.kind.value,
                        events=plan.event_count,
                        correction_id=signature.correction_id,
                        recorded_by=signature.recorded_by,
                    )
                    self._reconciler.settle_until(stamp_us)
                    return self._just_recorded(tenant, signature.correction_id)
                as_of_us = self._clock.watermark(self._now_us())
        raise StoreUnavailableError(
            "other corrections keep coming in between: send this one again", retry_after_ms=_RETRY_AFTER_MS
        )

    @contextlib.contextmanager
    def draft(self, plan: CorrectionPlan) -> Iterator[int]:
        """The plan's facts as a draft that reads may name."""
        draft_id = self._draft_id()
        try:
            # Later than all that is recorded by then.
            facts = fact_columns(plan.facts, plan.as_of_us + 1)
            draft_ids = pa.array([draft_id] * len(facts), pa.uint64())
            self._store.insert_draft(facts.append_column("draft_id", draft_ids))
            yield draft_id
        finally:
            # What can't be dropped goes by itself.
            with contextlib.suppress(StoreUnavailableError):
                self._store.execute(drop_draft_statement(draft_id))

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Holds off other corrections of this process, which would only make each other plan anew."""
        if not self._one_at_a_time.acquire(timeout=_TURN_TIMEOUT_S):
            raise StoreUnavailableError(
                "other corrections are being recorded: send this one again", retry_after_ms=_RETRY_AFTER_MS
            )
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _settled_snapshot(self) -> tuple[int, int]:
        """Up to where ids are settled, and a watermark that shows it."""
        settled_us = self._clock.watermark(self._now_us())
        self._reconciler.settle_until(settled_us)
        return settled_us, self._clock.watermark(self._now_us())

    def _known(
        self, tenant: str, correction: Correction, signature: Signature, as_of_us: int
    ) -> Recorded | None:
        known = find_correction(self._store, tenant, signature.correction_id, as_of_us)
        if known is not None and known.request_hash != request_hash(correction, signature):
            raise CorrectionIdUsedError(
                f"correction_id {signature.correction_id!r} belongs to another correction ({known.kind} of "
                f"{known.event_count}, by {known.recorded_by}: {known.reason}): give this one an id of its own"
            )
        return known

    def _just_recorded(self, tenant: str, correction_id: str) -> Recorded:
        known = find_correction(self._store, tenant, correction_id, self._clock.watermark(self._now_us()))
        if known is None:
            raise RuntimeError("a correction that was recorded is not found")
        return known

    def _plan(
        self, tenant: str, correction: Correction, signature: Signature, settled_us: int, as_of_us: int
    ) -> CorrectionPlan:
        make = FactMaker(correction, signature)
        amendment = correction.amendment
        match correction.chosen:
            case Undone(correction_id):
                facts = make.undoes(correction_id, self._histories_of(tenant, correction_id, as_of_us))
                _check_size(facts)
                return CorrectionPlan(tuple(facts), event_count(facts), 0, as_of_us)
            case EventRefs() as refs:
                versions, histories = self._versions(tenant, correction, refs, as_of_us)
                events: Sequence[Standing] = chosen_versions(
                    correction.kind, refs, versions, histories, settled_us
                )
            case Selection() as selection:
                events = self._selected(tenant, selection, correction, settled_us, as_of_us)
        if amendment is not None:
            facts = make.amends(events, amendment)
            facts = self._without_standing(tenant, facts, as_of_us)
        elif correction.kind is Kind.RESTORE:
            facts = make.restores(events)
        else:
            facts = make.voids(events)
        count = event_count(facts)
        if not count:
            raise CorrectionRefusedError(f"there is nothing to correct: {_why_nothing(correction, events)}")
        return CorrectionPlan(tuple(facts), count, len(events) - count, as_of_us)

    def _versions(
        self, tenant: str, correction: Correction, refs: EventRefs, as_of_us: int
    ) -> tuple[list[IdVersion], dict[str, IdHistory]]:
        ids = sorted({ref.event_id for ref in refs.refs})
        versions: list[IdVersion] = []
        histories: dict[str, IdHistory] = {}
        for first in range(0, len(ids), IDS_AT_ONCE):
            wanted = WantedIds(tenant, ids[first : first + IDS_AT_ONCE])
            found = read_versions(self._store, wanted, correction.amendment, as_of_us, EVENTS_MAX + 1)
            versions += found
            if len(versions) > EVENTS_MAX:
                raise _too_many("events", f"more than {EVENTS_MAX}")
            histories |= read_histories(self._store, wanted, found, as_of_us)
        return versions, histories

    def _histories_of(self, tenant: str, correction_id: str, as_of_us: int) -> list[IdHistory]:
        wanted = WantedIds(tenant, correction_id=correction_id)
        versions = read_versions(self._store, wanted, None, as_of_us, _VERSIONS_MAX + 1)
        if len(versions) > _VERSIONS_MAX:
            raise CorrectionRefusedError(
                f"correction {correction_id!r} can't be undone: its event ids have more than {_VERSIONS_MAX} versions"
            )
        histories = read_histories(self._store, wanted, versions, as_of_us)
        if not any(fact.correction_id == correction_id for each in histories.values() for fact in each.facts):
            raise NotFoundError(f"correction {correction_id!r} was never recorded")
        return list(histories.values())

    def _selected(
        self, tenant: str, selection: Selection, correction: Correction, settled_us: int, as_of_us: int
    ) -> list[Standing]:
        size = self._store.query(selected_size_query(tenant, selection, as_of_us, settled_us))
        count, size_bytes = (number(each or 0) for each in size[0])
        if count > EVENTS_MAX:
            raise _too_many("selection", str(count))
        if correction.amendment is not None and size_bytes > PROPERTIES_BYTES_MAX:
            raise InvalidRequestError(
                FieldMistake(
                    "selection",
                    f"its events have {size_bytes} bytes of properties; one correction amends at most "
                    f"{PROPERTIES_BYTES_MAX}: select a shorter stretch of time",
                )
            )
        query = selected_query(tenant, selection, correction.amendment, as_of_us, settled_us)
        return [_standing(tenant, row) for row in self._store.query(query)]

    def _without_standing(self, tenant: str, facts: list[Void], as_of_us: int) -> list[Void]:
        if not facts:
            return facts
        with self.draft(CorrectionPlan(tuple(facts), 0, 0, as_of_us)) as draft_id:
            rows = self._store.query(standing_replacements_query(tenant, draft_id, as_of_us))
        return without_standing(facts, {event_key(tenant, row) for row in rows})


def _why_nothing(correction: Correction, events: Sequence[Standing]) -> str:
    if events:
        return "the event is so already" if len(events) == 1 else f"all {len(events)} events are so already"
    if correction.kind is Kind.RESTORE and isinstance(correction.chosen, EventRefs):
        refs = correction.chosen.refs
        return f"event {refs[0].event_id!r} is not void" if len(refs) == 1 else "none of the events is void"
    return "no event that counts is selected"


def _check_count(plan: CorrectionPlan, expected: int | None) -> None:
    if expected is not None and plan.event_count != expected:
        raise CorrectionRefusedError(
            f"{plan.event_count} event{'' if plan.event_count == 1 else 's'} would be corrected, not {expected} as expected: nothing was recorded; "
            "look again with a dry run"
        )


def _check_size(facts: Sequence[Void]) -> None:
    if len(facts) > FACTS_MAX:
        raise CorrectionRefusedError(
            f"undoing it changes {len(facts)} versions of events; one correction is stored whole or not at all, and "
            f"changes at most {FACTS_MAX}"
        )


def _too_many(field: str, count: str) -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            field,
            f"means {count} events; one correction is stored whole or not at all, and has at most {EVENTS_MAX}: "
            "make several, of shorter stretches of time",
        )
    )


def _standing(tenant: str, row: Row) -> Standing:
    amended = row[6]
    if not isinstance(amended, dict):
        raise TypeError(f"the usage store returned properties of type {type(amended).__name__}")
    return Standing(event_key(tenant, row[:5]), number(row[5]), amended, number(row[7]))
