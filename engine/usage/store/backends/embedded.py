"""The usage store in this process: chDB in a directory.

Rules:
1. chDB holds one path a process, and must never be forked after it is open.
2. An insert returns when ClickHouse has the block, and engine.usage.store.backends.write_watch makes sure that the disk
   has it.

Events go in by way of memory: the driver's own way is a temporary file, written and removed.
3. ClickHouse reads the rows from a file of the process that has no name and no disk (memfd, of Linux). Where there
   is none, the rows go the driver's way.
4. The file is made once and written over, one insert at a time, so that its pages are there already; it has no
   more of them than the last insert needed.
5. What ClickHouse was asked to read is whole before it is asked.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from engine.errors import StartupError, StoreUnavailableError
from engine.usage.store.backends.backend import READERS, Clients, Settings, arrow_file, event_table
from engine.usage.store.backends.clickhouse import Client, embedded_client, opening
from engine.usage.store.backends.own_writes import OwnWrites
from engine.usage.store.backends.write_watch import WriteWatch, check_disk
from engine.usage.store.query import Query, structure_of
from engine.usage.store.tables.booked_schema import BOOKED_SCHEMA
from engine.usage.store.tables.durability import Durability, set_durability
from engine.usage.store.tables.migration import bring_to_form
from engine.usage.store.tables.newest_rows import rolled_up_as_of_query
from engine.usage.store.tables.problem_schema import PROBLEM_SCHEMA
from engine.usage.store.tables.retention_schema import RETENTION_SCHEMA
from engine.usage.store.tables.rollup_schema import ROLLUP_SCHEMA
from engine.usage.store.tables.schema import DATABASE, EVENTS_TABLE, create_database, log_schema
from engine.usage.store.tables.settings import (
    EMBEDDED_CODEC,
    INSERT_SETTINGS,
    MAY_SPILL,
    READ_IN_MEMORY,
    READ_SETTINGS,
    transform_settings,
)
from ingest import EventBatch

# Where ClickHouse, in this process, finds it by its number.
_FILES = "/proc/self/fd"
# Old parts go when no statement reads them any more: for half a minute.
_CLEANUPS_MAX = 30
_CLEANUP_PAUSE_S = 1
_CLEANUP_RETRY_AFTER_MS = 1_000
# Nobody is in between who would have to carry it.
_ARROW_SETTINGS = {"output_format_arrow_compression_method": "'none'"}


class EmbeddedBackend:
    """Nobody else writes to it, and nobody could hang up."""

    bounds: Final[Settings] = {}
    look_settings: Final[Settings] = {**READ_SETTINGS, **MAY_SPILL}
    transform_settings: Final[Settings] = transform_settings(embedded=True) | READ_SETTINGS

    def __init__(self, clients: Clients, own_writes: OwnWrites, watch: WriteWatch, watching: Client) -> None:
        """`watching`: the connection of the watch."""
        self.clients = clients
        self.own_writes = own_writes
        self.watch = watch
        self._watching = watching
        self._events = EmbeddedInsert(clients.writer)

    @classmethod
    def open(cls, path: Path, durability: Durability) -> "EmbeddedBackend":
        """Opens or makes the store in this directory.

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
                    for statement in (
                        *log_schema(EMBEDDED_CODEC),
                        *ROLLUP_SCHEMA,
                        *RETENTION_SCHEMA,
                        *PROBLEM_SCHEMA,
                        *BOOKED_SCHEMA,
                    ):
                        first.command(statement)
                    set_durability(first.command, lambda sql: first.query(sql).result_rows, durability)
                ((rows_as_of_us,),) = first.query(rolled_up_as_of_query().sql).result_rows
                clients.extend(embedded_client(path, DATABASE) for _ in range(READERS + 1))
                for reader in clients[2:]:
                    reader.command(READ_IN_MEMORY)
        except StartupError:
            for client in clients:
                client.close()
            raise
        return cls(Clients(first, clients[2], clients[3:]), OwnWrites(int(rows_as_of_us)), watch, watching)

    def confirmed(self) -> contextlib.AbstractContextManager[None]:
        return self.watch.confirmed()

    def answered(self) -> contextlib.AbstractContextManager[None]:
        return self.watch.answered()

    def insert_events(self, batch: EventBatch) -> None:
        self._events.insert(EVENTS_TABLE, event_table(batch), INSERT_SETTINGS)

    def insert_facts(self, client: Client, table: str, rows: pa.Table, stamp_us: int) -> None:
        del stamp_us
        self.insert_plain(client, table, rows)

    def insert_plain(self, client: Client, table: str, rows: pa.Table) -> None:
        client.insert_arrow(table, rows, settings=INSERT_SETTINGS)

    def read_columns(self, client: Client, query: Query, settings: Settings) -> pa.Table:
        # In the statement: the driver would ask for settings, set and reset each by a statement of its own.
        clause = ", ".join(f"{name} = {value}" for name, value in {**settings, **_ARROW_SETTINGS}.items())
        with contextlib.ExitStack() as stack:
            sql = query.sql
            for name, table in query.tables.items():
                path = stack.enter_context(_readable_file(table))
                # Neither a path nor a structure of ours has a backslash, which a replacement would not take as it is.
                sql = re.sub(rf"\b{name}\b", f"file('{path}', 'Arrow', '{structure_of(table)}')", sql)
            answer = client.raw_query(
                f"{sql} SETTINGS {clause}", parameters=query.parameters, fmt="ArrowStream"
            )
        return pa.ipc.open_stream(answer).read_all()

    def stamped(self, statement: Query, stamp_us: int) -> tuple[Query, Settings]:
        del stamp_us
        return statement, {}

    def call_off(self, client: Client, spans: Sequence[tuple[int, int]]) -> None:
        """There is nothing to call off: what was under way ended with its call."""

    def drop_old_parts(self, client: Client, tables: Sequence[str]) -> None:
        """What the watch keeps them for (engine.usage.store.tables.settings, rule 4) is over: all is confirmed."""
        for table in tables:
            client.command(f"ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 0")
            try:
                for _ in range(_CLEANUPS_MAX):
                    # To start it again is to run it at once.
                    client.command(f"SYSTEM STOP CLEANUP {table}")
                    client.command(f"SYSTEM START CLEANUP {table}")
                    left = client.command(
                        "SELECT count() FROM system.parts WHERE database = currentDatabase() "  # noqa: S608 - own names
                        f"AND table = '{table}' AND NOT active"
                    )
                    if left == 0:
                        break
                    time.sleep(_CLEANUP_PAUSE_S)
                else:
                    raise StoreUnavailableError(
                        f"{left} old parts of {table} are still being read",
                        retry_after_ms=_CLEANUP_RETRY_AFTER_MS,
                    )
            finally:
                client.command(f"ALTER TABLE {table} RESET SETTING old_parts_lifetime")

    def claim(self, client: Client, directory: str) -> None:
        """It is in its directory, and nobody else's."""

    def close(self) -> None:
        for client in (self.clients.writer, self.clients.checker, *self.clients.readers, self._watching):
            client.close()
        self._events.close()


def _has_memory_files() -> bool:
    return hasattr(os, "memfd_create") and Path(_FILES).is_dir()


@contextlib.contextmanager
def _readable_file(table: pa.Table) -> Iterator[str]:
    """The path of a file with these rows for as long as the block lasts: of memory, where there is such a thing."""
    data = arrow_file(table)
    if not _has_memory_files():
        with tempfile.NamedTemporaryFile(suffix=".arrow") as file:
            file.write(data)
            file.flush()
            yield file.name
        return
    number = os.memfd_create("meterline-read")
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(data)
        yield f"{_FILES}/{number}"
    finally:
        os.close(number)


class InsertClient(Protocol):
    """Of the driver's client what an insert needs."""

    def command(self, cmd: str, /) -> object: ...

    def insert_arrow(self, table: str, arrow_table: pa.Table, /, *, settings: dict[str, int]) -> object: ...


class EmbeddedInsert:
    """Inserts of one client, which is embedded."""

    def __init__(self, client: InsertClient) -> None:
        self._client = client
        self._file: int | None = None
        if _has_memory_files():
            self._file = os.memfd_create("meterline-insert")

    def close(self) -> None:
        """Once is enough: its number may be another file's by then."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def insert(self, table: str, rows: pa.Table, settings: Mapping[str, int]) -> None:
        """Returns when they are stored; raises what the driver raises."""
        if self._file is None:
            self._client.insert_arrow(table, rows, settings=dict(settings))
            return
        self._write(self._file, rows)
        columns = ", ".join(rows.schema.names)
        clause = ", ".join(f"{name} = {value:d}" for name, value in settings.items())
        self._client.command(
            f"INSERT INTO {table} ({columns}) FROM INFILE '{_FILES}/{self._file}' SETTINGS {clause} FORMAT Arrow"
        )

    @staticmethod
    def _write(file: int, rows: pa.Table) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        # Buffered, as only that writes on where the system took a part of it.
        with open(file, "wb", closefd=False) as buffered, pa.PythonFile(buffered, mode="w") as sink:
            with pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)
            written = sink.tell()
        os.ftruncate(file, written)
