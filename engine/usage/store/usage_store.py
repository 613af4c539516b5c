"""The usage store: events in ClickHouse, embedded (chDB) or a server over HTTP.

Rules:
1. An insert returns when ClickHouse has the block, which of the embedded one engine.usage.store.write_watch makes sure;
   anything else raises StoreUnavailableError, and the caller must treat the block as perhaps stored, perhaps not. At
   a server it may even be stored later, until its stamp is called off (engine.usage.store.guarded_insert).
2. One driver client runs one query at a time: one client writes, a small pool reads. Looks through the whole log
   may take longer than any read: at a server they have clients and a bound of their own.
3. chDB holds one path a process, and must never be forked after it is open.
4. A connection that closes makes the driver send an insert once more: harmless, since the sorting key collapses
   it. A server that refuses, is gone or hangs is asked anew by the next call: nothing here remembers an outage.
"""

import contextlib
import queue
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from engine.errors import StartupError, StoreUnavailableError
from engine.usage.store.arrow_rows import arrow_file, event_table
from engine.usage.store.clickhouse import (
    Client,
    connecting,
    embedded_client,
    inserting,
    opening,
    reading,
    server_client,
)
from engine.usage.store.durability import TABLES_SQL, Durability, statements
from engine.usage.store.embedded_insert import EmbeddedInsert
from engine.usage.store.guarded_insert import (
    CREATE_FENCES,
    Span,
    fence_statement,
    guarded_target,
    not_called_off_sql,
    query_id,
    running_condition,
)
from engine.usage.store.migration import bring_to_form, extend_server
from engine.usage.store.own_writes import OwnWrites
from engine.usage.store.parts import EMBEDDED_CODEC, SERVER_CODEC
from engine.usage.store.query import Query, latest_stamp_query, recent_events_query, rolled_up_as_of_query
from engine.usage.store.retention_schema import RETENTION_SCHEMA
from engine.usage.store.rollup_schema import ROLLUP_SCHEMA
from engine.usage.store.row_number import number
from engine.usage.store.schema import (
    CREATE_OWNERS,
    DATABASE,
    DRAFTS_TABLE,
    EVENTS_TABLE,
    OWNERS_TABLE,
    VOIDS_TABLE,
    create_database,
    log_schema,
)
from engine.usage.store.server_address import ServerAddress, look_bounds
from engine.usage.store.server_answers import check_version
from engine.usage.store.settings import (
    INSERT_SETTINGS,
    MAY_SPILL,
    OF_EVERY_REPLICA,
    READ_IN_MEMORY,
    READ_SETTINGS,
    transform_settings,
)
from engine.usage.store.write_watch import WriteWatch, check_disk
from ingest import EVENT_SCHEMA, EventBatch

# As many reads at once as two cores and a waiting disk make use of.
_READERS = 4
# Looks through the whole log at once: one in the background, and one that somebody waits for.
_LOOKS = 2
_RETRY_AFTER_MS = 1_000

_MADE_FROM_IT = (*ROLLUP_SCHEMA, *RETENTION_SCHEMA)

Row = tuple[object, ...]


class UsageStore:
    """Events in ClickHouse. Thread-safe for reads; one thread inserts."""

    def __init__(
        self,
        writer: Client,
        readers: list[Client],
        server: ServerAddress | None = None,
        lookers: Sequence[Client] = (),
        *,
        by_rank: bool = True,
        own_writes: OwnWrites | None = None,
        watch: tuple[WriteWatch, Client] | None = None,
    ) -> None:
        """`by_rank`: engine.usage.store.arrow_rows. `own_writes`: None at a server, which others write to. `watch`: of an
        embedded store, with its connection.
        """
        self._writer = writer
        self._embedded = EmbeddedInsert(writer) if server is None else None
        self._all = [writer, *readers, *lookers, *((watch[1],) if watch else ())]
        self._server = server
        self._by_rank = by_rank
        self.own_writes = own_writes
        self._watch = watch[0] if watch else None
        # An embedded store has nobody who could hang up.
        self._bounds = {"max_execution_time": server.patience.read_timeout_s} if server else {}
        self._read_settings = READ_SETTINGS | self._bounds
        self._look_settings = READ_SETTINGS | (look_bounds(server.patience) if server else MAY_SPILL)
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()
        for reader in readers:
            self._idle.put(reader)
        # An embedded store has no bounds, and so no need of clients with other ones.
        self._idle_lookers = queue.SimpleQueue[Client]() if lookers else self._idle
        for looker in lookers:
            self._idle_lookers.put(looker)

    @classmethod
    def open_embedded(cls, path: Path, durability: Durability = Durability.PROCESS) -> "UsageStore":
        """Opens or makes the store in this directory, in this process.

        Raises:
            StartupError: the directory holds no readable store, or its disk can't be written to.
        """
        clients: list[Client] = []
        try:
            with opening(path):
                check_disk(path)
                clients.extend(embedded_client(path) for _ in range(2))
                first, watching = clients
                watch = WriteWatch(path, watching.command, lambda sql: watching.query(sql).result_rows)
                with watch.confirmed():
                    first.command(create_database(DATABASE), use_database=False)
                    first.database = watching.database = DATABASE
                    first.command(READ_IN_MEMORY)
                    # Each by itself: what replaces a table is asked for after what it is made of is sure to be there.
                    bring_to_form(watch.confirming(first.command), lambda sql: first.query(sql).result_rows)
                    for statement in (*log_schema(EMBEDDED_CODEC), *_MADE_FROM_IT):
                        first.command(statement)
                    _set_durability(first, durability)
                ((rows_as_of_us,),) = first.query(rolled_up_as_of_query().sql).result_rows
                clients.extend(embedded_client(path, DATABASE) for _ in range(_READERS))
                for reader in clients[2:]:
                    reader.command(READ_IN_MEMORY)
        except StartupError:
            for client in clients:
                client.close()
            raise
        return cls(first, clients[2:], own_writes=OwnWrites(int(rows_as_of_us)), watch=(watch, watching))

    @classmethod
    def open_server(cls, address: ServerAddress, durability: Durability = Durability.PROCESS) -> "UsageStore":
        """Connects to a ClickHouse server, and makes what is not there yet.

        Raises:
            StartupError: it does not answer, is too old, or refuses the user or what the user asks for.
        """
        clients: list[Client] = []
        try:
            with connecting(address):
                patience = address.patience
                with contextlib.closing(server_client(address, None, patience.read_timeout_s)) as first:
                    check_version(address, first.server_version)
                    found = first.query(
                        "SELECT 1 FROM system.databases WHERE name = {name:String}",
                        {"name": address.database},
                    )
                    # Who may not make databases may use one that is there.
                    if not found.result_rows:
                        first.command(create_database(address.database))
                reads, looks = [patience.read_timeout_s] * _READERS, [patience.reconcile_timeout_s] * _LOOKS
                for timeout_s in (patience.insert_timeout_s, *reads, *looks):
                    clients.append(server_client(address, address.database, timeout_s))  # noqa: PERF401 - closed below
                made = (*log_schema(SERVER_CODEC), *_MADE_FROM_IT, CREATE_FENCES, CREATE_OWNERS)
                for statement in made:
                    clients[0].command(statement)
                by_rank = extend_server(clients[0].command, lambda sql: clients[0].query(sql).result_rows)
                _set_durability(clients[0], durability)
        except StartupError:
            for client in clients:
                client.close()
            raise
        return cls(clients[0], clients[1:-_LOOKS], address, clients[-_LOOKS:], by_rank=by_rank)

    def claim(self, directory: str) -> None:
        """Makes a server's database belong to the data directory of this identity: the order of ingestion is there.

        Raises:
            StartupError: it belongs to another one.
            StoreUnavailableError: the store does not answer.
        """
        with self._reader() as reader, reading():
            unclaimed = f"(SELECT count() FROM {OWNERS_TABLE}) = 0"  # noqa: S608 - own name
            reader.command(
                f"INSERT INTO {OWNERS_TABLE} (directory) SELECT {{directory:String}} WHERE {unclaimed}",
                {"directory": directory},
            )
            owner = reader.command(f"SELECT directory FROM {OWNERS_TABLE} ORDER BY since, directory LIMIT 1")  # noqa: S608
        if owner != directory and self._server is not None:
            raise StartupError(
                f"{self._server.shown}: belongs to the gateways of another data directory: start with that one, or name "
                f"another database in the URL (if that directory is lost for ever: TRUNCATE TABLE {OWNERS_TABLE} there)"
            )

    @property
    def watch(self) -> WriteWatch | None:
        """Of an embedded store, what must look at its writes often (engine.usage.store.write_watch)."""
        return self._watch

    def close(self) -> None:
        for client in self._all:
            client.close()
        if self._embedded is not None:
            self._embedded.close()

    def insert(self, batch: EventBatch) -> None:
        """Makes one batch durable.

        Raises:
            StoreUnavailableError: it may or may not be stored; insert the same events again.
        """
        rows = event_table(batch, by_rank=self._by_rank)
        with self._confirmed(), inserting():
            if self._embedded is None:
                self._write(self._writer, EVENTS_TABLE, rows, batch.ingested_at_us)
            else:
                self._embedded.insert(EVENTS_TABLE, rows, INSERT_SETTINGS)

    def insert_voids(self, facts: pa.Table, recorded_at_us: int) -> None:
        """Makes facts with this stamp durable, all or none (engine.usage.corrections.voids).

        Raises:
            StoreUnavailableError: they may or may not be stored; record them again.
        """
        try:
            with self._confirmed(), self._reader() as client, inserting():
                self._write(client, VOIDS_TABLE, facts, recorded_at_us)
        finally:
            if self.own_writes is not None:
                self.own_writes.facts_inserted()

    def insert_draft(self, facts: pa.Table) -> None:
        """Stores the facts of a draft, on which nothing depends that lasts; raises StoreUnavailableError."""
        with self._confirmed(), self._reader() as client, inserting():
            if self._server is None:
                client.insert_arrow(DRAFTS_TABLE, facts, settings=INSERT_SETTINGS)
            else:
                target = f"{DRAFTS_TABLE} ({', '.join(facts.schema.names)})"
                client.raw_insert(
                    target, insert_block=arrow_file(facts), fmt="Arrow", settings=INSERT_SETTINGS
                )

    def execute(self, statement: Query, stamp_us: int | None = None) -> None:
        """Runs a statement that inserts a row or two, beside events and voids; with a stamp, one that has no WHERE of
        its own and can be called off like an insert. If it raises StoreUnavailableError, it may or may not be stored.
        """
        sql, settings = statement.sql, dict[str, object](self._bounds, async_insert=0)
        if self._server is not None and stamp_us is not None:
            sql = f"{sql} WHERE {not_called_off_sql(stamp_us)}"
            settings["query_id"] = query_id(self._server.database, stamp_us)
        self._run(self._idle, Query(sql, statement.parameters), settings)

    def transform(self, statement: Query) -> None:
        """Runs an INSERT ... SELECT inside the store, which may take as long as a look through the log. If it raises
        StoreUnavailableError, none, some or all of its rows may be stored.
        """
        bounds = self._read_settings if self._server is None else self._look_settings
        settings = transform_settings(embedded=self._server is None) | bounds
        self._run(self._idle_lookers, statement, settings)

    def delete(self, statement: Query) -> None:
        """Runs a statement that deletes rows; they are gone when it returns. If it raises StoreUnavailableError, they may
        be gone, or go yet: delete them again.
        """
        self._run(self._idle_lookers, statement, OF_EVERY_REPLICA)

    def _write(self, client: Client, table: str, rows: pa.Table, stamp_us: int) -> None:
        if self._server is None:
            client.insert_arrow(table, rows, settings=INSERT_SETTINGS)
            return
        settings = INSERT_SETTINGS | {
            "query_id": query_id(self._server.database, stamp_us),
            "max_execution_time": self._server.patience.insert_timeout_s,
            # One block, hence one part: all of it or nothing.
            "max_insert_threads": 1,
        }
        target = guarded_target(table, rows.schema, stamp_us)
        # Plain bytes: the driver can send them again when the server has closed an idle connection.
        client.raw_insert(target, insert_block=arrow_file(rows), fmt="Arrow", settings=settings)

    def call_off(self, spans: Sequence[Span]) -> None:
        """Returns when no insert with a stamp in these spans runs or will ever store anything.

        An embedded store has nothing to call off: what was under way ended with its call.

        Raises:
            StoreUnavailableError: that is not sure; call again.
        """
        if self._server is None or not spans:
            return
        running = running_condition(self._server.database, spans)
        with self._reader() as reader, reading():
            reader.command(fence_statement(spans), settings={"async_insert": 0})
            reader.command(f"KILL QUERY WHERE {running} SYNC")
            left = reader.command(f"SELECT count() FROM system.processes WHERE {running}")  # noqa: S608 - own names
        if left != 0:
            raise StoreUnavailableError(
                f"{left} inserts that were called off still run in the usage store",
                retry_after_ms=_RETRY_AFTER_MS,
            )

    def query(self, query: Query) -> list[Row]:
        """Rows of one read.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._answered():
            return _rows(self._idle, query, self._read_settings)

    def query_to_keep(self, query: Query) -> list[Row]:
        """As `query`, and no row goes again, as those of a statement do that is about to be refused."""
        with self._confirmed():
            return _rows(self._idle, query, self._read_settings)

    def look_through(self, query: Query) -> list[Row]:
        """Rows of a read that looks through the whole log, and may take minutes.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._confirmed():
            return _rows(self._idle_lookers, query, self._look_settings)

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
        with self._answered(), self._reader() as reader, reading():
            table = reader.query_arrow(
                query.sql, parameters=query.parameters, settings=self._bounds, use_strings=True
            )
        columns = table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA).combine_chunks().to_batches()
        return columns[0] if columns else pa.RecordBatch.from_pylist([], EVENT_SCHEMA)

    def _run(
        self, idle: "queue.SimpleQueue[Client]", statement: Query, settings: Mapping[str, object]
    ) -> None:
        with self._confirmed(), _borrowed(idle) as client, reading():
            client.command(statement.sql, parameters=statement.parameters, settings=dict(settings))

    def _confirmed(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._watch is None else self._watch.confirmed()

    def _answered(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._watch is None else self._watch.answered()

    def _reader(self) -> contextlib.AbstractContextManager[Client]:
        return _borrowed(self._idle)


def _rows(idle: "queue.SimpleQueue[Client]", query: Query, settings: Mapping[str, object]) -> list[Row]:
    with _borrowed(idle) as client, reading():
        result = client.query(query.sql, parameters=query.parameters, settings=dict(settings))
    return [tuple(row) for row in result.result_rows]


@contextlib.contextmanager
def _borrowed(idle: "queue.SimpleQueue[Client]") -> Iterator[Client]:
    client = idle.get()
    try:
        yield client
    finally:
        idle.put(client)


def _set_durability(client: Client, durability: Durability) -> None:
    tables = client.query(TABLES_SQL).result_rows
    for statement in statements(durability, [(str(name), str(definition)) for name, definition in tables]):
        client.command(statement)
