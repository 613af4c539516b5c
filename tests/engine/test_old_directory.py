"""A data directory of an older engine: opened by today's it keeps every event, and what of them has expired."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from engine.cluster.data_directory import FORMAT
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.usage.first_form_store import EXPIRED_CUSTOMERS, first_form_statements
from tests.support.usage.old_forms import FILL, FILL_TODAY, OF_FORM_1

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
client.command("CREATE DATABASE IF NOT EXISTS meterline ENGINE = Atomic")
client.database = "meterline"
for statement in sys.argv[2:]:
    client.command(statement.replace("'t1'", "'default'"))
client.close()
"""


def _run_by_an_older_engine(path, statements):
    subprocess.run([sys.executable, "-c", OLD_STORE, path, *statements], cwd=ROOT, check=True, timeout=180)


def test_an_engine_opens_an_older_directory_and_bills_what_was_in_it(tmp_path):
    """Events 0, 7, 14, .. 196 are c0's, on days 0 to 29 of November those below 30: 3 * (0 + 7 + 14 + 21 + 28)."""
    data = tmp_path / "data"
    with EngineProcess(data) as engine, open_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
    shutil.rmtree(data / "usage")
    statements = [
        OF_FORM_1,
        FILL.format(events=200, late=0, every=1),
        FILL.format(events=200, late=9, every=2),
    ]
    _run_by_an_older_engine(data / "usage", statements)
    (data / "format.json").write_text(json.dumps({"format": 1}))
    with engine, open_channel(engine.target) as channel:
        request = ListSpendRequest(at=Timestamp(seconds=1_794_000_000))
        (spend,) = SpendServiceStub(channel).ListSpend(request, timeout=120).totals
    assert (spend.amount, spend.event_count) == ("210.00", 5)
    assert json.loads((data / "format.json").read_text()) == {"format": FORMAT}
    assert FORMAT > 1


# Under which an engine of the first form kept the meter of CATALOG, and the digest that its line of November had.
FIRST_FORM_KEY = "5dac531b2c65e6676c633e656664eb83"
FIRST_FORM_DIGEST = "f324a9e004ed87ce5feee5036d331546"
DECEMBER_US = 1_796_083_200_000_000


def test_usage_that_expired_under_an_older_engine_is_billed_as_it_was(tmp_path):
    """The same events; those of November are gone, and what was rolled up of them has the digest that it had."""
    data = tmp_path / "data"
    with EngineProcess(data) as engine, open_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
    statements = [
        FILL_TODAY.format(events=200, late=0, every=1),
        "DROP TABLE expired_customers SYNC",
        EXPIRED_CUSTOMERS,
        *first_form_statements(
            {FIRST_FORM_KEY: "[]"},
            tenant="t1",
            customers=["c0"],
            before_us=DECEMBER_US,
            at_us=DECEMBER_US,
        ),
    ]
    _run_by_an_older_engine(data / "usage", statements)
    with engine, open_channel(engine.target) as channel:
        request = ListLineItemsRequest(at=Timestamp(seconds=1_794_000_000))
        (line,) = BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items
    assert (line.amount, line.event_count, line.event_digest) == ("210.00", 5, f"xor:{FIRST_FORM_DIGEST}")
