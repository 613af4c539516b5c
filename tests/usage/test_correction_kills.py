"""SIGKILL in the middle of corrections: each is there as a whole or not at all, and sent again it is there once."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.usage.corrections.correction_list import list_corrections
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.correction_world import SUM
from tests.support.usage.killed_corrections import amend_all, corrections_of
from tests.support.usage.meter_reads import usage_by_store
from tests.support.usage.usage_histories import PERIOD_US

ROOT = Path(__file__).parents[2]
EVENTS = 2_000

# Amends all events to one value after the other, each time from the first unacknowledged one on.
CHILD = """
import sys
from pathlib import Path
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.killed_corrections import amend_all, corrections_of

store, number = UsageStore.open_embedded(Path(sys.argv[1])), int(sys.argv[2])
corrections = corrections_of(store)
print("ready", flush=True)
while True:
    amend_all(corrections, number)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize(
    "cycles", [4, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_a_correction_that_is_killed_is_whole_or_not_there(tmp_path, seed, cycles):
    """Killed at random moments while 2,000 events are amended: all of them have one value, the last acknowledged or
    the one after it.
    """
    moments = random.Random(seed)
    path = tmp_path / "usage"
    _fill(path)
    acknowledged = 0
    for _ in range(cycles):
        acknowledged = _amend_until_killed(path, acknowledged, moments)
        value = _only_value(path)
        assert value in (acknowledged, acknowledged + 1)
    store = UsageStore.open_embedded(path)
    try:
        corrections = corrections_of(store)
        answer = amend_all(corrections, acknowledged + 1)
        assert answer == amend_all(corrections, acknowledged + 1)
        listed = list_corrections(store, "t1", 2 * PERIOD_US[1], (0, 10_000))
    finally:
        store.close()
    assert _only_value(path) == acknowledged + 1
    assert [each.correction_id for each in listed] == [
        f"m{number}" for number in range(acknowledged + 1, 0, -1)
    ]
    assert {each.event_count for each in listed} == {EVENTS}


def _fill(path):
    from engine.usage.facts.queries import Query

    store = UsageStore.open_embedded(path)
    store.execute(
        Query(
            "INSERT INTO events (tenant, customer_id, event_type, event_time, event_id, ingest_rank, properties) "
            f"SELECT 't1', 'acme', 'call', fromUnixTimestamp64Micro(toInt64({PERIOD_US[0]} + number), 'UTC'), "
            "toString(number), bitNot(toUInt64(number + 1)), map('value', '0') "
            f"FROM numbers({EVENTS})",
            {},
        )
    )
    store.close()


def _amend_until_killed(path, acknowledged, moments):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(acknowledged + 1)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    timer = threading.Timer(0.1 + moments.random() * 1.5, process.kill)
    timer.start()
    for line in process.stdout:
        if line.strip().isdigit():
            acknowledged = int(line)
    process.wait(60)
    return acknowledged


def _only_value(path):
    """The value that all events have; read at a watermark past everything."""
    store = UsageStore.open_embedded(path)
    try:
        found = usage_by_store(
            store, SUM, tenant="t1", customers=["acme"], period_us=PERIOD_US, as_of_us=2 * PERIOD_US[1]
        )["acme", ()]
    finally:
        store.close()
    value, rest = divmod(int(found.quantity), EVENTS)
    assert (found.event_count, rest) == (EVENTS, 0)
    return value
