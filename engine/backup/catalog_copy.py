"""What is copied of the catalog store: the rows of every table, of one snapshot, a JSON object a line.

Rules:
1. What an engine finds for itself when it starts is not copied: the order of ingestion, what is in flight, and whose
   database it is.
2. A copy of an older version's schema goes through an empty SQLite database of that schema, which is then brought to
   today's by the same steps as any other (`restored`).
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

from engine.backup.files import compressed, decompressed
from engine.errors import BackupError
from engine.sql.database import Database, open_database
from engine.sql.invoice_tables import INVOICES
from engine.sql.schema import DEPLOYMENT, INGEST_IN_FLIGHT, INGEST_ORDER

_NOT_COPIED: Final = {DEPLOYMENT.name, INGEST_IN_FLIGHT.name, INGEST_ORDER.name}
_ALEMBIC: Final = "alembic_version"
_ROWS_AT_ONCE: Final = 5_000
ENDING: Final = ".ndjson.zst"


def copied_tables() -> Sequence[Table]:
    """In an order in which each refers to earlier ones only."""
    return [table for table in DEPLOYMENT.metadata.sorted_tables if table.name not in _NOT_COPIED]


@dataclass(frozen=True, slots=True)
class CatalogCopy:
    """`rows`: of each table. `invoiced_us`: as of when the latest invoice was rated, 0 without one."""

    rows: Mapping[str, int]
    invoiced_us: int


def copy_catalog(database: Database, directory: Path) -> CatalogCopy:
    """Writes a file for each table, of one snapshot. Raises OSError, StoreUnavailableError."""
    counts = {}
    with database.reading() as connection:
        invoiced_us = connection.scalar(select(func.max(INVOICES.c.as_of_us))) or 0
        for table in copied_tables():
            with compressed(directory / f"{table.name}{ENDING}") as file:
                counts[table.name] = 0
                for line in _lines(connection, table):
                    file.write(line)
                    counts[table.name] += 1
    return CatalogCopy(counts, invoiced_us)


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    wanted = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(wanted)
    for row in rows.mappings():
        yield json.dumps(dict(row), ensure_ascii=False).encode() + b"\n"


def restore_catalog(
    directory: Path, schema: str, counts: Mapping[str, int], scratch: Path, target: Database
) -> None:
    """Puts the copy in a directory into a database whose tables are empty, all of it or nothing; `scratch` is a file of
    its own meanwhile.

    Raises:
        BackupError: the copy is not whole.
        StartupError: its schema is not one of this version's.
    """
    url = f"sqlite:///{scratch}"
    with contextlib.closing(open_database(url, power_safe=False, schema=schema)) as older:
        _load(older, directory, counts)
    # Opened anew, it is brought to today's schema.
    with (
        contextlib.closing(open_database(url, power_safe=False)) as current,
        current.reading() as source,
        target.writing() as connection,
    ):
        for table in copied_tables():
            _insert(connection, table, (dict(each) for each in source.execute(select(table)).mappings()))
            _go_on_counting(connection, table)


def _load(database: Database, directory: Path, counts: Mapping[str, int]) -> None:
    tables = MetaData()
    with database.writing() as connection:
        tables.reflect(connection)
        lacking = set(tables.tables) - _NOT_COPIED - {_ALEMBIC} - set(counts)
        if lacking:
            raise BackupError(f"{directory}: lacks {', '.join(sorted(lacking))}: use another backup")
        for table in tables.sorted_tables:
            if table.name not in counts:
                continue
            found = _insert(connection, table, _objects(directory / f"{table.name}{ENDING}"))
            if found != counts[table.name]:
                raise BackupError(
                    f"{directory / table.name}: has {found:,} rows in the place of {counts[table.name]:,}"
                )


def is_empty(connection: Connection) -> bool:
    """Whether no table that is copied has a row."""
    return all(connection.execute(select(table).limit(1)).first() is None for table in copied_tables())


def _objects(place: Path) -> Iterator[dict[str, Any]]:
    with decompressed(place) as file:
        rest = b""
        while piece := file.read(1 << 20):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)
        if rest:
            raise BackupError(f"{place}: its last line is cut off")


def _insert(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        count += 1
        if len(batch) == _ROWS_AT_ONCE:
            connection.execute(insert(table), batch)
            batch = []
    if batch:
        connection.execute(insert(table), batch)
    return count


def _go_on_counting(connection: Connection, table: Table) -> None:
    """A column that PostgreSQL numbers goes on behind the highest number; SQLite does so by itself."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None:
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    ).scalar()
    if sequence is not None:
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            connection.execute(
                text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest}
            )
