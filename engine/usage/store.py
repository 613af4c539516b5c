"""The usage store: the one module that speaks to ClickHouse, embedded (chDB) for now.

Rules:
1. An insert returns when ClickHouse has the block; anything else raises StoreUnavailableError, and the caller
   must treat the block as perhaps stored, perhaps not.
2. One driver client runs one query at a time: one client writes, a small pool reads.
3. chDB holds one path a process, and must never be forked after it is open.
"""

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from engine.errors import StartupError, StoreUnavailableError
from engine.usage.queries import Query, latest_stamp_query, recent_events_query
from engine.usage.schema import EVENTS_TABLE, SCHEMA
from ingest import Event, EventBatch

# As many reads at once as two cores and a waiting disk make use of.
_READERS = 4
_RETRY_AFTER_MS = 1_000
# ClickHouse writes the token of a deduplicated insert before the block: killed in between, it remembers a block
# that was never stored, and drops the retry in silence. The sorting key collapses every retry by itself.
_INSERT_SETTINGS = {"insert_deduplicate": 0, "async_insert": 0}
_READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}

_ARROW_SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("customer_id", pa.string()),
        ("event_type", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("event_id", pa.string()),
        ("ingested_at", pa.timestamp("us", "UTC")),
        ("properties", pa.map_(pa.string(), pa.string())),
    ]
)

Row = tuple[object, ...]


class UsageStore:
    """Events in ClickHouse. Thread-safe for reads; one thread inserts."""

    def __init__(self, writer: Client, readers: list[Client]) -> None:
        self._writer = writer
        self._all = [writer, *readers]
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()
        for reader in readers:
            self._idle.put(reader)

    @classmethod
    def open_embedded(cls, path: Path) -> "UsageStore":
        """Opens or makes the store in this directory, in this process.

        Raises:
            StartupError: the directory holds no readable store.
        """
        clients: list[Client] = []
        try:
            clients.extend(_embedded_client(path) for _ in range(1 + _READERS))
            for statement in SCHEMA:
                clients[0].command(statement)
        except (ClickHouseError, OSError) as error:
            for client in clients:
                client.close()
            raise StartupError(
                f"{path}: the usage store can't be opened: {_first_line(error)}. "
                "Restore the directory from a backup, or choose another with --data"
            ) from error
        return cls(clients[0], clients[1:])

    def close(self) -> None:
        for client in self._all:
            client.close()

    def insert(self, batch: EventBatch) -> None:
        """Makes one batch durable.

        Raises:
            StoreUnavailableError: it may or may not be stored; insert the same events again.
        """
        try:
            self._writer.insert_arrow(
                EVENTS_TABLE,
                _to_arrow(batch),
                settings=_INSERT_SETTINGS,
            )
        except (ClickHouseError, OSError) as error:
            raise StoreUnavailableError(
                f"the usage store refused an insert: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
            ) from error

    def query(self, query: Query) -> list[Row]:
        """Rows of one read.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._reader() as reader:
            try:
                result = reader.query(query.sql, parameters=query.parameters, settings=_READ_SETTINGS)
            except (ClickHouseError, OSError) as error:
                raise StoreUnavailableError(
                    f"the usage store refused a read: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
                ) from error
        return [tuple(row) for row in result.result_rows]

    def latest_stamp_us(self) -> int:
        """The newest `ingested_at` in the store; 0 if it is empty."""
        ((stamp_us,),) = self.query(latest_stamp_query())
        return int(str(stamp_us))

    def recent_events(self, events_max: int) -> list[Event]:
        """The events ingested last, oldest of them first."""
        rows = self.query(recent_events_query(events_max))
        return [_event(row) for row in reversed(rows)]

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Client]:
        reader = self._idle.get()
        try:
            yield reader
        finally:
            self._idle.put(reader)


def _embedded_client(path: Path) -> Client:
    return clickhouse_connect.get_client(interface="chdb", path=str(path))


def _to_arrow(batch: EventBatch) -> pa.Table:
    events = batch.events
    columns = [
        [event.tenant for event in events],
        [event.customer_id for event in events],
        [event.event_type for event in events],
        [event.event_time_us for event in events],
        [event.event_id for event in events],
        [batch.ingested_at_us] * len(events),
        [event.properties for event in events],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _ARROW_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_ARROW_SCHEMA)


def _event(row: Row) -> Event:
    tenant, event_id, event_type, customer_id, event_time_us, keys, values = row
    if not isinstance(keys, list | tuple) or not isinstance(values, list | tuple):
        raise TypeError("the usage store returned properties that are no lists")
    return Event(
        str(tenant),
        str(event_id),
        str(event_type),
        str(customer_id),
        int(str(event_time_us)),
        tuple(zip(keys, values, strict=True)),
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
