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
from engine.usage.migration import prepare
from engine.usage.queries import Query, latest_stamp_query, recent_events_query
from engine.usage.schema import EVENTS_TABLE, VOIDS_TABLE
from ingest import EVENT_SCHEMA, EventBatch

# As many reads at once as two cores and a waiting disk make use of.
_READERS = 4
_RETRY_AFTER_MS = 1_000
# ClickHouse writes the token of a deduplicated insert before the block: killed in between, it remembers a block
# that was never stored, and drops the retry in silence. The sorting key collapses every retry by itself.
# The gateway batches already, and no event is twice in a batch: collapsing within it would cost a third more.
INSERT_SETTINGS = {"insert_deduplicate": 0, "async_insert": 0, "optimize_on_insert": 0}
# A read of a period is served by the sorting key: looking at the index of `ingested_at` as well would cost time.
_READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1, "use_skip_indexes": 0}

# ClickHouse takes these as they are; from plain texts it would make the dictionary itself, at more cost.
_LOW_CARDINALITY = ("tenant", "event_type")

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
            prepare(clients[0].command, lambda sql: clients[0].query(sql).result_rows)
        except (ClickHouseError, OSError, StartupError) as error:
            for client in clients:
                client.close()
            if isinstance(error, StartupError):
                raise
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
                settings=INSERT_SETTINGS,
            )
        except (ClickHouseError, OSError) as error:
            raise StoreUnavailableError(
                f"the usage store refused an insert: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
            ) from error

    def insert_voids(self, facts: pa.Table, recorded_at_us: int) -> None:  # noqa: ARG002 - a server needs it
        """Makes facts with this stamp durable, all or none (engine.usage.voids).

        Raises:
            StoreUnavailableError: they may or may not be stored; record them again.
        """
        # From any thread, beside the one that inserts events: with a reader's client.
        with self._reader() as client:
            try:
                client.insert_arrow(VOIDS_TABLE, facts, settings=INSERT_SETTINGS)
            except (ClickHouseError, OSError) as error:
                raise StoreUnavailableError(
                    f"the usage store refused an insert: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
                ) from error

    def execute(self, statement: Query) -> None:
        """Runs a statement that inserts a row or two, beside events and voids.

        Raises:
            StoreUnavailableError: it may or may not be stored.
        """
        with self._reader() as client, _reading():
            client.command(statement.sql, parameters=statement.parameters, settings={"async_insert": 0})

    def query(self, query: Query) -> list[Row]:
        """Rows of one read.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._reader() as reader, _reading():
            result = reader.query(query.sql, parameters=query.parameters, settings=_READ_SETTINGS)
        return [tuple(row) for row in result.result_rows]

    def latest_stamp_us(self) -> int:
        """The newest `ingested_at` in the store; 0 if it is empty."""
        ((stamp_us,),) = self.query(latest_stamp_query())
        return int(str(stamp_us))

    def recent_events(self, events_max: int) -> pa.RecordBatch:
        """The events ingested last (EVENT_SCHEMA), oldest of them first; one that was retried may be there twice."""
        query = recent_events_query(events_max)
        with self._reader() as reader, _reading():
            table = reader.query_arrow(query.sql, parameters=query.parameters, use_strings=True)
        columns = table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).combine_chunks().to_batches()
        return columns[0] if columns else pa.RecordBatch.from_pylist([], EVENT_SCHEMA)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Client]:
        reader = self._idle.get()
        try:
            yield reader
        finally:
            self._idle.put(reader)


def _embedded_client(path: Path) -> Client:
    return clickhouse_connect.get_client(interface="chdb", path=str(path))


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ClickHouseError, OSError) as error:
        raise StoreUnavailableError(
            f"the usage store refused a read: {_first_line(error)}", retry_after_ms=_RETRY_AFTER_MS
        ) from error


def _to_arrow(batch: EventBatch) -> pa.Table:
    stamp = pa.scalar(batch.ingested_at_us, pa.timestamp("us", "UTC"))
    stamps = pa.repeat(stamp, len(batch.events))
    table = pa.Table.from_batches([batch.events]).append_column("ingested_at", stamps)
    for name in _LOW_CARDINALITY:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
