"""From the events that are to be corrected to the facts that do it. Pure.

Rules:
1. A fact is recorded only where it changes something: facts about an event that is void take standing ones only, and
   the other way round. So the facts of a correction turned around are what undoes it.
2. A correction is undone as long as nothing that came later about one of its ids is in effect: later corrections are
   undone first, and then they and what undid them cancel each other out. Its versions, and every other version of its
   ids, become what the history without it makes of them (engine.usage.corrections.id_states), in one block.
3. An amended version and what replaces it name each other (`stands`). One that would become a version that counts
   already is only voided.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from engine.errors import CorrectionRefusedError
from engine.usage.corrections.correction import Amendment, Correction, Signature, Standing, request_hash
from engine.usage.corrections.id_states import (
    OWN_KINDS,
    IdHistory,
    RecordedState,
    in_the_way,
    states_of,
    to_settle,
    undone_by,
)
from engine.usage.corrections.voids import ENGINE, ID_REUSED_REASON, EventKey, Kind, Replacement, Void

_FOLLOWS = "follows from the corrections of this event_id"


class FactMaker:
    """Makes the facts of one correction."""

    def __init__(self, correction: Correction, signature: Signature) -> None:
        self._kind = correction.kind
        self._signature = signature
        self._hash = request_hash(correction, signature)

    def voids(self, events: Iterable[Standing]) -> list[Void]:
        return [self._fact(event.key, voided=True) for event in events]

    def restores(self, events: Iterable[Standing]) -> list[Void]:
        return [self._fact(event.key, voided=False) for event in events]

    def amends(self, events: Sequence[Standing], amendment: Amendment) -> list[Void]:
        """Two facts for each event that the amendment changes.

        Raises:
            CorrectionRefusedError: an id has several versions among them.
        """
        seen: set[str] = set()
        facts: list[Void] = []
        for event in events:
            if event.key.event_id in seen:
                raise CorrectionRefusedError(
                    f"event {event.key.event_id!r} counts in several versions: amend one at a time, "
                    "named by its customer, type, time and ingested_at"
                )
            seen.add(event.key.event_id)
            new = amended_key(event, amendment)
            if new == event.key or event.amended is None:
                continue
            facts.append(self._fact(event.key, voided=True, stands=new))
            facts.append(
                self._fact(
                    new,
                    voided=False,
                    stands=event.key,
                    replacement=Replacement(event.amended, event.first_at_us),
                )
            )
        return facts

    def undoes(self, correction_id: str, histories: Iterable[IdHistory]) -> list[Void]:
        """What undoing a correction takes, given the histories of its ids.

        Raises:
            CorrectionRefusedError: it is undone already, or something was decided on one of its ids since.
        """
        facts: list[Void] = []
        for history in histories:
            _check_may_be_undone(correction_id, history)
            states = states_of(history, undone=correction_id)
            own = {
                fact.event: fact
                for fact in history.facts
                if fact.correction_id == correction_id and fact.kind not in OWN_KINDS
            }
            for event, fact in own.items():
                state = states.get(event)
                facts.append(
                    self._fact(
                        event,
                        voided=state is None or not state.counts,
                        unmade=state is None,
                        stands=fact.stands,
                        undoes=correction_id,
                    )
                )
            facts += settling_facts(to_settle(history, states, decided=own))
        return facts

    def _fact(
        self,
        event: EventKey,
        *,
        voided: bool,
        unmade: bool = False,
        stands: EventKey | None = None,
        replacement: Replacement | None = None,
        undoes: str = "",
    ) -> Void:
        return Void(
            event=event,
            voided=voided,
            unmade=unmade,
            kind=self._kind,
            correction_id=self._signature.correction_id,
            reason=self._signature.reason,
            recorded_by=self._signature.recorded_by,
            stands=stands,
            replacement=replacement,
            request_hash=self._hash,
            undoes=undoes,
        )


def amended_key(event: Standing, amendment: Amendment) -> EventKey:
    return replace(
        event.key,
        customer_id=amendment.customer_id or event.key.customer_id,
        event_time_us=event.key.event_time_us if amendment.event_time_us is None else amendment.event_time_us,
        content_hash=event.amended_hash,
    )


def settling_facts(found: Iterable[tuple[EventKey, RecordedState]]) -> list[Void]:
    """The engine's own facts that make versions what they must be (engine.usage.corrections.id_states)."""
    return [
        Void(
            event=event,
            voided=not state.counts,
            kind=Kind.SETTLE,
            correction_id=f"{Kind.SETTLE}:{event.content_hash:08x}",
            reason=_FOLLOWS if state.lost_to is None else ID_REUSED_REASON,
            recorded_by=ENGINE,
            stands=state.lost_to,
        )
        for event, state in found
    ]


def without_standing(facts: Sequence[Void], standing: Collection[EventKey]) -> list[Void]:
    """The facts of an amendment, without those for versions that count already: rule 3."""
    if not standing:
        return list(facts)
    kept = [fact for fact in facts if fact.replacement is None or fact.event not in standing]
    return [replace(fact, stands=None) if fact.stands in standing else fact for fact in kept]


def event_count(facts: Iterable[Void]) -> int:
    """How many events a correction is about: an amended one has two facts that name each other. What it settles for
    other versions of its ids doesn't count.
    """
    return sum(fact.voided or fact.stands is None for fact in facts if fact.kind not in OWN_KINDS)


def _check_may_be_undone(correction_id: str, history: IdHistory) -> None:
    if by := undone_by(history.facts, correction_id):
        raise CorrectionRefusedError(
            f"correction {correction_id!r} is undone already, by {by!r}: undo that one to bring it back"
        )
    if later := in_the_way(history.facts, correction_id):
        raise CorrectionRefusedError(
            f"correction {correction_id!r} can't be undone: {later!r} came after it for event "
            f"{history.facts[0].event.event_id!r}: undo that one first"
        )
