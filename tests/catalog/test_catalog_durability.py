"""The store's promises when things happen at once, stop halfway, or are not what they should be."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from engine.catalog.documents.document import read_document
from engine.catalog.store import CatalogStore
from engine.errors import StartupError, StoreUnavailableError
from engine.sql import database as database_module
from engine.sql.database import open_database
from engine.sql.schema import METADATA

APPLIED_AT = datetime(2023, 11, 16, 12, 0, tzinfo=UTC)

# Applies one document after another: in each, the name and the price carry the same number.
WRITER = """
import sys
from datetime import UTC, datetime
from engine.catalog.documents.document import read_document
from engine.catalog.store import CatalogStore

url, first = sys.argv[1], int(sys.argv[2])
store = CatalogStore.open(url)
print("open", flush=True)
for number in range(first, first + 100_000):
    document = (
        "customers: [{id: acme, name: N%d}]\\n"
        "plans: [{id: p, name: P, currency: USD, prices: [{id: f, model: flat, flat_amount: %d}]}]\\n"
    ) % (number, number)
    applied = store.apply("t", read_document(document, "w.yaml"), applied_at=datetime.now(UTC))
    print(applied.revision, flush=True)
"""


def at_work(url: str, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first)], stdout=subprocess.PIPE, text=True
    )


def is_whole(store: CatalogStore, revision: int) -> bool:
    """Whether both halves of the writer's document are there."""
    catalog = store.snapshot("t", revision)
    amount = catalog.plans["p"].resource.prices[0].price.flat_amount
    return catalog.customers["acme"].resource.name == f"N{amount}"


@pytest.mark.parametrize("after_applies", [1, 7, 20])
def test_what_was_applied_survives_a_kill(url, after_applies):
    """SIGKILL at any time: every acknowledged revision is there, and none is half there."""
    process = at_work(url, 1)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(after_applies + 1)]
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait(30)
    acknowledged = [int(line) for line in lines[1:] if line.endswith("\n")]
    store = CatalogStore.open(url)
    try:
        newest = store.snapshot("t").revision
        assert max(acknowledged) <= newest <= max(acknowledged) + 1
        assert all(is_whole(store, revision) for revision in range(1, newest + 1))
    finally:
        store.close()


def test_applies_of_two_processes_follow_each_other(url):
    """Each acknowledged revision is one process's own; none is lost."""
    processes = [at_work(url, first) for first in (1, 1_000_000)]
    revisions: list[int] = []
    for process in processes:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(12)]
        revisions += [int(line) for line in lines[1:]]
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()
        process.wait(30)
    assert len(set(revisions)) == len(revisions) == 22
    store = CatalogStore.open(url)
    try:
        assert all(is_whole(store, revision) for revision in range(1, store.snapshot("t").revision + 1))
    finally:
        store.close()


def test_applies_of_two_threads_follow_each_other(apply, store):
    """Versions and revisions count up by one, whoever came first."""
    both = threading.Barrier(2)

    def apply_many(thread: int) -> list[int]:
        both.wait(30)
        return [
            apply(
                f"customers: [{{id: shared, name: N{thread}-{number}}}, {{id: c{thread}-{number}, name: N}}]"
            ).revision
            for number in range(20)
        ]

    with ThreadPoolExecutor(2) as threads:
        revisions = [revision for each in threads.map(apply_many, (1, 2)) for revision in each]
    assert sorted(revisions) == list(range(1, 41))
    catalog = store.snapshot("t")
    assert (catalog.revision, catalog.customers["shared"].version, len(catalog.customers)) == (40, 40, 41)


def test_a_reader_sees_one_revision_while_another_is_applied(apply, store):
    """Both customers change together in every document, so no reader may see them differ."""
    stop = threading.Event()

    def apply_until_stopped() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            apply(f"customers: [{{id: a, name: N{number}}}, {{id: b, name: N{number}}}]")

    apply("customers: [{id: a, name: N0}, {id: b, name: N0}]")
    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(apply_until_stopped)
        try:
            for _ in range(300):
                customers = store.snapshot("t").customers
                assert customers["a"].resource.name == customers["b"].resource.name
        finally:
            stop.set()
        writer.result(30)


def test_a_store_that_stays_locked_asks_to_retry(url, monkeypatch):
    """Somebody else holds the write lock: the caller learns that it may send the same again."""
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 50)
    store, other = CatalogStore.open(url), open_database(url)
    try:
        with other.writing(), pytest.raises(StoreUnavailableError) as caught:
            store.apply("t", read_document("customers: [{id: a, name: A}]", "c.yaml"), applied_at=APPLIED_AT)
        assert caught.value.retry_after_ms > 0
        assert store.snapshot("t").revision == 0, "reading goes on"
    finally:
        other.close()
        store.close()


def test_writers_of_a_process_wait_in_turn_and_not_in_sqlite(sqlite_url, monkeypatch):
    """SQLite would give up after 50 ms here, also beside the store: whoever waits in turn for half a second writes nevertheless."""
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 50)
    database = open_database(sqlite_url)
    beside = database.beside(power_safe=False)
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 60_000)
    begun = threading.Event()

    def write(own):
        begun.set()
        with own.writing() as connection:
            return connection.exec_driver_sql("SELECT 1").scalar()

    try:
        with ThreadPoolExecutor(2) as threads:
            with database.writing():
                waiting = [threads.submit(write, own) for own in (database, beside)]
                assert begun.wait(60)
                # Ten times as long as SQLite would wait; nobody is let in meanwhile.
                assert not any(each.done() for each in waiting)
                time.sleep(0.5)
                assert not any(each.done() for each in waiting)
            assert [each.result(60) for each in waiting] == [1, 1]
    finally:
        beside.close()
        database.close()


def test_a_store_of_a_newer_meterline_is_refused(url):
    """A schema that this version doesn't know stops the start, with what to do."""
    database = open_database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    database.close()
    with pytest.raises(StartupError, match=r"written by a newer Meterline \(its schema is 0099"):
        CatalogStore.open(url)


@pytest.mark.parametrize("damage", ["no database at all", "a page in the middle", "cut off"])
def test_a_damaged_store_is_refused(sqlite_url, tmp_path, damage, document):
    """The engine doesn't start on a file that it can't trust."""
    path = tmp_path / "catalog.sqlite"
    store = CatalogStore.open(sqlite_url)
    for number in range(50):
        named = read_document(document.replace("Acme Robotics", f"N{number}"), "c")
        store.apply("t", named, applied_at=APPLIED_AT)
    store.close()
    content = path.read_bytes()
    path.write_bytes(
        {
            "no database at all": b"not a database " * 100,
            "a page in the middle": content[:4096] + b"\xff" * 8192 + content[12288:],
            "cut off": content[: len(content) // 2],
        }[damage]
    )
    with pytest.raises(StartupError, match="catalog at sqlite:///"):
        CatalogStore.open(sqlite_url)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("nonsense", "URL must be like sqlite:///PATH"),
        ("sqlite://", "needs a file to be durable"),
        ("sqlite:///:memory:", "needs a file to be durable"),
        ("sqlite:////no/such/directory/catalog.sqlite", "unable to open database file"),
        ("nosuchdb://host/name", "no driver for the catalog"),
    ],
)
def test_a_url_that_can_t_be_opened_is_refused(bad, said):
    """One clear line at the start."""
    with pytest.raises(StartupError, match=said) as caught:
        CatalogStore.open(bad)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_told():
    """Errors go to logs and terminals."""
    with pytest.raises(StartupError) as caught:
        CatalogStore.open("nosuchdb://user:secret@host/name")
    assert "secret" not in str(caught.value)


def test_the_migrations_make_the_tables_that_the_code_knows(url):
    """No column is in the one and not in the other."""
    database = open_database(url)
    try:
        with database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    finally:
        database.close()


def test_sqlite_is_set_up_to_survive_power_loss(sqlite_url):
    """WAL, and a flush at every commit."""
    database = open_database(sqlite_url)
    try:
        with database.reading() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    finally:
        database.close()


def test_several_openers_of_a_new_store_all_get_it(url):
    """Gateways that start together make the tables once."""
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(CatalogStore.open, [url] * 4))
    for store in stores:
        assert store.snapshot("t").revision == 0
        store.close()
