"""What is inserted at once: the events of one storage partition."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.columns import times_us


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events (EVENT_SCHEMA) of one calendar month (UTC): one partition, so the store inserts all or none."""

    events: pa.RecordBatch
    ingested_at_us: int


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
