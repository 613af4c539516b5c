"""Writes that the operating system refuses, as it does on a full disk: nothing is taken for stored, nothing is lost.

Refused are all writes to files of this process (RLIMIT_FSIZE), in their middle or from the first byte.
"""

import contextlib
import itertools
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import pytest

from engine.cluster.locks import FileLocks
from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.errors import StartupError, StoreUnavailableError
from engine.usage.facts.usage_request import Measure
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.write import cover_statement
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from ingest import partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of

EVENTS = Query("SELECT event_id FROM events FINAL ORDER BY event_id", {})
PARTS = Query("SELECT count() FROM system.parts WHERE active AND table = 'events'", {})
ASIDE = Query("SELECT count() FROM system.detached_parts", {})

METER = Measure(
    tenant="t1",
    event_type="call",
    aggregation="count",
    value=None,
    filters={},
    group_by=(),
    rollup_key="k",
)


@contextlib.contextmanager
def _refused_after(file_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    # Only the merges of a test's own.
    opened._backend.clients.writer.command("SYSTEM STOP MERGES events")
    yield opened
    opened.close()


def _insert(store, stamp_us, count=200):
    events = [
        Row("t1", f"{stamp_us}-{k:04}", "call", "acme", 1_750_000_000_000_000, ()) for k in range(count)
    ]
    for batch, _ in partition_batches(columns_of(events), stamp_us, 1_000):
        store.insert(batch)
    return [event.event_id for event in events]


def _more(first):
    """A statement that writes without a file of the driver's."""
    return Query(
        "INSERT INTO events (tenant, customer_id, event_type, event_time, event_id, ingest_rank) "
        "SELECT 't1', 'acme', 'call', now64(6), concat('more-', toString(number)), bitNot(toUInt64(20)) "
        "FROM numbers({first:UInt64}, 300)",
        {"first": first},
    )


def _merge(store):
    store._backend.clients.writer.command("SYSTEM START MERGES events")
    try:
        store._backend.clients.writer.command("OPTIMIZE TABLE events FINAL")
    finally:
        store._backend.clients.writer.command("SYSTEM STOP MERGES events")


def _ids(store):
    """A read may meet what is broken; it is answered once that is mended."""
    with contextlib.suppress(StoreUnavailableError):
        return [event_id for (event_id,) in store.query(EVENTS)]
    return [event_id for (event_id,) in store.query(EVENTS)]


@pytest.mark.parametrize("write", [UsageStore.execute, UsageStore.transform])
@pytest.mark.parametrize("file_bytes", [0, 1, 100, 300])
def test_a_statement_whose_writes_are_refused_is_refused_and_may_come_again(store, write, file_bytes):
    """None of its events is there until it does, then each once."""
    sent = _insert(store, 10)
    with (
        _refused_after(file_bytes),
        pytest.raises(StoreUnavailableError, match="could not write to its disk"),
    ):
        write(store, _more(0))
    assert _ids(store) == sent
    write(store, _more(0))
    assert _ids(store) == sorted([*sent, *(f"more-{k}" for k in range(300))])


@pytest.mark.parametrize("file_bytes", [0, 1, 100, 300])
def test_a_merge_whose_writes_are_refused_loses_no_event(store, file_bytes):
    """What it was made from stands again, and the broken part takes no room."""
    sent = [event_id for stamp_us in (10, 11, 12) for event_id in _insert(store, stamp_us)]
    with _refused_after(file_bytes):
        _merge(store)
    assert _ids(store) == sent
    assert store.query(PARTS) == [(3,)]
    assert store.query(ASIDE) == [(0,)]
    _merge(store)
    assert (_ids(store), store.query(PARTS)) == (sent, [(1,)])


def test_a_look_mends_what_nobody_reads(store):
    """As the engine's background does."""
    sent = [event_id for stamp_us in (10, 11) for event_id in _insert(store, stamp_us)]
    with _refused_after(0):
        _merge(store)
    store.watch.next_pass()
    assert [event_id for (event_id,) in store.query(EVENTS)] == sent


def test_the_watch_looks_again_in_time_however_long_a_look_took(tmp_path):
    """What a broken merge was made from is kept for a minute, and a look that loads much anew takes many seconds."""
    looks = []

    class Looking:
        def next_pass(self):
            looks.append(1)

    seconds = itertools.count(0, 100 * 1_000_000_000)
    loop = UpkeepLoop(
        "watch",
        Looking(),
        partial(FileLocks(tmp_path).try_hold, "disk_watch"),
        lambda: next(seconds),
        pace=Pace(0, 0),
    )
    loop.start()
    deadline = time.monotonic() + 20
    while len(looks) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    loop.stop()
    assert len(looks) >= 3


def test_a_store_that_was_closed_over_a_broken_merge_opens_with_every_event(tmp_path):
    """Killed before anybody looked."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    sent = [event_id for stamp_us in (10, 11, 12) for event_id in _insert(store, stamp_us)]
    with _refused_after(0):
        store._backend.clients.writer.command("OPTIMIZE TABLE events FINAL")
    store.close()
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        assert _ids(store) == sent
    finally:
        store.close()


@pytest.mark.parametrize("file_bytes", [0, 1, 20, 60, 100])
def test_a_deletion_whose_writes_are_refused_may_come_again(tmp_path, file_bytes):
    """Also the list of what is to go is a file: cut off, it keeps no table from being loaded, here or at the next start."""
    deletion = Query("ALTER TABLE events DELETE WHERE event_id LIKE {like:String}", {"like": "10-%"})
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        gone, kept = _insert(store, 10), _insert(store, 11)
        with _refused_after(file_bytes), pytest.raises(StoreUnavailableError, match="could not write"):
            store.delete(deletion)
        assert set(kept) <= set(_ids(store)) <= {*gone, *kept}
        # It may have gone on by itself, and been refused once more.
        with contextlib.suppress(StoreUnavailableError):
            store.delete(deletion)
        store.delete(deletion)
        assert _ids(store) == kept
    finally:
        store.close()


def test_a_store_that_was_closed_over_a_deletion_that_was_cut_off_opens(tmp_path):
    """Killed before anybody looked: it is to be made again."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    sent = _insert(store, 10)
    with _refused_after(0):
        store._backend.clients.writer.command("ALTER TABLE events DELETE WHERE event_id LIKE '10-%'")
    store.close()
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        assert set(_ids(store)) <= set(sent)
        store.delete(Query("ALTER TABLE events DELETE WHERE 1", {}))
        assert _ids(store) == []
    finally:
        store.close()


def test_what_a_refused_statement_left_is_not_read_before_it_is_mended(store, monkeypatch):
    """Were it counted at a watermark, the same watermark would answer otherwise once it is gone."""
    sent = _insert(store, 10)
    # 60 kB each: only the file of properties is cut off, and ids can be read.
    large = "map('note', randomString(60000, number)) FROM numbers(200)"
    statement = (
        "INSERT INTO events (tenant, customer_id, event_type, event_time, event_id, ingest_rank, properties) "
        f"SELECT 't1', 'acme', 'call', now64(6), concat('more-', toString(number)), bitNot(toUInt64(20)), {large}"
    )
    mend = store.watch._load_anew
    monkeypatch.setattr(store.watch, "_load_anew", lambda: 1 // 0)
    with _refused_after(1_000_000), pytest.raises(StoreUnavailableError, match="is not mended yet"):
        store.execute(Query(statement, {}))
    for read in (lambda: store.query(EVENTS), lambda: store.recent_events(10)):
        with pytest.raises(StoreUnavailableError, match="is not mended yet"):
            read()
    monkeypatch.setattr(store.watch, "_load_anew", mend)
    assert [event_id for (event_id,) in store.query(EVENTS)] == sent


def test_who_asks_while_tables_are_loaded_anew_waits_for_them(store, monkeypatch):
    """A deletion that met a table on its way out would come back before it is done."""
    gone, kept = _insert(store, 10), _insert(store, 11)
    store._backend.clients.writer.command("SYSTEM START MERGES events")
    mend, begun, go_on = store.watch._load_anew, threading.Event(), threading.Event()

    def slowly():
        begun.set()
        go_on.wait(30)
        return mend()

    monkeypatch.setattr(store.watch, "_load_anew", slowly)
    with _refused_after(0):
        store._backend.clients.writer.command(_more(0).sql, _more(0).parameters)
    with ThreadPoolExecutor(2) as pool:
        look = pool.submit(store.watch.look)
        assert begun.wait(30)
        asked = pool.submit(store.delete, Query("ALTER TABLE events DELETE WHERE event_id LIKE '10-%'", {}))
        assert not wait([asked], 0.3).done, "it ran while its table was on its way out"
        go_on.set()
        look.result(30)
        asked.result(30)
    assert (_ids(store), len(gone)) == (kept, 200)


def test_what_is_stored_of_a_read_is_computed_in_memory(store):
    """What a look spilled could be lost; were that stored, it would be whole on the disk, and stay though refused."""
    of_spills = "FROM system.settings WHERE startsWith(name, 'max_bytes_ratio_before_external_') AND toFloat64(value) > 0"
    assert store.look_through(Query(f"SELECT count() {of_spills}", {})) == [(4,)]
    store.transform(
        Query(
            f"INSERT INTO reconciled SELECT 'r', fromUnixTimestamp64Micro(toInt64(count())) {of_spills}", {}
        )
    )
    assert store.query(Query("SELECT toUnixTimestamp64Micro(ingested_at) FROM reconciled", {})) == [(0,)]


def test_a_customer_whose_cover_is_refused_is_not_remembered_as_covered(store):
    """Its row can be read until it goes. Remembered by the number of customers, it would pass for the next one, and its
    usage be read from rows that nobody keeps up.
    """
    coverages = Coverages(store, lambda: 0, age_max_ns=0)

    def cover(customer_id):
        return cover_statement(METER, 3_600, [customer_id])

    store.execute(cover("a"))
    with _refused_after(250):
        store._backend.clients.writer.command(cover("b").sql, cover("b").parameters)
    with pytest.raises(StoreUnavailableError, match="could not write to its disk"):
        coverages.of("t1", "k")
    store.execute(cover("c"))
    assert coverages.of("t1", "k").slice_s == {"a": 3_600, "c": 3_600}


def _while_a_write_of_another_is_refused(store, work):
    with store.watch.confirmed():
        with _refused_after(0):
            store._backend.clients.writer.command(_more(0).sql, _more(0).parameters)
        # The other one has looked, and mended it, before this one does.
        store.watch.look()
        work()


@pytest.mark.parametrize(
    "work",
    [lambda store: _insert(store, 10), lambda store: store.look_through(Query("SELECT 1", {}))],
    ids=["insert", "look"],
)
def test_who_asks_while_a_write_of_another_is_refused_must_come_again(store, work):
    """The count does not say whose it was; what a look through the log spills could be lost as well."""
    with pytest.raises(StoreUnavailableError, match="could not write to its disk"):
        _while_a_write_of_another_is_refused(store, lambda: work(store))
    work(store)


def test_a_store_does_not_open_on_a_disk_that_refuses_writes_and_opens_once_it_takes_them(tmp_path):
    """In one clear line."""
    UsageStore.open_embedded(tmp_path / "usage").close()
    with _refused_after(0), pytest.raises(StartupError, match="File too large"):
        UsageStore.open_embedded(tmp_path / "new")
    store = UsageStore.open_embedded(tmp_path / "new")
    try:
        assert _ids(store) == []
        sent = _insert(store, 10)
        assert _ids(store) == sent
    finally:
        store.close()


def test_a_store_whose_definitions_were_lost_does_not_open_as_an_empty_one(tmp_path):
    """ClickHouse would forget a table whose definition is empty, and a new one would take its place."""
    UsageStore.open_embedded(tmp_path / "usage").close()
    (definition,) = (tmp_path / "usage").glob("store/*/*/events.sql")
    definition.write_bytes(b"")
    with pytest.raises(StartupError, match=r"events\.sql: is empty"):
        UsageStore.open_embedded(tmp_path / "usage")
