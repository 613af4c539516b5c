"""The catalog's database: opened, checked, brought to this version's schema; its transactions.

SQLite runs in WAL with synchronous=FULL, so a commit survives power loss; writers take the write lock when
they begin and wait for each other. PostgreSQL goes through the same code: writers take one advisory lock.
Who needs a commit to survive processes only, not power, asks for `power_safe=False`: no commit waits for the disk.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from engine.errors import StartupError, StoreUnavailableError

# Longer than the slowest apply (a 4 MiB document, about 10 s on a slow disk), shorter than a caller's patience.
BUSY_TIMEOUT_MS: Final = 20_000
_RETRY_AFTER_MS: Final = 1_000
_CONNECT_TIMEOUT_S: Final = 10
# Any number that other users of the PostgreSQL database don't take: "meterlin" in ASCII.
_ADVISORY_LOCK: Final = 0x6D657465726C696E
_WRITES: Final = "meterline_writes"


class Database:
    """A pool of connections; every use is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _available(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Serialised: the next writer begins when this one has committed, or is undone by an exception."""
        with _available(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
                yield connection

    def close(self) -> None:
        self._engine.dispose()


def open_database(url: str, *, power_safe: bool = True) -> Database:
    """Opens the database at a SQLAlchemy URL, making or upgrading its tables. Raises StartupError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError(
            "the catalog's URL must be like sqlite:///PATH or postgresql://HOST/NAME"
        ) from None
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StartupError(f"the catalog needs a file to be durable: sqlite:///PATH instead of {shown}")
    try:
        database = Database(_engine(parsed, power_safe=power_safe))
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StartupError(f"no driver for the catalog at {shown}: {error}") from None
    try:
        with database.writing() as connection:
            _check_intact(connection, shown)
            _upgrade(connection, shown)
    except DBAPIError as error:
        database.close()
        raise StartupError(
            f"can't open the catalog at {shown}: {_on_one_line(error)}; check that it is there and may be used, "
            "or restore it from a backup"
        ) from None
    except (StartupError, StoreUnavailableError) as error:
        database.close()
        raise StartupError(str(error)) from None
    return database


def _engine(url: URL, *, power_safe: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        patience = {"connect_timeout": _CONNECT_TIMEOUT_S, "options": f"-c lock_timeout={BUSY_TIMEOUT_MS}"}
        return create_engine(url, pool_pre_ping=True, connect_args=patience)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_up_sqlite if power_safe else _set_up_sqlite_without_fsync)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    _switch_to_wal(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_up_sqlite_without_fsync(connection: sqlite3.Connection, record: object) -> None:
    _set_up_sqlite(connection, record)
    # In WAL no commit is torn or lost by the death of a process; power loss takes the newest ones.
    connection.execute("PRAGMA synchronous = NORMAL").close()


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Waits by itself: SQLite refuses at once when several switch a new file at the same time."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.005)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turned writer could fail on a newer commit: a writer takes the write lock at once.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_intact(connection: Connection, shown: str) -> None:
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise StartupError(f"the catalog at {shown} is damaged ({found}): restore it from a backup")


def _upgrade(connection: Connection, shown: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    steps = ScriptDirectory.from_config(config)
    known = {step.revision for step in steps.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_heads()
    if newer := sorted(set(current) - known):
        raise StartupError(
            f"the catalog at {shown} was written by a newer Meterline (its schema is {', '.join(newer)}, "
            f"this version knows {steps.get_current_head()}): start that version, or restore a backup made before it"
        )
    if current != tuple(steps.get_heads()):
        command.upgrade(config, "head")


def _on_one_line(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


@contextmanager
def _available() -> Iterator[None]:
    """A lock that stays taken, a full disk and a server that doesn't answer pass: the caller may retry."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreUnavailableError(
            "the catalog store does not answer: all connections are in use", retry_after_ms=_RETRY_AFTER_MS
        ) from error
    except OperationalError as error:
        passes = any(word in str(error.orig) for word in ("locked", "busy", "disk", "lock timeout"))
        if passes or error.connection_invalidated:
            raise StoreUnavailableError(
                f"the catalog store does not answer: {_on_one_line(error)}", retry_after_ms=_RETRY_AFTER_MS
            ) from error
        raise
