"""What corrections were recorded, for a person to look at: who, when, why, and which events.

Rules:
1. A listing is a snapshot: the same pages at the same watermark.
2. Whether a correction is in effect follows from what undid it, and what undid that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.usage.corrections.conflict_list import Version, known_versions
from engine.usage.corrections.correction import RecordedCorrection
from engine.usage.corrections.correction_queries import corrected_query, recorded_query, undone_query
from engine.usage.corrections.voids import EventKey, Kind, event_key
from engine.usage.store.query import number
from engine.usage.store.usage_store import Row, UsageStore


@dataclass(frozen=True, slots=True)
class CorrectedEvent:
    """An event as it counted before a correction, and as it counts by it; None where it doesn't."""

    before: Version | None
    after: Version | None


def find_correction(
    store: UsageStore, tenant: str, correction_id: str, as_of_us: int
) -> RecordedCorrection | None:
    """The correction with this id; None if none was recorded by then."""
    found = list_corrections(store, tenant, as_of_us, (0, 1), correction_id)
    return found[0] if found else None


def list_corrections(
    store: UsageStore, tenant: str, as_of_us: int, page: tuple[int, int], correction_id: str = ""
) -> list[RecordedCorrection]:
    """Corrections recorded by then, the newest first; `page` is (skip, at most).

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    rows = store.query(recorded_query(tenant, correction_id, as_of_us, page))
    if not rows:
        return []
    undoings = [(str(by), str(what)) for by, what in store.query(undone_query(tenant, as_of_us))]
    return list(_with_undone(map(_recorded, rows), undoings))


def list_corrected_events(
    store: UsageStore, tenant: str, correction_id: str, as_of_us: int, page: tuple[int, int]
) -> list[CorrectedEvent]:
    """The events of a correction, in the order of their keys.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    pairs = [
        _pair(tenant, row) for row in store.query(corrected_query(tenant, correction_id, as_of_us, page))
    ]
    keys = [key for pair in pairs for key in pair if key is not None]
    known = known_versions(store, keys, as_of_us)
    return [
        CorrectedEvent(
            known[before] if before is not None else None, known[after] if after is not None else None
        )
        for before, after in pairs
    ]


def _pair(tenant: str, row: Row) -> tuple[EventKey | None, EventKey | None]:
    key, voided, stands = event_key(tenant, row[:5]), row[5], row[6:]
    if not voided:
        return None, key
    return key, event_key(tenant, stands) if stands[0] else None


def _recorded(row: Row) -> RecordedCorrection:
    correction_id, kind, recorded_by, reason, at_us, events, request_hash, undoes = row
    return RecordedCorrection(
        correction_id=str(correction_id),
        kind=Kind(str(kind)),
        recorded_by=str(recorded_by),
        reason=str(reason),
        recorded_at_us=number(at_us),
        event_count=number(events),
        request_hash=str(request_hash),
        undoes=str(undoes),
    )


def _with_undone(
    corrections: Iterable[RecordedCorrection], undoings: Sequence[tuple[str, str]]
) -> Iterator[RecordedCorrection]:
    """`undoings`: what each undid, the oldest first."""
    undone_by: dict[str, str] = {}
    # Whatever undoes an undoing came after it.
    for by, what in reversed(undoings):
        if by not in undone_by:
            undone_by[what] = by
    last = {what: by for by, what in undoings}
    for each in corrections:
        undone = undone_by.get(each.correction_id)
        yield replace(each, undone_by=undone or last.get(each.correction_id, ""), in_effect=undone is None)
