"""SIGKILL in the middle of an expiry: no answer ever changes, and called again it goes on to its end."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.expired_usage import JULY, JUNE, MAY
from tests.support.usage.killed_expiry import METERS, _Running
from tests.support.usage.meter_reads import deliver
from tests.support.usage.rollup_world import GROUPS_MAX, HOUR_US

ROOT = Path(__file__).parents[2]
CUSTOMERS = [f"c{number}" for number in range(30)]

CHILD = """
import sys
from pathlib import Path
from engine.usage.store.usage_store import UsageStore
from tests.support.usage.killed_expiry import expire

store = UsageStore.open_embedded(Path(sys.argv[1]))
print("ready", flush=True)
expire(store)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    "cycles", [5, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_an_expiry_that_is_killed_changes_no_answer_and_goes_on(tmp_path, seed, cycles):
    """Killed at random moments; a store in which it came to its end is filled anew."""
    moments = random.Random(seed)
    path, expected = tmp_path / "0", _fill(tmp_path / "0", moments)
    for number in range(1, cycles + 1):
        done = _expire_until_killed(path, moments)
        left = _check(path, expected)
        assert left == 0 or not done
        if done:
            path = tmp_path / str(number)
            expected = _fill(path, moments)
    assert _expire_until_killed(path, None)
    assert _check(path, expected) == 0


def _fill(path, moments):
    """Some events a customer, in May and June; what each meter says of both months, by customer."""
    events, expected = [], {}
    for customer in CUSTOMERS:
        for month, start_us in enumerate((MAY, JUNE)):
            values = [moments.randrange(1, 10**6) for _ in range(moments.randrange(1, 60))]
            expected[customer, month] = (sum(values), len(values))
            events += [
                {
                    "tenant": "t1",
                    "event_id": f"{customer}-{month}-{number}",
                    "event_type": "call",
                    "customer": customer,
                    "time_us": start_us + moments.randrange(30 * 24 * HOUR_US),
                    "properties": {"value": str(value), "region": "eu"},
                    "ingested_us": JUNE + moments.randrange(3),
                }
                for number, value in enumerate(values)
            ]
    store = UsageStore.open_embedded(path)
    deliver(store, events)
    store.close()
    return expected


def _expire_until_killed(path, moments):
    """Whether it came to its end; without `moments` it is left to."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    if moments is not None:
        timer = threading.Timer(moments.random(), process.kill)
        timer.start()
    said = process.stdout.read()
    process.wait(60)
    return said.endswith("done\n")


def _check(path, expected):
    """Every answer is what it was, from whatever is left; how many events of May are."""
    store = UsageStore.open_embedded(path)
    try:
        as_of_us = _Running(store).as_of_us()
        reader = UsageReader(store, Coverages(store, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        for place, measure in enumerate(METERS):
            request = _asked(measure, as_of_us)
            found = {
                (each.customer_id, each.window): int(each.quantity)
                for each in reader.read(request, GROUPS_MAX)
            }
            assert found == {key: both[place] for key, both in expected.items()}
        ((left,),) = store.query(
            Query(
                "SELECT count() FROM events FINAL WHERE event_time < fromUnixTimestamp64Micro({us:Int64}, 'UTC')",
                {"us": JUNE},
            )
        )
    finally:
        store.close()
    return left


def _asked(measure, as_of_us):
    return measure.asked(CUSTOMERS, (MAY, JUNE, JULY), as_of_us)
