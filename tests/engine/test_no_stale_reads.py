"""Read your writes: a read that starts after an acknowledgement has what was acknowledged, whoever sent it, and nothing that was not sent."""

import random
import threading
from collections import Counter

import grpc
import pytest

from meterline.v1.entitlements_pb2 import CheckAccessRequest
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.metering_pb2 import QueryUsageRequest
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub

CALLERS = 6
CUSTOMERS = 3
DOCUMENT = """
meters: [{id: NAME_calls, event_type: NAME.call, aggregation: count}]
plans:
  - id: NAME
    name: P
    currency: USD
    billing_period: year
    prices: [{id: calls, meter: NAME_calls, model: per_unit, unit_amount: 1}]
    limits: [{id: NAME_quota, meter: NAME_calls, quantity: 1000000}]
customers: [CUSTOMERS]
subscriptions: [SUBSCRIPTIONS]
"""


class Counts:
    """Of each customer how many events were sent, and how many of them acknowledged."""

    def __init__(self):
        self._lock = threading.Lock()
        self.sent, self.acknowledged = Counter(), Counter()
        # What a read did not have, or had too much of: (what read, how many acknowledged before, read, sent by its end).
        self.wrong = []
        self.reads = Counter()

    def add(self, counter, customer, number):
        with self._lock:
            counter[customer] += number

    def check(self, kind, customer, acknowledged, read):
        with self._lock:
            self.reads[kind] += 1
            if not acknowledged <= read <= self.sent[customer]:
                self.wrong.append((kind, customer, acknowledged, read, self.sent[customer]))


@pytest.mark.parametrize(
    "pairs", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3_600)])]
)
def test_of_interleaved_writes_and_reads_none_is_stale(engine, apply, pairs, seed):
    """Six callers write and read three customers in turn, each read by one of four questions: not one lacks what was acknowledged."""
    name = f"stale{pairs}"
    owners = [f"{name}_c{number}" for number in range(CUSTOMERS)]
    apply(
        DOCUMENT.replace("CUSTOMERS", ", ".join(f"{{id: {each}, name: C}}" for each in owners))
        .replace(
            "SUBSCRIPTIONS",
            ", ".join(f"{{customer: {each}, plan: NAME, start: 2025-06-01}}" for each in owners),
        )
        .replace("NAME", name)
    )
    counts = Counts()
    failures = []

    def work(caller):
        dice = random.Random(f"{seed} {caller}")
        try:
            with grpc.insecure_channel(
                engine.target, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as channel:
                for number in range(pairs // CALLERS):
                    _write(channel, engine, name, counts, owners, f"{caller}-{number}", dice)
                    _read(channel, engine, name, counts, dice.choice(owners), dice)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(CALLERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert counts.wrong == []
    assert counts.reads.total() == pairs // CALLERS * CALLERS
    # All four questions were asked, and in the end each has everything.
    assert set(counts.reads) == {"GetSpend", "a quota", "QueryUsage", "its lines"}
    assert counts.acknowledged == counts.sent


def _metadata(engine):
    return (("authorization", f"Bearer {engine.api_key}"),)


def _write(channel, engine, name, counts, owners, mark, dice):
    """One request with one to three events of one customer."""
    owner, number = dice.choice(owners), dice.randint(1, 3)
    request = RecordUsageRequest()
    for place in range(number):
        event = UsageEvent(event_id=f"{name}-{mark}-{place}", event_type=f"{name}.call", customer_id=owner)
        event.event_time.GetCurrentTime()
        request.events.append(event)
    counts.add(counts.sent, owner, number)
    answer = UsageServiceStub(channel).RecordUsage(request, timeout=60, metadata=_metadata(engine))
    assert list(answer.verdicts) == [VERDICT_ACCEPTED] * number
    counts.add(counts.acknowledged, owner, number)


def _read(channel, engine, name, counts, owner, dice):
    kind = dice.choice(["GetSpend", "a quota", "QueryUsage", "its lines"])
    acknowledged = counts.acknowledged[owner]
    carried = {"timeout": 60, "metadata": _metadata(engine)}
    if kind == "a quota":
        asked = CheckAccessRequest(customer_id=owner, features=[f"{name}_quota"])
        answer = EntitlementServiceStub(channel).CheckAccess(asked, **carried)
        read = int(answer.features[0].limits[0].used)
    elif kind == "QueryUsage":
        asked = QueryUsageRequest(meter_id=f"{name}_calls", customer_ids=[owner])
        asked.period_start.FromJsonString("2025-06-01T00:00:00Z")
        asked.period_end.FromJsonString("2100-01-01T00:00:00Z")
        answer = MeteringServiceStub(channel).QueryUsage(asked, **carried)
        read = sum(int(each.quantity) for each in answer.rows)
    else:
        answer = SpendServiceStub(channel).GetSpend(GetSpendRequest(customer_id=owner), **carried)
        # A dollar for each call.
        read = (
            int(answer.spends[0].amount.partition(".")[0])
            if kind == "GetSpend"
            else sum(int(each.quantity) for each in answer.line_items)
        )
    counts.check(kind, owner, acknowledged, read)
