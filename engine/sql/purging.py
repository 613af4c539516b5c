"""Bytes of deleted and changed rows taken out of the database's files.

SQLite: the file is written anew and its log emptied. PostgreSQL: each table is written anew, with its statistics; what the
log before that has (pg_wal and its archive) goes as the server's operator has set it.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine, text

from engine.errors import StoreUnavailableError

_RETRY_AFTER_MS: Final = 1_000


def purge_sqlite(engine: Engine) -> None:
    """Raises StoreUnavailableError while somebody reads what was there before; sqlite3.Error."""
    raw = engine.raw_connection()
    try:
        connection = raw.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError("no connection of SQLite")
        connection.execute("VACUUM").close()
        # Waits for readers as long as any writer does.
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.close()
    if busy:
        raise StoreUnavailableError(
            "the catalog store is being read, and can't be purged meanwhile: try again",
            retry_after_ms=_RETRY_AFTER_MS,
        )


def purge_postgresql(session: Connection, tables: Sequence[str]) -> None:
    """On a connection without transactions. Raises DBAPIError."""
    for table in tables:
        session.execute(text(f"VACUUM (FULL, ANALYZE) {table}"))
