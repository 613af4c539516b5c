"""What is inserted at once: the events of one storage partition, under a token made from their content."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.columns import bytes_of, offsets_of, times_us


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events (EVENT_SCHEMA) of one calendar month (UTC): one partition, so the store inserts all or none."""

    events: pa.RecordBatch
    ingested_at_us: int

    @property
    def token(self) -> str:
        """The same for the same events, so that a replayed insert is recognised; 128 bits, hex."""
        digest = blake2b(digest_size=16)
        for name in ("tenant", "event_id", "event_type", "customer_id"):
            _add_texts(digest, self.events.column(name))
        digest.update(times_us(self.events).data)
        properties = self.events.column("properties")
        offsets = offsets_of(properties)
        digest.update((offsets - offsets[0]).data)
        for texts in (properties.keys, properties.items):
            _add_texts(digest, texts[int(offsets[0]) : int(offsets[-1])])
        return digest.hexdigest()


def _add_texts(digest: blake2b, texts: pa.StringArray) -> None:
    """Where each text ends, then all of them: no two columns have these bytes in common."""
    offsets = offsets_of(texts)
    digest.update((offsets - offsets[0]).data)
    digest.update(bytes_of(texts)[offsets[0] : offsets[-1]].data)


class Sink(Protocol):
    """Where batches become durable."""

    def insert(self, batch: EventBatch) -> None:
        """Returns when the batch is durable; raises if that is not sure."""


def partition_batches(
    events: pa.RecordBatch, ingested_at_us: int, rows_max: int
) -> Iterator[tuple[EventBatch, NDArray[np.int64]]]:
    """Splits events by partition, oldest month first, and by `rows_max`; with each batch the rows that it took."""
    months = times_us(events).view("datetime64[us]").astype("datetime64[M]").view(np.int64)
    for month in np.unique(months):
        of_month = np.flatnonzero(months == month)
        for first in range(0, len(of_month), rows_max):
            rows = of_month[first : first + rows_max]
            here = events if len(rows) == len(events) else events.take(pa.array(rows))
            yield EventBatch(here, ingested_at_us), rows
