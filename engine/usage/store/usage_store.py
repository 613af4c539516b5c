"""The usage store: events in ClickHouse, embedded (chDB) or a server over HTTP. The one way to it.

Rules:
1. An insert returns when ClickHouse has the block; anything else raises StoreUnavailableError, and the caller must
   treat the block as perhaps stored, perhaps not.
2. One driver client runs one query at a time: one client writes, a small pool reads. Tenants whose calls wait for one
   take turns.
3. What differs between the two kinds of ClickHouse is their backends' (engine.usage.store.backends.embedded, and
   server).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from engine.current_call import CURRENT_CALL
from engine.fair_pool import FairPool
from engine.usage.store.backends.backend import Backend, Settings
from engine.usage.store.backends.clickhouse import Client, inserting, reading
from engine.usage.store.backends.embedded import EmbeddedBackend
from engine.usage.store.backends.own_writes import OwnWrites
from engine.usage.store.backends.server import ServerBackend
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.backends.write_watch import WriteWatch
from engine.usage.store.query import Query, number
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from engine.usage.store.tables.durability import Durability
from engine.usage.store.tables.newest_rows import latest_stamp_query, recent_events_query
from engine.usage.store.tables.schema import DRAFTS_TABLE, VOIDS_TABLE
from engine.usage.store.tables.settings import INSERT_SETTINGS, OF_EVERY_REPLICA, READ_SETTINGS
from ingest import EVENT_SCHEMA, EventBatch

Row = tuple[object, ...]
_PIECE_BYTES = 1 << 20


class UsageStore:
    """Events in ClickHouse. Thread-safe for reads; one thread inserts."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._read_settings = {**READ_SETTINGS, **backend.bounds}
        self._idle = FairPool(backend.clients.readers)
        self._idle_lookers = FairPool(backend.clients.lookers) if backend.clients.lookers else self._idle

    @classmethod
    def open_embedded(cls, path: Path, durability: Durability = Durability.PROCESS) -> "UsageStore":
        """Opens or makes the store in this directory, in this process.

        Raises:
            StartupError: the directory holds no readable store, or its disk can't be written to.
        """
        return cls(EmbeddedBackend.open(path, durability))

    @classmethod
    def open_server(cls, address: ServerAddress, durability: Durability = Durability.PROCESS) -> "UsageStore":
        """Connects to a ClickHouse server, and makes what is not there yet.

        Raises:
            StartupError: it does not answer, is too old, or refuses the user or what the user asks for.
        """
        return cls(ServerBackend.open(address, durability))

    def claim(self, directory: str) -> None:
        """Makes a server's database belong to the data directory of this identity: the order of ingestion is there.

        Raises:
            StartupError: it belongs to another one.
            StoreUnavailableError: the store does not answer.
        """
        with self._reader() as client:
            self._backend.claim(client, directory)

    @property
    def own_writes(self) -> OwnWrites | None:
        """What this process knows without asking; None at a server, which others write to."""
        return self._backend.own_writes

    @property
    def watch(self) -> WriteWatch | None:
        """Of an embedded store, what must look at its writes often (engine.usage.store.backends.write_watch)."""
        return self._backend.watch

    def close(self) -> None:
        self._backend.close()

    def insert(self, batch: EventBatch) -> None:
        """Makes one batch durable.

        Raises:
            StoreUnavailableError: it may or may not be stored; insert the same events again.
        """
        try:
            with self._backend.confirmed(), inserting():
                self._backend.insert_events(batch)
        finally:
            if self.own_writes is not None:
                self.own_writes.events_inserted()

    def insert_voids(self, facts: pa.Table, recorded_at_us: int) -> None:
        """Makes facts with this stamp durable, all or none (engine.usage.corrections.voids).

        Raises:
            StoreUnavailableError: they may or may not be stored; record them again.
        """
        try:
            with self._backend.confirmed(), self._reader() as client, inserting():
                self._backend.insert_facts(client, VOIDS_TABLE, facts, recorded_at_us)
        finally:
            if self.own_writes is not None:
                self.own_writes.facts_inserted()

    def insert_draft(self, facts: pa.Table) -> None:
        """Stores the facts of a draft, on which nothing depends that lasts; raises StoreUnavailableError."""
        self.insert_plain(DRAFTS_TABLE, facts)

    def insert_plain(self, table: str, rows: pa.Table) -> None:
        """Stores rows on which nothing depends that lasts; raises StoreUnavailableError."""
        with self._backend.confirmed(), self._reader() as client, inserting():
            self._backend.insert_plain(client, table, rows)

    def insert_booked_lines(self, rows: pa.Table) -> None:
        """Makes lines of invoices durable (engine.usage.store.tables.booked_schema).

        Raises:
            StoreUnavailableError: none, some or all of them may be stored; insert the same again.
        """
        self.insert_plain(BOOKED_LINES_TABLE, rows)

    def execute(self, statement: Query, stamp_us: int | None = None) -> None:
        """Runs a statement that inserts a row or two, beside events and voids; with a stamp, one that has no WHERE of
        its own and can be called off like an insert. If it raises StoreUnavailableError, it may or may not be stored.
        """
        settings: Settings = {}
        if stamp_us is not None:
            statement, settings = self._backend.stamped(statement, stamp_us)
        self._run(self._idle, statement, {**self._backend.bounds, "async_insert": 0, **settings})

    def transform(self, statement: Query) -> None:
        """Runs an INSERT ... SELECT inside the store, which may take as long as a look through the log. If it raises
        StoreUnavailableError, none, some or all of its rows may be stored.
        """
        self._run(self._idle_lookers, statement, self._backend.transform_settings)

    def delete(self, statement: Query) -> None:
        """Runs a statement that deletes rows, or changes them in their place; they are gone when it returns. If it raises StoreUnavailableError, they may
        be gone, or go yet: delete them again.
        """
        self._run(self._idle_lookers, statement, OF_EVERY_REPLICA)

    def rewrite(self, statement: Query) -> None:
        """Runs an INSERT ... SELECT of events or facts that come in the place of others and have their stamps
        (engine.erasure); as `transform`.
        """
        try:
            self.transform(statement)
        finally:
            if self.own_writes is not None:
                self.own_writes.events_inserted()
                self.own_writes.facts_inserted()

    def drop_old_parts(self, tables: Sequence[str]) -> None:
        """Removes the files of rows that were deleted or replaced in these tables. A server does so by itself, some minutes
        later.

        Raises:
            StoreUnavailableError: some may be left; call again.
        """
        with self._backend.confirmed():
            pass
        with self._reader() as client, reading():
            self._backend.drop_old_parts(client, tables)

    def call_off(self, spans: Sequence[tuple[int, int]]) -> None:
        """Returns when no insert with a stamp in these spans (inclusive ends) runs or will ever store anything.

        An embedded store has nothing to call off: what was under way ended with its call.

        Raises:
            StoreUnavailableError: that is not sure; call again.
        """
        if spans:
            with self._reader() as client, reading():
                self._backend.call_off(client, spans)

    def check_answers(self) -> None:
        """Returns if the store answers, on a connection that nothing else uses. For one thread.

        Raises:
            StoreUnavailableError: it does not.
        """
        with self._backend.answered(), reading():
            self._backend.clients.checker.query("SELECT 1", settings=dict(self._backend.bounds))

    def query(self, query: Query) -> list[Row]:
        """Rows of one read.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._backend.answered():
            return _rows(self._idle, query, self._read_settings)

    def query_columns(self, query: Query) -> pa.Table:
        """The rows of one read as columns, where each row would cost an object; it may read tables of its own.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._backend.answered(), self._reader() as client, reading():
            return self._backend.read_columns(client, query, self._read_settings)

    def copy_rows(self, query: Query, write: Callable[[bytes], object]) -> None:
        """Gives the rows of a read, in ClickHouse's Native format, to `write`, piece by piece; it may take minutes.

        Raises:
            StoreUnavailableError: the store does not answer, or not for sure: what was written is of no use.
        """
        settings = dict(self._backend.look_settings)
        with (
            self._backend.confirmed(),
            _borrowed(self._idle_lookers) as client,
            reading(),
            client.raw_stream(
                query.sql, parameters=query.parameters, settings=settings, fmt="Native"
            ) as rows,
        ):
            while piece := rows.read(_PIECE_BYTES):
                write(piece)

    def insert_copied_rows(self, table: str, columns: Sequence[str], rows: BinaryIO) -> None:
        """Stores rows that `copy_rows` gave, of columns in this order.

        Raises:
            StoreUnavailableError: none, some or all of them may be stored.
        """
        settings = {**INSERT_SETTINGS, "max_partitions_per_insert_block": 0}
        with self._backend.confirmed(), _borrowed(self._idle_lookers) as client, inserting():
            client.raw_insert(table, columns, rows, settings=settings, fmt="Native")

    def query_to_keep(self, query: Query) -> list[Row]:
        """As `query`, and no row goes again, as those of a statement do that is about to be refused."""
        with self._backend.confirmed():
            return _rows(self._idle, query, self._read_settings)

    def look_through(self, query: Query) -> list[Row]:
        """Rows of a read that looks through the whole log, and may take minutes.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._backend.confirmed():
            return _rows(self._idle_lookers, query, self._backend.look_settings)

    def latest_stamp_us(self) -> int:
        """The newest `ingested_at` in the store; 0 if it is empty."""
        ((stamp_us,),) = self.query(latest_stamp_query())
        return number(stamp_us)

    def recent_events(self, events_max: int) -> pa.RecordBatch:
        """The events ingested last (EVENT_SCHEMA), oldest of them first; one that was retried may be there twice."""
        return self.events(recent_events_query(events_max))

    def events(self, query: Query) -> pa.RecordBatch:
        """The events (EVENT_SCHEMA) that a query chooses.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._backend.answered(), self._reader() as reader, reading():
            table = reader.query_arrow(
                query.sql, parameters=query.parameters, settings=dict(self._backend.bounds), use_strings=True
            )
        columns = table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).combine_chunks().to_batches()
        return columns[0] if columns else pa.RecordBatch.from_pylist([], EVENT_SCHEMA)

    def _run(self, idle: FairPool[Client], statement: Query, settings: Settings) -> None:
        with self._backend.confirmed(), _borrowed(idle) as client, reading():
            client.command(statement.sql, parameters=statement.parameters, settings=dict(settings))

    def _reader(self) -> contextlib.AbstractContextManager[Client]:
        return _borrowed(self._idle)


def _rows(idle: FairPool[Client], query: Query, settings: Settings) -> list[Row]:
    with _borrowed(idle) as client, reading():
        result = client.query(query.sql, parameters=query.parameters, settings=dict(settings))
    return [tuple(row) for row in result.result_rows]


@contextlib.contextmanager
def _borrowed(idle: FairPool[Client]) -> Iterator[Client]:
    call = CURRENT_CALL.get()
    # What runs in the background is of no call: a lane of its own.
    with idle.lent("" if call is None else call.tenant) as client:
        yield client
