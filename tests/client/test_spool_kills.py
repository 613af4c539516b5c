"""SIGKILL of the recording process at random moments, and of the engine: each recorded event counts once."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from meterline import Client, Delivery, Event, Verdict, open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

CATALOG = """
meters:
  - {id: tokens, event_type: llm.completion, aggregation: sum, value: tokens}
plans:
  - id: pro
    name: Pro
    currency: USD
    billing_period: month
    prices: [{id: tokens, meter: tokens, model: per_unit, unit_amount: 1}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: pro, start: 2026-03-01}]
"""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

# Each line of its output is an event for which `record` returned: one write, so a kill can't tear it.
RECORDER = """
import os, sys, time
from datetime import datetime, timezone
from meterline import Client

target, spool, run, fsync = sys.argv[1:]
noon = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
client = Client(target, spool=spool, spool_fsync=fsync == "1", batch_events_max=50, batch_age_max_ms=5)
os.write(1, b"ready\\n")
for number in range(1_000_000):
    event_id = f"{run}-{number}"
    client.record("acme", "llm.completion", {"tokens": 1}, event_id=event_id, event_time=noon)
    os.write(1, event_id.encode() + b"\\n")
    time.sleep(0.0005)
"""


@pytest.fixture
def serving(tmp_path):
    """An engine with one price of 1 USD a token; it takes events of any age."""
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        apply(running, CATALOG)
        yield running


def apply(running, document):
    with open_channel(running.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)


def record_until_killed(target, spool, run, chance) -> list[str]:
    """The ids that a process recorded until a SIGKILL at a random moment after it began."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDER, target, str(spool), str(run), str(chance.randrange(2))],
        stdout=subprocess.PIPE,
        # What a buffer had read beyond the first line would be missing in the rest.
        bufsize=0,
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(chance.uniform(0.005, 0.4))
    os.kill(process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=180)
    return output.decode().split()


@pytest.mark.parametrize("cycles", [6, pytest.param(50, marks=pytest.mark.long)])
def test_whatever_was_recorded_is_counted_exactly_once(serving, tmp_path, cycles, seed):
    """The engine is killed and restarted in between too. Afterwards each recorded event is in, once.

    The last event of a run may be on disk although its `record` had not returned: it then counts once as
    well, and is the only other one a run can have.
    """
    chance = random.Random(seed)
    spool = tmp_path / "spool"
    recorded: list[str] = []
    away = False
    for run in range(cycles):
        if away or chance.random() < 0.4:
            if not away:
                serving.kill()
            away = chance.random() < 0.4  # sometimes it is away for a whole run
            if not away:
                serving.start()
        recorded += record_until_killed(serving.target, spool, run, chance)
    if away:
        serving.start()
    assert len(recorded) > 10 * cycles
    problems = []
    with Client(serving.target, spool=spool, on_problem=problems.append) as client:
        delivery = client.flush(120)
        assert (delivery.pending, delivery.failed, problems) == (0, 0, [])
        spend = client.spend("acme", at=NOON)
        total = spend.totals[0].event_count
        assert len(recorded) <= total <= len(recorded) + cycles
        assert spend.amount == Decimal(total)
        again = client.record_batch(
            Event("acme", "llm.completion", {"tokens": 1}, event_id, NOON) for event_id in recorded
        )
        assert {receipt.verdict for receipt in again} == {Verdict.DUPLICATE}
        assert client.spend("acme", at=NOON).totals[0].event_count == total
    assert [path.name for path in Path(spool).iterdir()] == ["lock"]


def test_an_event_that_arrives_too_late_is_reported_and_settled(tmp_path):
    """It waited for 40 days on a disk, the engine takes 35: rejected as too old, told, and not tried again."""
    spool = tmp_path / "spool"
    now = datetime.now(UTC)
    with Client("127.0.0.1:9", spool=spool, close_timeout_s=0) as away:
        late = away.record("acme", "llm.completion", {"tokens": 1}, event_time=now - timedelta(days=40))
        in_time = away.record("acme", "llm.completion", {"tokens": 2}, event_time=now - timedelta(days=1))
    problems = []
    with EngineProcess(tmp_path / "data") as engine:
        apply(engine, CATALOG)
        with Client(engine.target, spool=spool, on_problem=problems.append) as client:
            assert client.flush(60) == Delivery(accepted=1, rejected=1)
    [receipt] = problems
    assert (receipt.event_id, receipt.field, receipt.reason) == (late, "event_time", "too_old")
    assert receipt.event_id != in_time
    assert [path.name for path in spool.iterdir()] == ["lock"]
