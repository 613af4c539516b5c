"""Which events of a group are new: the hot window of identities.

Rules:
1. (tenant, event_id) names an event. Its content is known by a digest.
2. The first content to be stored under an id stands; the same content again is a duplicate, other content a
   conflict.
3. An identity enters the window only after its event is durable, so a failed insert leaves no trace here.
4. An insert that failed may have stored its events all the same: until they are sent again, their ids are in
   doubt. The same content is inserted again; other content is a conflict.
5. The window is bounded: the oldest identities leave first. Past it, the storage key still collapses an
   identical retry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from ingest.event import Event, Problem, Reason, Verdict

Identity = tuple[str, str]
Outcome = Verdict | Problem


@dataclass(frozen=True, slots=True)
class Classified:
    """The events of a group that must be stored, and one outcome for each entry of each of its requests."""

    fresh: list[Event]
    outcomes: list[list[Outcome]]


class HotWindow:
    """Remembers the content digests of the newest `events_max` identities. Not thread-safe: one owner."""

    def __init__(self, events_max: int) -> None:
        self._events_max = events_max
        self._digests: dict[Identity, bytes] = {}
        self._in_doubt: dict[Identity, bytes] = {}

    def __len__(self) -> int:
        return len(self._digests)

    def classify(self, requests: Sequence[Sequence[Event | Problem]]) -> Classified:
        """Compares the events of several requests, in their order, with the window and with each other."""
        within: dict[Identity, bytes] = {}
        fresh: list[Event] = []
        outcomes: list[list[Outcome]] = []
        for request in requests:
            outcome: list[Outcome] = []
            for entry in request:
                if isinstance(entry, Problem):
                    outcome.append(entry)
                    continue
                identity = entry.identity
                known = self._digests.get(identity) or within.get(identity)
                if (
                    known is None
                    and self._in_doubt.get(identity, entry.content_digest) != entry.content_digest
                ):
                    outcome.append(_ID_REUSED)
                elif known is None:
                    within[identity] = entry.content_digest
                    fresh.append(entry)
                    outcome.append(Verdict.ACCEPTED)
                elif known == entry.content_digest:
                    outcome.append(Verdict.DUPLICATE)
                else:
                    outcome.append(_ID_REUSED)
            outcomes.append(outcome)
        return Classified(fresh, outcomes)

    def remember(self, events: Iterable[Event]) -> None:
        """Enters events that are durable now. The content that was entered first stands."""
        for event in events:
            self._digests.setdefault(event.identity, event.content_digest)
            self._in_doubt.pop(event.identity, None)
        self._forget_oldest(self._digests)

    def doubt(self, events: Iterable[Event]) -> None:
        """Notes events whose insert failed: they may be stored, or not."""
        for event in events:
            if event.identity not in self._digests:
                self._in_doubt[event.identity] = event.content_digest
        self._forget_oldest(self._in_doubt)

    def _forget_oldest(self, digests: dict[Identity, bytes]) -> None:
        excess = len(digests) - self._events_max
        for identity in list(islice(digests, max(0, excess))):
            del digests[identity]


_ID_REUSED = Problem(
    "event_id",
    Reason.ID_REUSED,
    "event_id was used before for an event with other content, which stands: give each event an id of its own",
)
