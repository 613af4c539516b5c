"""Events, for a person to look at: those that count, and those that are void, page by page.

Rules:
1. A listing is a snapshot: the same pages at the same watermark.
2. A page is read in stretches of time, each longer than the one before it, until it is full or the choice is at its end.
   After the last of them it ends as it is, be it empty, and says where the next one goes on: a page costs a bounded number
   of statements, whatever is void and whatever a filter leaves out.
3. What has expired is asked for after the events were read. An expiry is recorded before the first event of it is deleted:
   no event is missed in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.usage.facts.listed_events import (
    EventChoice,
    EventPlace,
    any_of_correction_query,
    expired_types_query,
    listed_query,
    stretch_query,
)
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.query import number
from engine.usage.store.usage_store import Row, UsageStore

# Of a page, in memory: some more than fits into an answer.
_PAGE_BYTES_MAX = 4 * 1024 * 1024
# How many rows the stretches of a page have, in pages.
_STRETCHES = (1, 8, 64, 512)


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event with all that is stored of it. `voided_at_us` is None for one that counts; `voided_by` is empty where the
    engine itself decided.
    """

    place: EventPlace
    ingested_at_us: int
    properties: Mapping[str, str]
    voided_at_us: int | None
    voided_by: str


@dataclass(frozen=True, slots=True)
class ExpiredType:
    """Events of a type that a listing can't have any more: of some customers those before an instant, at most."""

    event_type: str
    before_us: int
    customers: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """`following` is the place behind which the next page begins; None on the last."""

    events: Sequence[ListedEvent]
    following: EventPlace | None
    expired: Sequence[ExpiredType]


class EventList:
    """Lists events. Thread-safe as the store is."""

    def __init__(self, store: UsageStore, usage: UsageReader) -> None:
        self._store = store
        self._usage = usage

    def has_correction(self, choice: EventChoice) -> bool:
        """Whether the choice's correction is about one of its customers; raises StoreUnavailableError."""
        return bool(self._store.query(any_of_correction_query(choice)))

    def page(self, choice: EventChoice, place: EventPlace, events_max: int) -> EventPage:
        """At most so many events behind a place.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        events, following = self._read(choice, place, events_max)
        expired = [
            ExpiredType(str(event_type), number(before_us), number(customers))
            for event_type, before_us, customers in self._store.query(expired_types_query(choice))
        ]
        return EventPage(events, following, expired)

    def _read(
        self, choice: EventChoice, place: EventPlace, events_max: int
    ) -> tuple[list[ListedEvent], EventPlace | None]:
        any_facts = self._usage.any_facts(choice.tenant, choice.as_of_us)
        events: list[ListedEvent] = []
        for pages in _STRETCHES:
            rows_max = pages * (events_max + 1)
            ((rows, last_us),) = self._store.query(stretch_query(choice, place, rows_max))
            is_last = number(rows) < rows_max
            wanted = events_max - len(events)
            found = self._store.query(
                listed_query(
                    choice,
                    place,
                    None if is_last else number(last_us),
                    # One more says whether there is another.
                    events_max=wanted + 1,
                    bytes_max=_PAGE_BYTES_MAX,
                    any_facts=any_facts,
                )
            )
            events += map(_event, found[:wanted])
            if found and number(found[0][-1]) > min(len(found), wanted):
                return events, events[-1].place
            if is_last:
                return events, None
            # Nothing else is up to there.
            place = EventPlace(number(last_us) + 1)
        return events, place


def _event(row: Row) -> ListedEvent:
    time_us, event_id, customer_id, event_type, content_hash, ingested_us, properties, voided_us, by, _ = row
    if not isinstance(properties, Mapping):
        raise TypeError(f"the usage store returned properties of type {type(properties).__name__}")
    return ListedEvent(
        EventPlace(number(time_us), str(event_id), str(customer_id), str(event_type), number(content_hash)),
        number(ingested_us),
        properties,
        number(voided_us) or None,
        str(by),
    )
