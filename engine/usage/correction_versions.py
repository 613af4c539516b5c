"""Which versions of events are meant by their ids. Pure.

Rules:
1. What an event is named by besides its id (customer, type, time, ingested_at) must fit, too.
2. A void or an amendment is about versions that count; one that doesn't, though it is named, is passed over. An
   amendment is about one version of an id, and asks to have it named if there are several.
3. Only what the reconciler voided can be restored: what a correction voided comes back by undoing that correction,
   or an event might count as it was and as it was amended.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import CorrectionRefusedError, NotFoundError
from engine.usage.correction import EventRef, EventRefs, Standing
from engine.usage.voids import Kind


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an event, whether it is void, which person's correction decided that last, and which one made it by
    amending another; both may be empty.
    """

    event: Standing
    void: bool
    decided_by: str
    amended_by: str


def chosen_versions(
    kind: Kind, refs: EventRefs, versions: Sequence[Version], settled_us: int
) -> list[Standing]:
    """The versions that a correction of this kind is about, each once.

    Raises:
        NotFoundError: an event that is named is not in the log.
        CorrectionRefusedError: it is not clear which version is meant, or it can't be corrected in this way.
    """
    by_id: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        by_id[version.event.key.event_id].append(version)
    chosen: dict[object, Standing] = {}
    for ref in refs.refs:
        meant = [each for each in by_id[ref.event_id] if _fits(ref, each.event)]
        meant = [each for each in meant if each.event.first_at_us <= settled_us]
        if not meant:
            raise NotFoundError(f"event {ref.event_id!r} is not recorded{_besides(ref)}")
        found = (
            _restored(ref, meant, by_id[ref.event_id])
            if kind is Kind.RESTORE
            else [each for each in meant if not each.void]
        )
        if kind is not Kind.VOID and len(found) > 1:
            raise CorrectionRefusedError(
                f"event {ref.event_id!r} has {len(found)} versions to choose from: name its customer, type, time "
                "or ingested_at as well"
            )
        chosen |= {each.event.key: each.event for each in found}
    return list(chosen.values())


def _restored(ref: EventRef, meant: Sequence[Version], of_id: Sequence[Version]) -> list[Version]:
    found = [each for each in meant if each.void and not each.decided_by]
    void = sorted((each for each in meant if each.void), key=lambda each: bool(each.amended_by))
    if found or not void:
        return found
    counting = [each for each in of_id if not each.void]
    # What made way for a replacement was amended; a replacement, where something counts, is one that was undone.
    amended_by = {each.amended_by for each in of_id}
    voided = [
        each for each in void if each.decided_by not in amended_by and not (each.amended_by and counting)
    ]
    if voided:
        raise CorrectionRefusedError(
            f"event {ref.event_id!r} was voided by correction {voided[0].decided_by!r}: undo that one"
        )
    for each in counting:
        if each.amended_by:
            raise CorrectionRefusedError(
                f"event {ref.event_id!r} is not void: it was amended by correction {each.amended_by!r}"
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
