"""A data directory of an older form: opened by today's engine it keeps every event, and no older engine opens it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from test_migration import FILL, OF_FORM_1

from engine.cluster.data_directory import FORMAT
from examples.engine_process import EngineProcess
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub

ROOT = Path(__file__).parents[2]
CATALOG = """
meters: [{id: v, event_type: call, aggregation: sum, value: v}]
plans:
  - id: p
    name: P
    currency: USD
    prices: [{id: v, meter: v, model: per_unit, unit_amount: "1"}]
customers: [{id: c0, name: C}]
subscriptions: [{customer: c0, plan: p, start: 2026-11-01}]
"""
# Makes a usage store as an older engine did, in a process of its own.
OLD_STORE = """
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
for statement in ("CREATE DATABASE meterline ENGINE = Atomic", *sys.argv[2:]):
    client.command(statement.replace("'t1'", "'default'"))
client.close()
"""


def test_an_engine_opens_an_older_directory_and_bills_what_was_in_it(tmp_path):
    """Events 0, 7, 14, .. 196 are c0's, on days 0 to 29 of November those below 30: 3 * (0 + 7 + 14 + 21 + 28)."""
    data = tmp_path / "data"
    with EngineProcess(data) as engine, grpc.insecure_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=30)
    shutil.rmtree(data / "usage")
    statements = [
        OF_FORM_1,
        FILL.format(events=200, late=0, every=1),
        FILL.format(events=200, late=9, every=2),
    ]
    subprocess.run(
        [sys.executable, "-c", OLD_STORE, data / "usage", *statements], cwd=ROOT, check=True, timeout=180
    )
    (data / "format.json").write_text(json.dumps({"format": 1}))
    with engine, grpc.insecure_channel(engine.target) as channel:
        request = ListSpendRequest(at=Timestamp(seconds=1_794_000_000))
        (spend,) = SpendServiceStub(channel).ListSpend(request, timeout=30).totals
    assert (spend.amount, spend.event_count) == ("210.00", 5)
    assert json.loads((data / "format.json").read_text()) == {"format": FORMAT}
    assert FORMAT > 1
