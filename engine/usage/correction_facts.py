"""From the events that are to be corrected to the facts that do it. Pure.

Rules:
1. A fact is recorded only where it changes something: facts about an event that is void take standing ones only, and
   the other way round. So the facts of a correction turned around are what undoes it.
2. A correction is undone as long as nothing that came later about its versions is in effect: later corrections are
   undone first, and then they and what undid them cancel each other out. So an event never counts as it was and
   as it is at once.
3. An amended version and what replaces it name each other (`stands`). One that would become a version that counts
   already is only voided.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.errors import CorrectionRefusedError
from engine.usage.correction import Amendment, Correction, Signature, Standing, request_hash
from engine.usage.voids import EventKey, Replacement, Void


@dataclass(frozen=True, slots=True)
class Decided:
    """A fact of a recorded correction; and all corrections that decided on its version, the oldest first, with what
    each of them undid (or empty).
    """

    event: EventKey
    voided: bool
    stands: EventKey | None
    corrections: tuple[str, ...]
    undoes: tuple[str, ...]

    def undone_by(self, correction_id: str) -> str | None:
        return next(
            (
                each
                for each, undone in zip(self.corrections, self.undoes, strict=True)
                if undone == correction_id
            ),
            None,
        )

    def in_the_way(self, correction_id: str) -> str | None:
        """The newest correction since this one that is neither undone since nor undoes what came since."""
        first = self.corrections.index(correction_id) + 1
        since = dict(zip(self.corrections[first:], self.undoes[first:], strict=True))
        while since:
            newest, undone = since.popitem()
            if undone not in since:
                return newest
            del since[undone]
        return None


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

    def undoes(self, correction_id: str, facts: Sequence[Decided]) -> list[Void]:
        """The facts of a correction turned around.

        Raises:
            CorrectionRefusedError: something was decided on one of its events since.
        """
        for fact in facts:
            later = fact.in_the_way(correction_id)
            if later == fact.undone_by(correction_id) and later is not None:
                raise CorrectionRefusedError(
                    f"correction {correction_id!r} is undone already, by {later!r}: undo that one to bring it back"
                )
            if later is not None:
                raise CorrectionRefusedError(
                    f"correction {correction_id!r} can't be undone: {later!r} came after it for event "
                    f"{fact.event.event_id!r}: undo that one first"
                )
        return [
            self._fact(fact.event, voided=not fact.voided, stands=fact.stands, undoes=correction_id)
            for fact in facts
        ]

    def _fact(
        self,
        event: EventKey,
        *,
        voided: bool,
        stands: EventKey | None = None,
        replacement: Replacement | None = None,
        undoes: str = "",
    ) -> Void:
        return Void(
            event=event,
            voided=voided,
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


def without_standing(facts: Sequence[Void], standing: Collection[EventKey]) -> list[Void]:
    """The facts of an amendment, without those for versions that count already: rule 3."""
    if not standing:
        return list(facts)
    kept = [fact for fact in facts if fact.replacement is None or fact.event not in standing]
    return [replace(fact, stands=None) if fact.stands in standing else fact for fact in kept]


def event_count(facts: Iterable[Void]) -> int:
    """How many events a correction is about: an amended one has two facts that name each other."""
    return sum(fact.voided or fact.stands is None for fact in facts)
