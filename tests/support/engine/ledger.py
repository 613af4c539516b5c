"""What a test sent to an engine, what it was told, and what must therefore be stored and billed.

The model is that of `admission_oracle`: protobuf reads each request, plain Python decides what its events are.
"""

import contextlib
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from engine.usage.store.usage_store import UsageStore
from examples.engine_process import EngineProcess
from ingest import Limits
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    PropertyValue,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.ingest import admission_oracle
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import rows_of

JUNE_10 = 1_749_513_600  # 2025-06-10T00:00:00Z
AGE_MAX_DAYS = 36_525
CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: [{id: tokens, meter: tokens, model: per_unit, unit_amount: 1}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: pro, start: 2025-06-01}]
"""


def event(event_id, tokens="1", seconds=JUNE_10, **properties):
    return UsageEvent(
        event_id=event_id,
        event_type="call",
        customer_id="acme",
        event_time=Timestamp(seconds=seconds),
        properties={"tokens": PropertyValue(string_value=tokens)}
        | {name: PropertyValue(string_value=text) for name, text in properties.items()},
    )


def rss_mib(engine):
    """The engine's resident memory."""
    for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise ValueError("no VmRSS")


@contextlib.contextmanager
def kept_ledger(data):
    """A new engine in a process of its own, a channel to it, and the ledger, which is settled at the end."""
    with EngineProcess(data, "--event-age-max-days", str(AGE_MAX_DAYS)) as engine:
        with open_channel(engine.target) as channel:
            ledger = Ledger(channel)
            yield engine, channel, ledger
            billed = ledger.billed()
        engine.stop()
        stored = ledger.check_store(data)
        assert billed == expected_bill(stored)


@contextlib.contextmanager
def watched_memory(engine, what, growth_mib_max):
    """Prints how far the engine's memory has gone up once all is over, and holds it to a generous bound."""
    before = rss_mib(engine)
    yield
    until = time.monotonic() + 60
    while (after := rss_mib(engine)) > before + growth_mib_max and time.monotonic() < until:
        time.sleep(0.5)
    print(f"{what}: {before} MiB before, {after} after")
    assert after <= before + growth_mib_max


def expected_bill(rows):
    """Quantity and number of acme's events in June."""
    june = [
        dict(row.properties)
        for row in rows
        if (row.customer_id, row.event_type) == ("acme", "call")
        and JUNE_10 - 9 * 86_400 <= row.event_time_us // 1_000_000 < JUNE_10 + 21 * 86_400
    ]
    return sum((Decimal(each.get("tokens", "0")) for each in june), Decimal(0)), len(june)


class Ledger:
    """One engine with the catalog above and events of any age, and all that is sent to it."""

    def __init__(self, channel):
        self._limits = Limits(event_age_max_s=AGE_MAX_DAYS * 86_400)
        request = ApplyCatalogRequest(document=CATALOG, file_name="ledger.yaml")
        CatalogServiceStub(channel).ApplyCatalog(request, timeout=60)
        self._channel = channel
        self.sent = set()
        self.acknowledged = set()

    def judged(self, data):
        """What the oracle makes of a request's events, as lists; None if the bytes are no request."""
        try:
            events = RecordUsageRequest.FromString(data).events
        except DecodeError:
            return None
        now_us = time.time_ns() // 1000
        return admission_oracle.admit(
            self._limits, {"call": frozenset({"tokens"})}, "default", list(events), now_us
        )

    def sending(self, events):
        """Every event of good form that leaves may be stored, whatever becomes of its call."""
        return self.sending_bytes(RecordUsageRequest(events=events).SerializeToString())

    def sending_bytes(self, data):
        rows = self.judged(data) or []
        self.sent |= {row for row in rows if isinstance(row, Row)}
        return rows

    def answered(self, rows, verdicts):
        """A verdict for each; what is accepted or a duplicate is acknowledged."""
        assert len(rows) == len(verdicts)
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict in (VERDICT_ACCEPTED, VERDICT_DUPLICATE):
                assert isinstance(row, Row), f"acknowledged, though it breaks a rule: {row}"
                self.acknowledged.add(row)

    def record(self, *events, timeout=60):
        rows = self.sending(events)
        answer = UsageServiceStub(self._channel).RecordUsage(
            RecordUsageRequest(events=events), timeout=timeout
        )
        self.answered(rows, answer.verdicts)
        return answer

    def billed(self):
        """Quantity and number of acme's events in June, as the engine bills them."""
        request = GetSpendRequest(customer_id="acme", at=Timestamp(seconds=JUNE_10))
        (line,) = SpendServiceStub(self._channel).GetSpend(request, timeout=60).line_items
        return Decimal(line.quantity), line.event_count

    def check_store(self, data):
        """After the engine has stopped: acknowledged is stored, once; stored was sent. The rows."""
        store = UsageStore.open_embedded(data / "usage")
        try:
            stored = set(rows_of(store.recent_events(10_000_000)))
        finally:
            store.close()
        assert self.acknowledged - stored == set()
        assert stored - self.sent == set()
        twice = [key for key, count in Counter(row.event_id for row in stored).items() if count > 1]
        assert twice == []
        return stored
