"""The usage store at a ClickHouse server, over HTTP, beside other gateways.

Rules:
1. An insert may be stored later than its call ends, until its stamp is called off
   (engine.usage.store.backends.guarded_insert).
2. A connection that closes makes the driver send an insert once more: harmless, since the sorting key collapses
   it. A server that refuses, is gone or hangs is asked anew by the next call: nothing here remembers an outage.
3. Looks through the whole log may take longer than any read: they have clients and a bound of their own.
"""

import contextlib
from collections.abc import Sequence

import pyarrow as pa

from engine.errors import StartupError, StoreUnavailableError
from engine.usage.store.backends.backend import READERS, Clients, Settings, arrow_file, event_table
from engine.usage.store.backends.clickhouse import (
    Client,
    ExternalData,
    check_version,
    connecting,
    reading,
    server_client,
)
from engine.usage.store.backends.guarded_insert import (
    CREATE_INSERT_FENCES,
    guarded_target,
    insert_fences_statement,
    not_called_off_sql,
    query_id,
    running_condition,
)
from engine.usage.store.backends.server_address import ServerAddress, look_bounds
from engine.usage.store.query import Query, structure_of
from engine.usage.store.tables.booked_schema import BOOKED_SCHEMA
from engine.usage.store.tables.durability import Durability, set_durability
from engine.usage.store.tables.migration import extend_server
from engine.usage.store.tables.problem_schema import PROBLEM_SCHEMA
from engine.usage.store.tables.retention_schema import RETENTION_SCHEMA
from engine.usage.store.tables.rollup_schema import ROLLUP_SCHEMA
from engine.usage.store.tables.schema import (
    CREATE_OWNERS,
    EVENTS_TABLE,
    OWNERS_TABLE,
    create_database,
    log_schema,
)
from engine.usage.store.tables.settings import (
    INSERT_SETTINGS,
    READ_SETTINGS,
    SERVER_CODEC,
    transform_settings,
)
from ingest import EventBatch

# Looks through the whole log at once: one in the background, and one that somebody waits for.
_LOOKS = 2
_RETRY_AFTER_MS = 1_000
# It costs less than the network that it saves.
_COMPRESSION = "lz4"


class ServerBackend:
    """Others write to it too, and it looks after its own disk."""

    own_writes = None
    watch = None

    def __init__(self, address: ServerAddress, clients: Clients, *, by_rank: bool) -> None:
        """`by_rank`: engine.usage.store.backends.backend."""
        self.clients = clients
        self._address = address
        self._by_rank = by_rank
        self.bounds: Settings = {"max_execution_time": address.patience.read_timeout_s}
        self.look_settings: Settings = READ_SETTINGS | look_bounds(address.patience)
        self.transform_settings: Settings = transform_settings(embedded=False) | self.look_settings

    @classmethod
    def open(cls, address: ServerAddress, durability: Durability) -> "ServerBackend":
        """Connects, and makes what is not there yet.

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
                reads, looks = [patience.read_timeout_s] * READERS, [patience.reconcile_timeout_s] * _LOOKS
                for timeout_s in (patience.insert_timeout_s, patience.read_timeout_s, *reads, *looks):
                    clients.append(server_client(address, address.database, timeout_s))  # noqa: PERF401 - closed below
                writer = clients[0]
                made = (
                    *log_schema(SERVER_CODEC),
                    *ROLLUP_SCHEMA,
                    *RETENTION_SCHEMA,
                    *PROBLEM_SCHEMA,
                    *BOOKED_SCHEMA,
                    CREATE_INSERT_FENCES,
                )
                for statement in (*made, CREATE_OWNERS):
                    writer.command(statement)
                by_rank = extend_server(writer.command, lambda sql: writer.query(sql).result_rows)
                set_durability(writer.command, lambda sql: writer.query(sql).result_rows, durability)
        except StartupError:
            for client in clients:
                client.close()
            raise
        parted = Clients(writer, clients[1], clients[2:-_LOOKS], clients[-_LOOKS:])
        return cls(address, parted, by_rank=by_rank)

    def claim(self, client: Client, directory: str) -> None:
        with reading():
            unclaimed = f"(SELECT count() FROM {OWNERS_TABLE}) = 0"  # noqa: S608 - own name
            client.command(
                f"INSERT INTO {OWNERS_TABLE} (directory) SELECT {{directory:String}} WHERE {unclaimed}",
                {"directory": directory},
            )
            owner = client.command(f"SELECT directory FROM {OWNERS_TABLE} ORDER BY since, directory LIMIT 1")  # noqa: S608
        if owner != directory:
            raise StartupError(
                f"{self._address.shown}: belongs to the gateways of another data directory: start with that one, or name "
                f"another database in the URL (if that directory is lost for ever: TRUNCATE TABLE {OWNERS_TABLE} there)"
            )

    def confirmed(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def answered(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def insert_events(self, batch: EventBatch) -> None:
        rows = event_table(batch, by_rank=self._by_rank)
        self.insert_facts(self.clients.writer, EVENTS_TABLE, rows, batch.ingested_at_us)

    def insert_facts(self, client: Client, table: str, rows: pa.Table, stamp_us: int) -> None:
        settings = INSERT_SETTINGS | {
            "query_id": query_id(self._address.database, stamp_us),
            "max_execution_time": self._address.patience.insert_timeout_s,
            # One block, hence one part: all of it or nothing.
            "max_insert_threads": 1,
        }
        target = guarded_target(table, rows.schema, stamp_us)
        # Plain bytes: the driver can send them again when the server has closed an idle connection.
        client.raw_insert(target, insert_block=arrow_file(rows, _COMPRESSION), fmt="Arrow", settings=settings)

    def insert_plain(self, client: Client, table: str, rows: pa.Table) -> None:
        target = f"{table} ({', '.join(rows.schema.names)})"
        client.raw_insert(
            target, insert_block=arrow_file(rows, _COMPRESSION), fmt="Arrow", settings=INSERT_SETTINGS
        )

    def read_columns(self, client: Client, query: Query, settings: Settings) -> pa.Table:
        external = ExternalData()
        for name, table in query.tables.items():
            data = arrow_file(table, _COMPRESSION)
            external.add_file(file_name=name, data=data, fmt="Arrow", structure=structure_of(table))
        answer = client.raw_query(
            query.sql,
            parameters=query.parameters,
            settings=dict(settings),
            fmt="ArrowStream",
            external_data=external if query.tables else None,
        )
        return pa.ipc.open_stream(answer).read_all()

    def stamped(self, statement: Query, stamp_us: int) -> tuple[Query, Settings]:
        guarded = f"{statement.sql} WHERE {not_called_off_sql(stamp_us)}"
        settings = {"query_id": query_id(self._address.database, stamp_us)}
        return Query(guarded, statement.parameters), settings

    def call_off(self, client: Client, spans: Sequence[tuple[int, int]]) -> None:
        running = running_condition(self._address.database, spans)
        client.command(insert_fences_statement(spans), settings={"async_insert": 0})
        client.command(f"KILL QUERY WHERE {running} SYNC")
        left = client.command(f"SELECT count() FROM system.processes WHERE {running}")  # noqa: S608 - own names
        if left != 0:
            raise StoreUnavailableError(
                f"{left} inserts that were called off still run in the usage store",
                retry_after_ms=_RETRY_AFTER_MS,
            )

    def drop_old_parts(self, client: Client, tables: Sequence[str]) -> None:
        """The server's own cleanup does it, after the old_parts_lifetime that its operator has set."""

    def close(self) -> None:
        clients = self.clients
        for client in (clients.writer, clients.checker, *clients.readers, *clients.lookers):
            client.close()
