"""Locks in a PostgreSQL database: of a session, which ends with the process, the connection or the server.

Rules:
1. A process has one session for all of its locks, and one thread at a time asks it. A lock that the process holds
   already is not given to another of its threads.
2. When the session breaks, all locks are lost at once; the next who asks opens another, and takes the gateway's own
   sign of life anew. Until then others may take the gateway for dead: they settle its groups, which it then can't
   acknowledge (engine.cluster.shared_clock, rule 5), and nothing is lost.
3. The key of a lock is a class and a hash of 31 bits. Two gateways with the same hash may hide each other's death, which
   the lease then ends; names of locks are few, and tested to differ. A sign of life is shared, so it is always got.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreUnavailableError
from engine.sql.database import Database

_log = structlog.get_logger(__name__)
# Classes of advisory locks that other users of the database don't take: "mete" and "metf" in ASCII.
_NAMES = 0x6D657465
_GATEWAYS = 0x6D657466
_TRY = text("SELECT pg_try_advisory_lock(:class, :key)")
# Shared: the server may keep a session for a while whose connection broke, and the new one shows life beside it.
_LIVE = text("SELECT pg_try_advisory_lock_shared(:class, :key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:class, :key)")
_LIVING = text(
    "SELECT CAST(objid AS bigint) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :class"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class DatabaseLocks:
    """Thread-safe. Also says which gateways live: each holds a lock for as long as it does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._session: Connection | None = None
        self._number = 0
        self._names: set[str] = set()
        self._gateway: str | None = None

    def try_hold(self, name: str) -> "DatabaseHold | None":
        with self._lock:
            if name in self._names and self._answers():
                return None
            if not self._ask(name):
                return None
            self._names.add(name)
            return DatabaseHold(self, name, self._number)

    def is_held(self, name: str, number: int) -> bool:
        """Whether the session of this number lives, and so its lock."""
        with self._lock:
            return number == self._number and name in self._names and self._answers()

    def release(self, name: str, number: int) -> None:
        with self._lock:
            if number != self._number or self._session is None:
                return
            self._names.discard(name)
            try:
                self._session.execute(_UNLOCK, {"class": _NAMES, "key": _key(name)})
            except SQLAlchemyError:
                self._forget_session()

    @property
    def others_live(self) -> bool:
        """Whether any gateway has joined."""
        return bool(self._living())

    @contextlib.contextmanager
    def joined(self, gateway: str) -> Iterator[None]:
        with self._lock:
            self._gateway = gateway
            if self._session is not None and self._answers():
                self._show_life(self._session)
            else:
                self._open_session()
        yield

    def is_dead(self, gateway: str) -> bool:
        try:
            return _key(gateway) not in self._living()
        except StoreUnavailableError:
            return False

    def forget_dead(self) -> None:
        """The server has done so."""

    def close(self) -> None:
        """Lets go of everything."""
        with self._lock:
            self._gateway = None
            self._forget_session()

    def _living(self) -> set[int]:
        with self._database.reading() as connection:
            return set(connection.execute(_LIVING, {"class": _GATEWAYS}).scalars())

    def _ask(self, name: str) -> bool:
        for session in (self._session, None):
            connection = session or self._open_session()
            try:
                return bool(connection.execute(_TRY, {"class": _NAMES, "key": _key(name)}).scalar())
            except SQLAlchemyError as error:
                self._forget_session()
                if session is None:
                    raise _not_answering() from error
        raise RuntimeError("a new session either answers or raises")

    def _answers(self) -> bool:
        if self._session is None:
            return False
        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            _log.warning("the session of this gateway's locks broke: others may take over its upkeep")
            self._forget_session()
            return False
        return True

    def _open_session(self) -> Connection:
        self._session = self._database.session()
        self._number += 1
        self._names.clear()
        self._show_life(self._session)
        return self._session

    def _show_life(self, session: Connection) -> None:
        if self._gateway is None:
            return
        try:
            session.execute(_LIVE, {"class": _GATEWAYS, "key": _key(self._gateway)})
        except SQLAlchemyError as error:
            self._forget_session()
            raise _not_answering() from error

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        self._names.clear()
        if session is not None:
            with contextlib.suppress(SQLAlchemyError):
                session.close()


@dataclass(frozen=True, slots=True)
class DatabaseHold:
    """One lock of a session."""

    locks: DatabaseLocks
    name: str
    number: int

    def is_held(self) -> bool:
        return self.locks.is_held(self.name, self.number)

    def release(self) -> None:
        self.locks.release(self.name, self.number)


def _not_answering() -> StoreUnavailableError:
    return StoreUnavailableError("the catalog store does not answer: try again later", retry_after_ms=1_000)


def _key(name: str) -> int:
    """Of 31 bits: PostgreSQL takes it as a signed number, and lists it as an unsigned one."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
