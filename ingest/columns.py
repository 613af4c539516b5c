"""Admitted events as columns: how their bytes are reached from numpy, and what of them is inserted at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

INSTANT = pa.timestamp("us", "UTC")
PROPERTIES = pa.map_(pa.string(), pa.string())

# One row for each admitted event; properties are sorted by key. The order is that of the events table.
EVENT_SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("customer_id", pa.string()),
        ("event_type", pa.string()),
        ("event_time", INSTANT),
        ("event_id", pa.string()),
        ("properties", PROPERTIES),
    ]
)


def offsets_of(array: pa.Array) -> NDArray[np.int32]:
    """The n + 1 offsets of a string, list or map array."""
    if not len(array):
        return np.zeros(1, np.int32)
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


def bytes_of(array: pa.StringArray) -> NDArray[np.uint8]:
    """The text that the offsets of a string array point into."""
    data = array.buffers()[2]
    return np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)


def times_us(events: pa.RecordBatch) -> NDArray[np.int64]:
    """`event_time` in microseconds since 1970."""
    times: NDArray[np.int64] = events.column("event_time").cast(pa.int64()).to_numpy()
    return times


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
