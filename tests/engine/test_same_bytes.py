"""At one watermark and one catalog revision every answer is the same bytes, whichever process gives it or reads it."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.caller import DEFAULT_TENANT
from engine.usage.store.usage_store import UsageStore
from examples.engine_process import EngineProcess
from ingest import partition_batches
from meterline import open_channel
from meterline.v1 import correction_pb2
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, message_of

ROOT = Path(__file__).parents[2]
READER = ROOT / "tests" / "support" / "engine" / "same_bytes_reader.py"
JUNE_10_US = 1_749_513_600_000_000
DAY_US = 86_400_000_000
ENGINES = 2
CATALOG = """
meters:
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, group_by: [tier, model, region, model_version]}
  - {id: calls, event_type: call, aggregation: count, group_by: [region, note, model]}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - id: tokens
        meter: tokens
        model: graduated
        tiers: [{up_to: "100", unit_amount: "0.01"}, {unit_amount: "0.0025"}]
      - {id: calls, meter: calls, model: per_unit, unit_amount: "0.1"}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}]
subscriptions: [{customer: acme, plan: p, start: 2025-06-01}, {customer: bolt, plan: p, start: 2025-06-01}]
"""


def _event(number, tokens, customer="acme"):
    properties = {
        "model": f"m{number % 3}",
        "model_version": str(number % 2),
        "note": f"n{number % 4}",
        "region": "eu",
        "tier": "gold",
        "tokens": tokens,
        "z": "\N{ROCKET}",
    }
    return Row(
        DEFAULT_TENANT,
        f"e{number}",
        "call",
        customer,
        JUNE_10_US + number * DAY_US,
        tuple(properties.items()),
    )


def _corrected(channel, correction_id, *, ids, **correction):
    request = correction_pb2.CorrectUsageRequest(
        event_refs=correction_pb2.EventRefs(events=[correction_pb2.EventRef(event_id=each) for each in ids]),
        signature=correction_pb2.Signature(correction_id=correction_id, recorded_by="ada", reason="a test"),
        **correction,
    )
    CorrectionServiceStub(channel).CorrectUsage(request, timeout=60)


@pytest.fixture
def data(tmp_path):
    """Two customers' events with seven properties each; one is amended, one void, and an id was used for two."""
    path = tmp_path / "data"
    events = [_event(number, str(number + 1), "acme" if number < 9 else "bolt") for number in range(12)]
    with (
        EngineProcess(path, "--event-age-max-days", "36525") as engine,
        open_channel(engine.target) as channel,
    ):
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        request = RecordUsageRequest(events=map(message_of, events))
        UsageServiceStub(channel).RecordUsage(request, timeout=120)
        changes = {"tokens": "50", "tier": "silver", "extra": "x"}
        _corrected(
            channel,
            "amended",
            ids=["e1", "e2"],
            amend=correction_pb2.AmendUsage(set_properties=changes),
        )
        _corrected(channel, "voided", ids=["e3"], void=correction_pb2.VoidUsage())
    store = UsageStore.open_embedded(path / "usage")
    try:
        # From a gateway that did not know the id.
        reused = columns_of([_event(4, "400")])
        for batch, _ in partition_batches(reused, store.latest_stamp_us() + 1, 1_000):
            store.insert(batch)
    finally:
        store.close()
    return path


def _read_by_many(target, snapshot, readers, scratch):
    """Each answer's name and digest, as each of the processes reads it."""
    as_of, revision = snapshot
    words = [sys.executable, READER, target, str(as_of.ToMicroseconds()), str(revision)]

    def read(number):
        seed = {"PYTHONHASHSEED": str(number)} if number else {}
        done = subprocess.run(
            [*words, _made(scratch / str(number))],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "METERLINE_API_KEY": os.environ["METERLINE_API_KEY"],
                **seed,
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with ThreadPoolExecutor(2) as pool:
        return [each for digests in pool.map(read, range(readers)) for each in digests.items()]


def _made(path):
    path.mkdir(parents=True)
    return path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("readers", [3, pytest.param(10, marks=pytest.mark.long)])
def test_every_answer_is_the_same_bytes_in_all_processes(data, tmp_path, monkeypatch, readers):
    """Messages, JSON, CSV, Parquet and tables: two engines one after the other, each asked by some fresh processes,
    with hash seeds of their own and with a random one.
    """
    engine = EngineProcess(data, "--event-age-max-days", "36525")
    snapshot, digests = None, defaultdict(set)
    for number in range(ENGINES):
        _set_hash_seed(monkeypatch, number)
        with engine:
            snapshot = snapshot or _settled(engine.target)
            for name, digest in _read_by_many(engine.target, snapshot, readers, tmp_path / str(number)):
                digests[name].add(digest)
    assert len(digests) == 29
    assert [name for name, found in digests.items() if len(found) > 1] == []


def _set_hash_seed(monkeypatch, number):
    """Of the processes that are started from now on; the first has a random one."""
    if number:
        monkeypatch.setenv("PYTHONHASHSEED", str(number))
    else:
        monkeypatch.delenv("PYTHONHASHSEED", raising=False)


def _settled(target):
    """A watermark at which the reused id is settled, and the revision of the catalog."""
    with open_channel(target) as channel:
        month = correction_pb2.ReconcileUsageRequest(
            period_start=Timestamp(seconds=1_748_736_000), period_end=Timestamp(seconds=1_751_328_000)
        )
        CorrectionServiceStub(channel).ReconcileUsage(month, timeout=60)
        spend = SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=60)
    return spend.as_of, spend.catalog_revision
