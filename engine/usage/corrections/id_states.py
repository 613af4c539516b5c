"""The life of an id: which of the versions under one id count, by whose decision, and what must be recorded for it.

A version is an event with its customer, type, time and properties; identical retries are one version. Pure.

    state      counts  how a version came to be so                                   what a person may do with it
    ---------  ------  ------------------------------------------------------------  ----------------------------
    counts     yes     it arrived when no version of its id counted, or an           void, amend
                       amendment put it in the place of one that did
    lost       no      it arrived while another version counted: a conflict          restore
    restored   yes     it was lost, and a person restored it beside what counts      void, amend
    void       no      a person voided it                                            undo that
    amended    no      a person put another version in its place                     undo that
    unmade     no      an amendment that is undone had made it; it never arrived     undo the undoing
                       (from when it arrives it is any other version)

Rules:
1. What was undone never happened. A correction is in effect unless an undo in effect undoes it. The history of an id is
   the arrivals of its versions (each by the stamp of its first insert) and the facts of corrections in effect, in the
   order of their stamps; what counts follows from the history alone (`states_of`). So undoing every correction of an
   id gives what no correction would have given.
2. A version that arrives is lost if another counts. Of several that count it is lost to the one with the earliest
   place; a place is the stamp of arrival, and what an amendment made has the place of what it replaces. What a
   correction in effect has already put there stays as it is when it arrives.
3. Corrections of one id are undone last in, first out (`in_the_way`), whichever of its versions they are about. So the
   facts of a correction in effect stand on what they stood on when they were recorded.
4. Reads follow recorded facts, not this table (engine.usage.store.tables.void_sql): `recorded_states` says what the
   facts come to, `to_settle` which versions differ. Whoever changes an id records the difference, in the same block.
5. A version that facts name and that has gone from the log has expired: it arrived before all that are still there. It
   counts in the history, and nothing is recorded about it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.usage.corrections.voids import EventKey, Kind

# The engine's own facts follow from the history; all others are its corrections.
OWN_KINDS = frozenset({Kind.ID_REUSED, Kind.SETTLE})
# An undoing decides nothing: what it undoes never happened.
_DECIDING_KINDS = frozenset({Kind.VOID, Kind.AMEND, Kind.RESTORE})
# Where expired versions arrived: before every stamp, what was never lost first.
_EXPIRED_AT_US, _EXPIRED_LOST_AT_US = -2, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFact:
    """A fact as it is stored (engine.usage.corrections.voids). place_us: of a replacement, when what it replaces first
    arrived.
    """

    event: EventKey
    recorded_at_us: int
    kind: Kind
    voided: bool
    unmade: bool
    correction_id: str
    undoes: str
    stands: EventKey | None
    is_replacement: bool
    place_us: int


@dataclass(frozen=True, slots=True)
class IdHistory:
    """All that is known of one id: when each version in the log arrived, and its facts, the oldest first."""

    arrived_at_us: Mapping[EventKey, int]
    facts: Sequence[RecordedFact]


@dataclass(frozen=True, slots=True)
class VersionState:
    """What the history makes of a version.

    lost_to: what counted when it arrived; None if nothing did.
    decided_by: the correction in effect that decided on it last; empty for none. `amended`: it put another version in
        the place of this one.
    """

    counts: bool
    place_us: int
    lost_to: EventKey | None = None
    decided_by: str = ""
    amended: bool = False

    @property
    def restorable(self) -> bool:
        """Lost, and no correction in effect says anything of it."""
        return not self.counts and self.lost_to is not None and not self.decided_by


@dataclass(frozen=True, slots=True)
class RecordedState:
    """What the recorded facts say of a version: what reads and listings follow."""

    counts: bool
    lost_to: EventKey | None


def in_effect(facts: Iterable[RecordedFact], undone: str = "") -> frozenset[str]:
    """The corrections that are in effect, undoings too: rule 1. `undone`: as if this one were undone as well."""
    undoes = _corrections(facts)
    gone = {undone}
    # Whatever undoes a correction came after it.
    for correction_id, earlier in reversed(undoes.items()):
        if earlier and correction_id not in gone:
            gone.add(earlier)
    return frozenset(undoes.keys() - gone)


def undone_by(facts: Sequence[RecordedFact], correction_id: str) -> str | None:
    """The correction in effect that undoes this one; None if it is in effect itself."""
    effective = in_effect(facts)
    by = [fact.correction_id for fact in facts if fact.undoes == correction_id]
    return next((each for each in reversed(by) if each in effective), None)


def in_the_way(facts: Sequence[RecordedFact], correction_id: str) -> str | None:
    """The newest correction in effect that came after this one; None if it may be undone: rule 3.

    Pairs that both came later and cancel each other are in nobody's way.
    """
    effective = in_effect(facts)
    undoes = _corrections(facts)
    names = list(undoes)
    later = names[names.index(correction_id) + 1 :]
    return next((each for each in reversed(later) if each in effective and undoes[each] not in later), None)


def states_of(history: IdHistory, undone: str = "") -> dict[EventKey, VersionState]:
    """The state of every version that arrived, or that a correction in effect put there: rules 1 and 2.

    `undone`: as if this correction were undone as well.
    """
    effective = in_effect(history.facts, undone)
    decisions = [
        fact for fact in history.facts if fact.correction_id in effective and fact.kind in _DECIDING_KINDS
    ]
    arrivals = sorted((*history.arrived_at_us.items(), *_expired(history)), key=_standing_order)
    states: dict[EventKey, VersionState] = {}
    waiting = iter(decisions)
    decision = next(waiting, None)
    for event, arrived_at_us in arrivals:
        while decision is not None and decision.recorded_at_us < arrived_at_us:
            _decide(states, decision)
            decision = next(waiting, None)
        if event not in states:
            first = _first_that_counts(states)
            states[event] = VersionState(counts=first is None, place_us=arrived_at_us, lost_to=first)
    while decision is not None:
        _decide(states, decision)
        decision = next(waiting, None)
    return states


def recorded_states(history: IdHistory) -> dict[EventKey, RecordedState]:
    """What the facts say of each version in the log, and of each that they name; as `void_sql` reads them."""
    of: dict[EventKey, list[RecordedFact]] = {event: [] for event in history.arrived_at_us}
    for fact in history.facts:
        of.setdefault(fact.event, []).append(fact)
    return {event: _recorded(facts, event in history.arrived_at_us) for event, facts in of.items()}


def to_settle(
    history: IdHistory, states: Mapping[EventKey, VersionState], decided: Collection[EventKey] = ()
) -> list[tuple[EventKey, RecordedState]]:
    """The versions about which something must be recorded, and what: where the facts differ from these states.

    `decided`: about these somebody records a fact of his own. In the order of keys.
    """
    recorded = recorded_states(history)
    made = _made(history)
    found = []
    for event in sorted(recorded, key=_key_order):
        state = states.get(event)
        wanted = RecordedState(False, None) if state is None else RecordedState(state.counts, state.lost_to)
        expired = event not in history.arrived_at_us and event not in made
        if event not in decided and not expired and wanted != recorded[event]:
            found.append((event, wanted))
    return found


def _corrections(facts: Iterable[RecordedFact]) -> dict[str, str]:
    """What each correction undoes, empty for nothing; the oldest first."""
    return {fact.correction_id: fact.undoes for fact in facts if fact.kind not in OWN_KINDS}


def _decide(states: dict[EventKey, VersionState], fact: RecordedFact) -> None:
    before = states.get(fact.event)
    arrived = before or VersionState(counts=False, place_us=fact.place_us)
    states[fact.event] = replace(
        arrived,
        counts=not fact.voided,
        place_us=_place_us(states, fact) if fact.is_replacement else arrived.place_us,
        decided_by=fact.correction_id,
        amended=fact.kind is Kind.AMEND and fact.voided,
    )


def _place_us(states: Mapping[EventKey, VersionState], made: RecordedFact) -> int:
    """The place of what it replaces, which the history knows better than the fact: a version that an undone amendment had
    made was recorded with that one's place. What has expired is known by the fact alone.
    """
    replaced = states.get(made.stands) if made.stands else None
    return made.place_us if replaced is None or replaced.place_us < 0 else replaced.place_us


def _first_that_counts(states: Mapping[EventKey, VersionState]) -> EventKey | None:
    counting = [(event, state.place_us) for event, state in states.items() if state.counts]
    return min(counting, key=_standing_order)[0] if counting else None


def _recorded(facts: Sequence[RecordedFact], arrived: bool) -> RecordedState:
    if not facts:
        return RecordedState(counts=True, lost_to=None)
    newest = max(facts, key=lambda fact: (fact.kind is not Kind.ID_REUSED, fact.recorded_at_us))
    settled = [fact for fact in facts if fact.kind is Kind.SETTLE]
    reused = [fact for fact in facts if fact.kind is Kind.ID_REUSED]
    told = settled[-1:] or reused[:1]
    counts = arrived if newest.unmade else not newest.voided
    return RecordedState(counts=counts, lost_to=told[0].stands if told else None)


def _made(history: IdHistory) -> set[EventKey]:
    """The versions that an amendment put there, whether or not it is undone."""
    return {fact.event for fact in history.facts if fact.is_replacement}


def _expired(history: IdHistory) -> list[tuple[EventKey, int]]:
    """Versions that must have been in the log: rule 5."""
    lost = {fact.event for fact in history.facts if fact.kind in OWN_KINDS and fact.stands is not None}
    named = {fact.event for fact in history.facts} | {
        fact.stands for fact in history.facts if fact.stands is not None
    }
    gone = named - _made(history) - history.arrived_at_us.keys()
    return [(event, _EXPIRED_LOST_AT_US if event in lost else _EXPIRED_AT_US) for event in gone]


def _standing_order(arrival: tuple[EventKey, int]) -> tuple[object, ...]:
    event, at_us = arrival
    return (
        at_us,
        event.event_time_us,
        event.customer_id.encode("utf-8", "surrogatepass"),
        event.event_type.encode("utf-8", "surrogatepass"),
        event.content_hash,
    )


def _key_order(event: EventKey) -> tuple[object, ...]:
    return (event.tenant, event.event_id, *_standing_order((event, 0)))
