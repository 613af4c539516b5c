"""The catalog's database: opened, checked, brought to this version's schema; its transactions.

SQLite runs in WAL with synchronous=FULL, so a commit survives power loss; writers take the write lock when
they begin and wait for each other. PostgreSQL goes through the same code: writers of one purpose take an advisory lock
(engine.sql.postgresql). A reader sees one snapshot, however many statements it makes.
Who needs a commit to survive processes only, not power, asks for `power_safe=False`: in SQLite no commit waits for the
disk. A PostgreSQL that crashes doesn't take its gateways along, so there every commit waits.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from engine.errors import StartupError, StoreUnavailableError
from engine.health.outages import Outage
from engine.sql.postgresql import Writers, connect_args, leave_standby, passes, set_up_session
from engine.sql.purging import purge_postgresql, purge_sqlite

_log = structlog.get_logger(__name__)

# Longer than the slowest apply (a 4 MiB document, about 10 s on a slow disk), shorter than a caller's patience.
BUSY_TIMEOUT_MS: Final = 20_000
_RETRY_AFTER_MS: Final = 1_000
_WRITES: Final = "meterline_writes"


class Database:
    """A pool of connections; every use is one transaction."""

    def __init__(
        self,
        url: URL,
        *,
        power_safe: bool = True,
        writers: Writers = Writers.CATALOG,
        turn: "threading.Lock | None" = None,
    ) -> None:
        """`turn`: that of the writers of this process to the same SQLite file, which lets in one at a time."""
        self._turn = threading.Lock() if turn is None else turn
        self._url = url
        self._writers = writers
        self._engine = _engine(url, power_safe=power_safe, writers=writers)
        # A full disk refuses writes alone.
        self._reads, self._writes = Outage(), Outage()

    @property
    def is_shared(self) -> bool:
        """Whether engines on other machines may use it, too."""
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _available(self._reads), self._engine.connect() as plain:
            connection = (
                plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                if self.is_shared
                else plain
            )
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Serialised: the next writer begins when this one has committed, or is undone by an exception."""
        with _available(self._writes), self._in_turn(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                if self.is_shared:
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self._writers.value}
                    )
                yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Writers of this process to one SQLite file wait for each other here: SQLite's own wait sleeps up to a tenth of a second at a
        time, and lets in whoever happens to wake. Other processes, and one who waits too long, are left to SQLite.
        """
        is_ours = not self.is_shared and self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1_000)
        try:
            yield
        finally:
            if is_ours:
                self._turn.release()

    def session(self) -> Connection:
        """A connection of its own, without transactions, for locks that last as long as it does; the caller closes it.

        Raises:
            StoreUnavailableError: the server does not answer.
        """
        with _available(self._reads):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
            return connection

    def purge(self, tables: Sequence[str]) -> None:
        """Takes what was deleted or changed in these tables out of the files.

        Raises:
            StoreUnavailableError: the database does not answer, or is in use: purge again.
        """
        if not self.is_shared:
            with _purging():
                purge_sqlite(self._engine)
            return
        with _available(self._writes), contextlib.closing(self.session()) as session:
            purge_postgresql(session, tables)

    def beside(self, *, power_safe: bool = True, writers: Writers = Writers.CATALOG) -> "Database":
        """Connections of its own to the same database, which needs no second check."""
        return Database(self._url, power_safe=power_safe, writers=writers, turn=self._turn)

    def close(self) -> None:
        self._engine.dispose()


def open_database(url: str | URL, *, power_safe: bool = True, schema: str | None = None) -> Database:
    """Opens the database at a SQLAlchemy URL, making or upgrading its tables: to this version's schema, or to an earlier
    one of this name. Raises StartupError.
    """
    database, shown = _connected(url, power_safe=power_safe)
    with _closed_unless_opened(database, shown), database.writing() as connection:
        _check_intact(connection, shown)
        _upgrade(connection, shown, schema)
    return database


@dataclass(frozen=True, slots=True)
class SchemaVersions:
    """`found`: what a database has, None before its first start. `current`: what this version makes of it."""

    found: str | None
    current: str


@contextmanager
def looking(url: str | URL) -> Iterator[Connection]:
    """A transaction that reads in the database at a SQLAlchemy URL, whose tables are left as they are. Raises StartupError."""
    database, shown = _connected(url, power_safe=True)
    with (
        contextlib.closing(database),
        _closed_unless_opened(database, shown),
        database.reading() as connection,
    ):
        yield connection


def schema_versions(url: str | URL) -> SchemaVersions:
    """Looks at the database at a SQLAlchemy URL, and changes nothing. Raises StartupError."""
    with looking(url) as connection:
        shown = _shown(make_url(url))
        found = MigrationContext.configure(connection).get_current_revision()
        steps = _steps(_alembic(connection), shown, () if found is None else (found,))
        return SchemaVersions(found, str(steps.get_current_head()))


def schema_of(database: Database) -> str:
    """The schema of an open database."""
    with database.reading() as connection:
        return str(MigrationContext.configure(connection).get_current_revision())


def _connected(url: str | URL, *, power_safe: bool) -> tuple[Database, str]:
    """A database that nobody has asked anything yet, and how it is shown."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError(
            "the catalog's URL must be like sqlite:///PATH or postgresql://HOST/NAME"
        ) from None
    shown = _shown(parsed)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StartupError(f"the catalog needs a file to be durable: sqlite:///PATH instead of {shown}")
    try:
        return Database(parsed, power_safe=power_safe), shown
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StartupError(f"no driver for the catalog at {shown}: {error}") from None


def _shown(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def _closed_unless_opened(database: Database, shown: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        database.close()
        raise _cannot_open(shown, error) from None
    except StoreUnavailableError as error:
        database.close()
        if isinstance(error.__cause__, DBAPIError):
            raise _cannot_open(shown, error.__cause__) from None
        raise StartupError(str(error)) from None
    except StartupError:
        database.close()
        raise


def _cannot_open(shown: str, error: DBAPIError) -> StartupError:
    return StartupError(
        f"can't open the catalog at {shown}: {on_one_line(error)}; check that it is there and may be used, "
        "or restore it from a backup"
    )


def _engine(url: URL, *, power_safe: bool, writers: Writers) -> Engine:
    if url.get_backend_name() != "sqlite":
        arguments = connect_args(url, writers, BUSY_TIMEOUT_MS)
        # What is stored, such as a key of hashes, is in no error.
        engine = create_engine(url, pool_pre_ping=True, connect_args=arguments, hide_parameters=True)
        event.listen(engine, "connect", set_up_session)
        event.listen(engine, "handle_error", leave_standby)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True)
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


def damage_of(connection: Connection) -> str | None:
    """What SQLite finds damaged; None: nothing. PostgreSQL looks after its own files."""
    if connection.dialect.name != "sqlite":
        return None
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    return None if found == "ok" else str(found)


def _check_intact(connection: Connection, shown: str) -> None:
    damage = damage_of(connection)
    if damage is not None:
        raise StartupError(f"the catalog at {shown} is damaged ({damage}): restore it from a backup")


def _upgrade(connection: Connection, shown: str, schema: str | None) -> None:
    config = _alembic(connection)
    current = MigrationContext.configure(connection).get_current_heads()
    wanted = current if schema is None else (*current, schema)
    steps = _steps(config, shown, wanted)
    if current != ((schema,) if schema else tuple(steps.get_heads())):
        command.upgrade(config, schema or "head")


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _steps(config: Config, shown: str, current: tuple[str, ...]) -> ScriptDirectory:
    """Of this version. Raises StartupError for a database that has another step behind it."""
    steps = ScriptDirectory.from_config(config)
    known = {step.revision for step in steps.walk_revisions()}
    if newer := sorted(set(current) - known):
        raise StartupError(
            f"the catalog at {shown} was written by a newer Meterline (its schema is {', '.join(newer)}, "
            f"this version knows {steps.get_current_head()}): start that version, or restore a backup made before it"
        )
    return steps


def on_one_line(error: SQLAlchemyError) -> str:
    """What the database said, and not the statement with what it was to store."""
    return " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())


@contextmanager
def _available(outage: Outage) -> Iterator[None]:
    """A lock that stays taken, a full disk and a server that doesn't answer pass: the caller may retry. What the
    database said is for the operator's log, once an outage: it may name hosts, users and rows.
    """
    try:
        yield
        outage.worked()
    except PoolTimeoutError as error:
        raise StoreUnavailableError(
            "the catalog store does not answer: all connections are in use", retry_after_ms=_RETRY_AFTER_MS
        ) from error
    except DBAPIError as error:
        if not _passes(error):
            raise
        if outage.failed(type(error.orig).__name__):
            _log.warning("the catalog store does not answer", error=on_one_line(error))
        raise StoreUnavailableError(
            "the catalog store does not answer: try again later", retry_after_ms=_RETRY_AFTER_MS
        ) from error


@contextmanager
def _purging() -> Iterator[None]:
    """As `_available`, for what SQLite itself is asked."""
    try:
        yield
    except sqlite3.Error as error:
        _log.warning("the catalog store can't be purged", error=str(error))
        raise StoreUnavailableError(
            "the catalog store can't be purged now: try again later", retry_after_ms=_RETRY_AFTER_MS
        ) from error


def _passes(error: DBAPIError) -> bool:
    if not isinstance(error.orig, sqlite3.Error):
        return passes(error)
    return isinstance(error.orig, sqlite3.OperationalError) and any(
        word in str(error.orig) for word in ("locked", "busy", "disk")
    )
