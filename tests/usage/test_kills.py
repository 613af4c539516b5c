"""SIGKILL in the middle of inserts: what was acknowledged is stored, what is sent again is counted once."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from ingest import partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, rows_of

ROOT = Path(__file__).parents[2]

# Inserts batches of four events over two months, in order, each time from the first unacknowledged batch on.
CHILD = """
import sys, time
from pathlib import Path
from tests.support.ingest.admission_oracle import Row
from engine.usage.store.usage_store import UsageStore
from tests.support.ingest.event_columns import columns_of
from ingest import partition_batches

store, number = UsageStore.open_embedded(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
while True:
    events = [
        Row("t1", f"{number}-{k}", "call", "acme", 1_750_000_000_000_000 + k % 2 * 40 * 86_400_000_000, ())
        for k in range(4)
    ]
    for batch, _ in partition_batches(columns_of(events), time.time_ns() // 1000, 1_000):
        store.insert(batch)
    print(number, flush=True)
    number += 1
"""


def _kill_and_resend(path, cycles, moments):
    """How many batches were acknowledged over so many kills."""
    acknowledged = 0
    for _ in range(cycles):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(acknowledged)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(0.02 + moments.random() * 0.2, process.kill)
        timer.start()
        for line in process.stdout:
            acknowledged = int(line) + 1
        process.wait(60)
    return acknowledged


@pytest.mark.parametrize(
    "cycles", [6, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
)
def test_every_acknowledged_batch_survives_kills(tmp_path, cycles):
    """Killed at random moments, between the two partitions of a batch too; the seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    acknowledged = _kill_and_resend(tmp_path / "usage", cycles, random.Random(seed))
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        stored = [event.event_id for event in rows_of(store.recent_events(10_000_000))]
    finally:
        store.close()
    expected = {f"{number}-{k}" for number in range(acknowledged) for k in range(4)}
    assert expected - set(stored) == set()
    # Besides, only the one batch that was under way at the last kill.
    assert set(stored) - expected <= {f"{acknowledged}-{k}" for k in range(4)}


def test_an_insert_is_never_skipped_because_it_looks_like_one_before(tmp_path):
    """ClickHouse can remember a block that it never stored: a like insert must be written all the same, and
    collapse. Twenty rows are stored, ten are counted.
    """
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        store._backend.clients.writer.command("SYSTEM STOP MERGES meterline.events")
        events = [Row("t1", str(k), "call", "acme", 1_750_000_000_000_000, ()) for k in range(10)]
        for stamp_us in (1, 2):
            for batch, _ in partition_batches(columns_of(events), stamp_us, 1_000):
                store.insert(batch)
        assert store.query(Query("SELECT count() FROM meterline.events", {})) == [(20,)]
        assert store.query(Query("SELECT count() FROM meterline.events FINAL", {})) == [(10,)]
    finally:
        store.close()
