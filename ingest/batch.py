"""What is inserted at once: the events of one storage partition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ingest.event import Event
from ingest.limits import MICROSECONDS


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one calendar month (UTC): one partition, so the store inserts all of them or none."""

    events: Sequence[Event]
    ingested_at_us: int


class Sink(Protocol):
    """Where batches become durable."""

    def insert(self, batch: EventBatch) -> None:
        """Returns when the batch is durable; raises if that is not sure."""


def partition_batches(events: Iterable[Event], ingested_at_us: int) -> list[EventBatch]:
    """Splits events by partition, oldest month first."""
    by_month: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        by_month.setdefault(_month(event.event_time_us), []).append(event)
    return [EventBatch(by_month[month], ingested_at_us) for month in sorted(by_month)]


def _month(event_time_us: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(event_time_us // MICROSECONDS, UTC)
    return (moment.year, moment.month)
