"""Which versions of events are meant by their ids. Pure.

Rules:
1. What an event is named by besides its id (customer, type, time, ingested_at) must fit, too.
2. A void or an amendment is about versions that count; one that doesn't, though it is named, is passed over. An
   amendment is about one version of an id, and asks to have it named if there are several.
3. Only what was lost to another version can be restored (engine.usage.corrections.id_states): what a correction voided comes back
   by undoing that correction, or an event might count as it was and as it was amended.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import CorrectionRefusedError, NotFoundError
from engine.usage.corrections.correction import EventRef, EventRefs, Standing
from engine.usage.corrections.id_history import IdVersion
from engine.usage.corrections.id_states import IdHistory, VersionState, states_of
from engine.usage.corrections.voids import Kind

_UNMADE = VersionState(counts=False, place_us=0)


@dataclass(frozen=True, slots=True)
class _Known:
    event: Standing
    state: VersionState


def chosen_versions(
    kind: Kind,
    refs: EventRefs,
    versions: Sequence[IdVersion],
    histories: Mapping[str, IdHistory],
    settled_us: int,
) -> list[Standing]:
    """The versions that a correction of this kind is about, each once.

    Raises:
        NotFoundError: an event that is named is not in the log.
        CorrectionRefusedError: it is not clear which version is meant, or it can't be corrected in this way.
    """
    states = {event: state for each in histories.values() for event, state in states_of(each).items()}
    by_id: dict[str, list[_Known]] = defaultdict(list)
    for version in versions:
        if version.event.first_at_us <= settled_us:
            known = _Known(version.event, states.get(version.event.key, _UNMADE))
            by_id[version.event.key.event_id].append(known)
    chosen: dict[object, Standing] = {}
    for ref in refs.refs:
        meant = [each for each in by_id[ref.event_id] if _fits(ref, each.event)]
        if not meant:
            raise NotFoundError(f"event {ref.event_id!r} is not recorded{_besides(ref)}")
        found = (
            _restored(ref, meant) if kind is Kind.RESTORE else [each for each in meant if each.state.counts]
        )
        if kind is not Kind.VOID and len(found) > 1:
            raise CorrectionRefusedError(
                f"event {ref.event_id!r} has {len(found)} versions to choose from: name its customer, type, time "
                "or ingested_at as well"
            )
        chosen |= {each.event.key: replace(each.event, first_at_us=each.state.place_us) for each in found}
    return list(chosen.values())


def _restored(ref: EventRef, meant: Sequence[_Known]) -> list[_Known]:
    found = [each for each in meant if each.state.restorable]
    if found:
        return found
    decided = [each.state for each in meant if not each.state.counts and each.state.decided_by]
    for state in decided:
        if not state.amended:
            raise CorrectionRefusedError(
                f"event {ref.event_id!r} was voided by correction {state.decided_by!r}: undo that one"
            )
    for state in decided:
        raise CorrectionRefusedError(
            f"event {ref.event_id!r} is not void: it was amended by correction {state.decided_by!r}"
        )
    return []


def _fits(ref: EventRef, event: Standing) -> bool:
    key = event.key
    return (
        ref.customer_id in (None, key.customer_id)
        and ref.event_type in (None, key.event_type)
        and ref.event_time_us in (None, key.event_time_us)
        and ref.ingested_at_us in (None, event.first_at_us)
    )


def _besides(ref: EventRef) -> str:
    named = (ref.customer_id, ref.event_type, ref.event_time_us, ref.ingested_at_us)
    return (
        "" if named == (None,) * len(named) else " with the customer, type, time or ingested_at that is named"
    )
