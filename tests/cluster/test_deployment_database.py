"""A deployment in a PostgreSQL database: what it belongs to, and what it refuses."""

import contextlib
from functools import partial

import pytest
from sqlalchemy import update

from engine.app.stores import Placement, Warming, open_stores
from engine.cluster.database_locks import DatabaseLocks
from engine.cluster.deployment import FORMAT
from engine.cluster.deployment_database import claim_for_directory, open_deployment_database
from engine.errors import StartupError
from engine.sql.catalog_address import read_catalog_address
from engine.sql.database import open_database
from engine.sql.schema import DEPLOYMENT
from engine.usage.store.tables.durability import Durability


@pytest.fixture
def url(postgres_server):
    return postgres_server.new_url()


@pytest.fixture
def database(url):
    with contextlib.closing(open_database(url)) as opened:
        yield opened


@pytest.fixture
def opened(database):
    with contextlib.closing(DatabaseLocks(database)) as locks:
        yield partial(open_deployment_database, database, locks, "postgresql://here/m", "http://there:8123/m")


def test_a_deployment_draws_its_identity_once(opened):
    """Whoever comes later is told the first one's; its key of hashes is kept beside it."""
    first = opened()
    assert first.identity("one") == "one"
    assert opened().identity("two") == "one"
    assert first.hash_key.read() is None
    first.hash_key.write("ab" * 32)
    assert opened().hash_key.read() == "ab" * 32


def test_the_first_gateway_knows_that_it_is_alone(opened):
    """Whoever comes when nobody else lives settles what is left."""
    first = opened()
    assert first.alone
    with first.gateways.joined("one"):
        assert not opened().alone


def test_a_database_of_a_newer_meterline_is_refused(opened, database):
    """An older engine never misreads what a newer one stored."""
    opened().identity("one")
    with database.writing() as connection:
        connection.execute(update(DEPLOYMENT).values(format=FORMAT + 1))
    with pytest.raises(StartupError, match=f"belongs to a newer Meterline .format {FORMAT + 1}"):
        opened().identity("one")


def test_a_database_belongs_to_one_form_of_usage_store(opened, database):
    """A server's is not a data directory's, and one directory's is not another's."""
    claim_for_directory(database, "postgresql://here/m", "mine")
    claim_for_directory(database, "postgresql://here/m", "mine")
    with pytest.raises(StartupError, match="belongs to another data directory: name that one with --data"):
        claim_for_directory(database, "postgresql://here/m", "yours")
    with pytest.raises(StartupError, match=r"another usage store \(embedded\): start without --usage-store"):
        opened().identity("one")


def _stores(data, url):
    catalog = None if url is None else read_catalog_address(url)
    return open_stores(
        Placement(data, catalog=catalog), Durability.PROCESS, Warming(0, lambda _: None), lambda: 1
    )


def test_an_embedded_usage_store_may_have_its_catalog_in_postgresql(url, postgres_server, tmp_path):
    """The directory and the database know each other: neither goes with another, and neither alone."""
    for _ in range(2):
        with _stores(tmp_path / "data", url) as stores:
            assert stores.catalog.snapshot("t").revision == 0
    assert not (tmp_path / "data" / "catalog.sqlite").exists()
    with (
        pytest.raises(
            StartupError, match=r"another catalog store \(postgresql\): start with its --catalog-store"
        ),
        _stores(tmp_path / "data", None),
    ):
        pass
    with (
        pytest.raises(StartupError, match="belongs to another data directory"),
        _stores(tmp_path / "other", url),
    ):
        pass
    with _stores(tmp_path / "embedded", None):
        pass
    with (
        pytest.raises(StartupError, match=r"catalog store \(embedded\): start without --catalog-store"),
        _stores(tmp_path / "embedded", postgres_server.new_url()),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@db.example/m?sslmode=verify-full", "postgresql://db.example:5432/m"),
        ("postgres://me:s%40cret@db.example:6000/m", "postgresql://db.example:6000/m"),
        ("postgresql://me:s3cret@[::1]/m", "postgresql://[::1]:5432/m"),
        ("postgresql:///m?host=/run/postgresql", "postgresql:///run/postgresql:5432/m"),
    ],
)
def test_an_address_shows_no_password(text, shown):
    """Nor does its repr."""
    address = read_catalog_address(text)
    assert address.shown == shown
    assert "cret" not in repr(address)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://u:s3cret@host:9000/m", "is not a URL like postgresql://"),
        ("postgresql://u:s3cret@host:x/m", "is not a URL like postgresql://"),
        ("postgresql://u:s3cret@host", "names no database"),
        ("postgresql://u:s3cret@host/m?options=-csearch_path", "may set host, port, .* not options"),
        ("s3cret", "is not a URL like postgresql://"),
    ],
)
def test_a_url_that_names_no_database_is_refused_without_repeating_it(text, why):
    """One line that says what is wrong."""
    with pytest.raises(ValueError, match=why) as refused:
        read_catalog_address(text)
    assert "s3cret" not in str(refused.value)
