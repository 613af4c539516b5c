"""Databases of both kinds for reservations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.sql.database import Database, open_database
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a new database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_url()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()
