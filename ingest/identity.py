"""Which events of a group are new: the hot window of identities.

Rules:
1. (tenant, event_id) names an event. It and its content are known by fingerprints (ingest.fingerprint).
2. The first content to be stored under an id stands; the same content again is a duplicate, other content a
   conflict.
3. An event that a rule refuses by now is a duplicate all the same, if it was stored before.
4. An identity enters the window only after its event is durable, so a failed insert leaves no trace here.
5. An insert that failed may have stored its events all the same: until they are sent again, their ids are in
   doubt. The same content is inserted again; other content is a conflict.
6. The window is bounded: the oldest identities leave first. Past it, the storage key still collapses an
   identical retry. What is in doubt is bounded in the same way.
7. The window is two generations of open-addressing tables, each with room for the whole window and at most half
   full. New identities enter the younger; when it is full the older one is dropped and a new one begins. Of the
   older generation only what is still among the newest counts. Nothing is ever deleted from a table: what is
   forgotten keeps its slot, under an identity that no event has (but for one in 2^128).
8. What was voided is forgotten: it stands in nobody's way, and a retry of it falls on its row in the store.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.event import Problem, Reason, Verdict
from ingest.fingerprint import CONTENT_LANES, MARKED_FIELDS, Fingerprints, Lane, differing_fields

_SLOTS_MIN = 64
_EMPTY = -1

# What is said where these fields differ, in the order of MARKED_FIELDS and of the wire contract.
_OTHERS = (
    "another event_type: give each event an id of its own",
    "another customer_id: give each event an id of its own",
    "another event_time: give each event an id of its own, and a retry the same time again",
    "other properties: give each event an id of its own",
)
_UNKNOWN = "other content (which field differs is not known): give each event an id of its own"
_FIELD_BITS = np.array([1 << number for number in range(len(MARKED_FIELDS))], np.uint8)


def _reused(field: str, other: str) -> Problem:
    return Problem(field, Reason.ID_REUSED, f"event_id was used before for an event with {other}")


def _of_fields(bits: int) -> list[Problem]:
    told = zip(MARKED_FIELDS, _OTHERS, _FIELD_BITS.tolist(), strict=True)
    found = [_reused(field, other) for field, other, bit in told if bits & bit]
    return found or [_reused("event_id", _UNKNOWN)]


# The problems of a conflict, by which fields are known to differ.
_REUSED = [_of_fields(bits) for bits in range(1 << len(MARKED_FIELDS))]


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of each event, and the content that stands under its id: shape (CONTENT_LANES, n). It is that of
    another event where the verdict is CONFLICT.
    """

    verdicts: NDArray[np.uint8]
    stands: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.verdicts)

    def slice(self, first: int, last: int) -> "Judged":
        return Judged(self.verdicts[first:last], self.stands[:, first:last])

    def conflicts(self, events: Fingerprints) -> dict[int, list[Problem]]:
        """The problems of each event that is in conflict, by its place: one for each field that differs."""
        rows = np.flatnonzero(self.verdicts == Verdict.CONFLICT)
        if not len(rows):
            return {}
        differing = differing_fields(events.contents[-1, rows], self.stands[-1, rows]) @ _FIELD_BITS
        return {row: _REUSED[bits] for row, bits in zip(rows.tolist(), differing.tolist(), strict=True)}


class HotWindow:
    """Remembers the content of the newest `events_max` identities, in 96 to 112 bytes each.

    Not thread-safe: one owner.
    """

    def __init__(self, events_max: int) -> None:
        self._events_max = events_max
        self._young = _Generation(events_max)
        self._old: _Generation | None = None
        self._in_doubt = _Doubts(events_max)

    def __len__(self) -> int:
        return self._young.count if self._old is None else self._events_max

    def classify(self, events: Fingerprints, refused: NDArray[np.bool_]) -> Judged:
        """Judges each event: compares them, in their order, with the window and with each other.

        Of an event that is `refused`: DUPLICATE if it is in the window with this content, else REJECTED.
        """
        known, contents = self._look_up(events)
        if not known.any() and not refused.any():
            return self._judge_unknown(events)
        same = (contents == events.contents).all(axis=0)
        other = np.where(refused, Verdict.REJECTED, Verdict.CONFLICT)
        verdicts = np.where(known & same, Verdict.DUPLICATE, other).astype(np.uint8)
        unknown = np.flatnonzero(~known & ~refused)
        judged = self._judge_unknown(events.take(unknown))
        verdicts[unknown] = judged.verdicts
        contents[:, unknown] = judged.stands
        return Judged(verdicts, contents)

    def _judge_unknown(self, events: Fingerprints) -> Judged:
        """Judges events that are not in the window."""
        firsts = _firsts(events.identities)
        if firsts is None and not self._in_doubt:
            return Judged(np.full(len(events), Verdict.ACCEPTED, np.uint8), events.contents)
        if firsts is None:
            firsts = np.arange(len(events))
        accepted = firsts == np.arange(len(events))
        contents = events.contents[:, firsts]
        doubted, doubted_contents = self._in_doubt.look_up(events.identities)
        contents[:, doubted] = doubted_contents
        same = (contents == events.contents).all(axis=0)
        if len(doubted):
            # Of an id in doubt the first that is accepted is not the first that comes, but the first that agrees.
            agreeing = np.flatnonzero(same)
            first_agreeing = _firsts(events.identities[:, agreeing])
            accepted = np.zeros(len(events), np.bool_)
            accepted[agreeing if first_agreeing is None else agreeing[np.unique(first_agreeing)]] = True
        verdicts = np.where(same, Verdict.DUPLICATE, Verdict.CONFLICT).astype(np.uint8)
        verdicts[accepted] = Verdict.ACCEPTED
        return Judged(verdicts, contents)

    def remember(self, events: Fingerprints) -> None:
        """Enters events that are durable now, in their order. The content that was entered first stands."""
        known, _ = self._look_up(events)
        firsts = _firsts(events.identities)
        new = ~known if firsts is None else ~known & (firsts == np.arange(len(events)))
        self.enter(events.take(np.flatnonzero(new)))

    def enter(self, events: Fingerprints) -> None:
        """Enters durable events that are all different and none of them known, as `classify` found them: so they
        need not be looked for again.
        """
        first = 0
        while first < len(events):
            if self._young.count == self._events_max:
                self._old, self._young = self._young, _Generation(self._events_max)
            last = min(len(events), first + self._events_max - self._young.count)
            self._young.add(events.slice(first, last))
            first = last
        self._in_doubt.remove(events.identities)

    def doubt(self, events: Fingerprints) -> None:
        """Notes events, all different, whose insert failed: they may be stored, or not."""
        known, _ = self._look_up(events)
        self._in_doubt.add(events.take(np.flatnonzero(~known)))

    def forget(self, events: Fingerprints) -> None:
        """Drops those of the events that are here with just this content."""
        self._young.drop(events)
        if self._old is not None:
            self._old.drop(events)
        self._in_doubt.drop(events)

    def _look_up(self, events: Fingerprints) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
        entries = self._young.find(events.identities)
        known = entries >= 0
        contents = np.zeros((CONTENT_LANES, len(events)), np.uint64)
        rows = np.flatnonzero(known)
        contents[:, rows] = self._young.contents[:, entries[rows]]
        if self._old is not None:
            # The window is the young generation and the last of the old one.
            older = self._old.find(events.identities)
            alive = ~known & (older >= self._young.count)
            contents[:, alive] = self._old.contents[:, older[alive]]
            known |= alive
        return known, contents


class _Doubts:
    """The newest `events_max` identities whose insert failed. Made anew when some are added: failures are rare."""

    def __init__(self, events_max: int) -> None:
        self._events_max = events_max
        self._clear()

    def _clear(self) -> None:
        self._events = Fingerprints(np.empty((2, 0), np.uint64), np.empty((CONTENT_LANES, 0), np.uint64))
        self._places = _Generation(1)
        self._alive = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        """None, or at least one of them is in doubt."""
        return len(self._events)

    def look_up(self, identities: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The rows that are in doubt, and the content of each."""
        if not len(self._events):
            return np.zeros(0, np.int64), np.zeros((CONTENT_LANES, 0), np.uint64)
        rows, places = self._find(identities)
        return rows, self._events.contents[:, places]

    def add(self, events: Fingerprints) -> None:
        """Identities, all different; one that is in doubt already stays as it is."""
        rows, _ = self._find(events.identities)
        old = self._events.take(np.flatnonzero(self._alive))
        events = Fingerprints.join([old, events.take(np.setdiff1d(np.arange(len(events)), rows))])
        events = events.take(np.arange(max(0, len(events) - self._events_max), len(events)))
        self._events, self._alive = events, np.ones(len(events), np.bool_)
        self._places = _Generation(max(1, len(events)))
        self._places.add(events)

    def remove(self, identities: NDArray[np.uint64]) -> None:
        if not len(self._events):
            return
        _, places = self._find(identities)
        self._end(places)

    def drop(self, events: Fingerprints) -> None:
        """Those of the events that are in doubt with just this content."""
        if not len(self._events):
            return
        rows, places = self._find(events.identities)
        same = (self._events.contents[:, places] == events.contents[:, rows]).all(axis=0)
        self._end(places[same])

    def _end(self, places: NDArray[np.int32]) -> None:
        self._alive[places] = False
        if not self._alive.any():
            self._clear()

    def _find(self, identities: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        places = self._places.find(identities)
        rows = np.flatnonzero(places >= 0)
        rows = rows[self._alive[places[rows]]]
        return rows, places[rows]


class _Generation:
    """Up to `events_max` identities in the order in which they came, and a table of their places."""

    def __init__(self, events_max: int) -> None:
        # At most half full, so that a search ends after a step or two.
        slots = max(_SLOTS_MIN, 1 << (2 * events_max - 1).bit_length())
        self._mask = np.uint64(slots - 1)
        self._entries = np.full(slots, _EMPTY, np.int32)
        self._identities = np.empty((2, events_max), np.uint64)
        self.contents = np.empty((CONTENT_LANES, events_max), np.uint64)
        self.count = 0

    def add(self, events: Fingerprints) -> None:
        """Identities that are not here yet, all different."""
        last = self.count + len(events)
        places = np.arange(self.count, last, dtype=np.int32)
        self._identities[:, self.count : last] = events.identities
        self.contents[:, self.count : last] = events.contents
        self.count = last
        slots = self._home(events.identities[0])
        while len(places):
            free = self._entries[slots] == _EMPTY
            # Of several that want one slot the last to write has it; the others go on to the next.
            self._entries[slots[free]] = places[free]
            homeless = self._entries[slots] != places
            places, slots = places[homeless], self._next(slots[homeless])

    def drop(self, events: Fingerprints) -> None:
        """Those of the events that are here with just this content; whoever looks for one goes on past its slot."""
        places = self.find(events.identities)
        same = (places >= 0) & (self.contents[:, places] == events.contents).all(axis=0)
        self._identities[:, places[same]] = 0

    def find(self, identities: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The place of each identity, or -1."""
        found = np.full(identities.shape[1], _EMPTY, np.int32)
        rows = np.arange(len(found))
        slots = self._home(identities[0])
        while len(rows):
            entries = self._entries[slots]
            taken = entries != _EMPTY
            rows, slots, entries = rows[taken], slots[taken], entries[taken]
            same = (self._identities[:, entries] == identities[:, rows]).all(axis=0)
            found[rows[same]] = entries[same]
            rows, slots = rows[~same], self._next(slots[~same])
        return found

    def _home(self, lane: Lane) -> NDArray[np.int64]:
        return (lane & self._mask).astype(np.int64)

    def _next(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return (slots + 1) & np.int64(self._mask)


def _firsts(identities: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """For each event the first with its identity; None if each is the only one."""
    lane = np.sort(identities[0])
    if not np.any(lane[1:] == lane[:-1]):
        return None
    # Stable: of the same identity the first comes first.
    order = np.lexsort((identities[1], identities[0]))
    ordered = identities[:, order]
    begins = np.append([True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0))
    firsts = np.empty_like(order)
    firsts[order] = order[begins][np.cumsum(begins) - 1]
    return firsts
