"""A usage store of an older form is brought to today's when it is opened, whenever it is killed meanwhile."""

import os
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path

import clickhouse_connect
import pytest

from engine.errors import StartupError
from engine.usage.corrections.correction import Amendment, Correction, EventRef, EventRefs, Signature
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import Kind
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.query import Query
from engine.usage.store.tables.migration import COPY_TABLE
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.old_forms import FILL, FILL_TODAY, OF_FORM_1

ROOT = Path(__file__).parents[2]

EVERYTHING = Query(
    "SELECT count(), uniqExact(event_id), sum(toUInt64(properties['v'])), "
    "sum(toUnixTimestamp64Micro(ingested_at) - 1793491200000000), "
    "countIf(content_hash != xxHash32(concat('1:v', toString(length(properties['v'])), ':', "
    "properties['v']))) FROM meterline.events FINAL",
    {},
)
CHILD = """
import sys
from pathlib import Path
from engine.usage.store.usage_store import UsageStore
from engine.usage.query.usage_reader import UsageReader
from engine.usage.facts.usage_request import UsageRequest
print("ready", flush=True)
UsageStore.open_embedded(Path(sys.argv[1])).close()
print("done", flush=True)
"""


def _of_form_1(path, events):
    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    client.command("CREATE DATABASE meterline ENGINE = Atomic")
    client.command(OF_FORM_1)
    client.command("SYSTEM STOP MERGES meterline.events")
    client.command(FILL.format(events=events, late=0, every=1))
    client.command(FILL.format(events=events, late=10_000_000, every=5))
    client.close()


def _expected(events):
    """Each event once, with the stamp of its first arrival."""
    return [(events, events, sum(n * 3 for n in range(events)), sum(range(events)), 0)]


def _everything(path):
    store = UsageStore.open_embedded(path)
    try:
        rows = store.query(EVERYTHING)
        tables = {
            name
            for (name,) in store.query(
                Query("SELECT name FROM system.tables WHERE database = 'meterline'", {})
            )
        }
        assert COPY_TABLE not in tables
        return rows
    finally:
        store.close()


def test_an_old_store_has_today_s_form_once_it_is_opened(tmp_path):
    """With its events, their stamps and their retries; opened again it stays as it is."""
    _of_form_1(tmp_path / "usage", 3_000)
    assert _everything(tmp_path / "usage") == _expected(3_000)
    assert _everything(tmp_path / "usage") == _expected(3_000)


def test_an_old_store_keeps_what_it_had_under_one_id(tmp_path):
    """Other content for one id and time, not merged away yet, is there and void from its own stamp on: no answer
    that was ever given changes.
    """
    path = tmp_path / "usage"
    _of_form_1(path, 1)
    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    client.command(FILL.format(events=1, late=5, every=1).replace("number * 3", "number + 8"))
    client.close()
    store = UsageStore.open_embedded(path)
    try:
        rows = store.query(
            Query("SELECT properties['v'], content_hash FROM meterline.events FINAL ORDER BY ingested_at", {})
        )
        sums = [UsageReader(store).read(_ever(at_us), 10)[0].quantity for at_us in (STAMP_US, STAMP_US + 5)]
    finally:
        store.close()
    assert rows == [("0", content_hash({"v": "0"})), ("8", content_hash({"v": "8"}))]
    assert sums == [0, 0]


STAMP_US = 1_793_491_200_000_000


def _ever(as_of_us):
    return UsageRequest(
        tenant="t1",
        event_type="call",
        aggregation="sum",
        value="v",
        filters={},
        group_by=(),
        customer_ids=["c0"],
        bounds_us=(0, 2 * STAMP_US),
        as_of_us=as_of_us,
    )


# The voids of an engine before corrections.
OF_FORM_2 = """
CREATE TABLE meterline.voids (
    tenant LowCardinality(String),
    customer_id String,
    event_type LowCardinality(String),
    event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    content_hash UInt32,
    recorded_at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    voided UInt8,
    kind LowCardinality(String),
    correction_id String CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    recorded_by String CODEC(ZSTD(1)),
    stands_customer_id String CODEC(ZSTD(1)),
    stands_event_type LowCardinality(String),
    stands_event_time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    stands_content_hash UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, customer_id, event_type, event_time, event_id, content_hash, recorded_at, correction_id)
"""
VOID_OF_FORM_2 = """
INSERT INTO meterline.voids (tenant, customer_id, event_type, event_time, event_id, content_hash, recorded_at, voided,
    kind, correction_id, reason, recorded_by)
SELECT tenant, customer_id, event_type, event_time, event_id, content_hash, ingested_at, 1, 'id_reused', 'c', 'r', 'p'
FROM meterline.events WHERE event_id = '7'
"""


def test_a_store_before_corrections_keeps_its_voids_and_takes_corrections(tmp_path):
    """Events 0, 7 and 14 of c0 have 0, 21 and 42; 7 is void; 14 is amended to 50; opened again it is all there."""
    path = tmp_path / "usage"
    UsageStore.open_embedded(path).close()
    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    for statement in ("DROP TABLE meterline.voids SYNC", "DROP TABLE meterline.drafts SYNC", OF_FORM_2):
        client.command(statement)
    client.command(FILL_TODAY.format(events=20, late=0, every=1))
    client.command(VOID_OF_FORM_2)
    client.close()
    store = UsageStore.open_embedded(path)
    try:
        before = UsageReader(store).read(_ever(2 * STAMP_US), 10)[0]
        clock = IngestClock(2 * STAMP_US, lambda _ceiling_us: None)
        now_us = lambda: 2 * STAMP_US  # noqa: E731 - the clock goes on by itself
        corrections = Corrections(store, clock, Reconciler(store, clock, now_us), now_us, lambda: 1)
        amendment = Correction(
            Kind.AMEND, EventRefs((EventRef("14"),)), Amendment(set_properties=(("v", "50"),))
        )
        corrections.record("t1", amendment, Signature("m", "ada", "why"))
    finally:
        store.close()
    store = UsageStore.open_embedded(path)
    try:
        after = UsageReader(store).read(_ever(3 * STAMP_US), 10)[0]
    finally:
        store.close()
    assert (before.quantity, before.event_count) == (42, 2)
    assert (after.quantity, after.event_count) == (50, 2)


@pytest.mark.parametrize("kills", [5, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_a_store_that_is_killed_on_its_way_loses_nothing(tmp_path, kills):
    """Killed at random moments, then opened: every event, no leftover; the seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments, events, done = random.Random(seed), 200_000, 0
    path = tmp_path / "usage"
    _of_form_1(path, events)
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(0.05 + moments.random() * 1.0, process.kill)
        timer.start()
        done += process.stdout.read() == "done\n"
        process.wait(60)
        timer.cancel()
    print(f"{done} of {kills} came through before they were killed")
    assert _everything(path) == _expected(events)


@pytest.mark.parametrize("moment", ["DROP", "CREATE", "SYSTEM", "INSERT", "EXCHANGE", "after EXCHANGE"])
def test_a_store_that_stopped_between_two_steps_is_opened(tmp_path, moment, monkeypatch):
    """At each statement in turn, before it ran; and with the old table still beside the new one."""
    path = tmp_path / "usage"
    _of_form_1(path, 400)
    _stop_at(monkeypatch, moment)
    with pytest.raises(StartupError, match="stopped"):
        UsageStore.open_embedded(path)
    monkeypatch.undo()
    assert _everything(path) == _expected(400)


def _stop_at(monkeypatch, moment):
    import engine.usage.store.backends.embedded as module

    real = module.bring_to_form

    def bring_to_form(run, rows):
        ran = []

        def stopping(sql):
            after = moment.removeprefix("after ")
            if sql.split()[0] == moment or (
                moment != after and any(each.split()[0] == after for each in ran)
            ):
                raise StartupError("stopped")
            ran.append(sql)
            return run(sql)

        return real(stopping, rows)

    monkeypatch.setattr(module, "bring_to_form", bring_to_form)


def test_a_store_whose_copy_the_disk_refuses_keeps_what_it_had(tmp_path, monkeypatch):
    """200 events of 60 kB: of their copy no file may be larger than 1 MB, so that what no later step reads is cut off;
    then the disk takes writes again.
    """
    path = tmp_path / "usage"
    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    client.command("CREATE DATABASE meterline ENGINE = Atomic")
    client.command(OF_FORM_1)
    client.command(
        "INSERT INTO meterline.events (tenant, customer_id, event_type, event_time, event_id, ingested_at, properties) "
        f"SELECT 't1', 'c0', 'call', fromUnixTimestamp64Micro({STAMP_US}, 'UTC'), toString(number), "
        f"fromUnixTimestamp64Micro({STAMP_US}, 'UTC'), map('note', randomString(60000, number)) FROM numbers(200)"
    )
    client.close()
    _refuse_large_files_while(monkeypatch, f"INSERT INTO {COPY_TABLE}")
    with pytest.raises(StartupError, match="could not write to its disk"):
        UsageStore.open_embedded(path)
    monkeypatch.undo()
    store = UsageStore.open_embedded(path)
    try:
        rows = store.query(Query("SELECT count(), sum(length(properties['note'])) FROM events FINAL", {}))
    finally:
        store.close()
    assert rows == [(200, 200 * 60_000)]


def _refuse_large_files_while(monkeypatch, statement):
    import engine.usage.store.backends.embedded as module

    real = module.bring_to_form

    def bring_to_form(run, rows):
        def refused(sql):
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            if sql.startswith(statement):
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
            try:
                return run(sql)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        return real(refused, rows)

    monkeypatch.setattr(module, "bring_to_form", bring_to_form)
