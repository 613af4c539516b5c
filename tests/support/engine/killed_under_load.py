"""Producers that send to an engine which is killed again and again, and what they know of it afterwards."""

import random
import threading
import time
from dataclasses import dataclass, field

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    PropertyValue,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub

CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - id: p
    name: P
    currency: USD
    billing_period: month
    prices: [{id: tokens, meter: tokens, model: per_unit, unit_amount: 1}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2026-03-01}]
"""
# The 15th of March and of April 2026, noon: two partitions, two billing periods.
MONTHS_S = (1_773_576_000, 1_776_254_400)
# What meterline.Client sends again as well; a stop may break off a call that came in at the last moment.
_PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


@dataclass
class Producers:
    """Threads that send requests of a few events over both months, each until it is acknowledged or given up."""

    target: str
    random: random.Random
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    retries: int = 0

    def __post_init__(self):
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._produce, args=(f"p{number}", random.Random(self.random.random())))
            for number in range(4)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_acknowledgements(self, more):
        """Until so many more events are acknowledged."""
        enough, deadline = len(self.acknowledged) + more, time.monotonic() + 60
        while len(self.acknowledged) < enough:
            assert time.monotonic() < deadline, "no events are acknowledged any more"
            time.sleep(0.005)

    def _produce(self, name, mine):
        number = 0
        with open_channel(self.target, options=[("grpc.initial_reconnect_backoff_ms", 50)]) as channel:
            record = UsageServiceStub(channel).RecordUsage
            while not self._stop.is_set():
                events = [self._event(f"{name}-{number + k}", mine) for k in range(mine.randint(1, 20))]
                number += len(events)
                self._deliver(record, RecordUsageRequest(events=events), mine)

    def _event(self, event_id, mine):
        month, tokens = mine.randrange(2), mine.randint(0, 99)
        self.sent[event_id] = (month, tokens)
        return UsageEvent(
            event_id=event_id,
            event_type="call",
            customer_id="acme",
            event_time=Timestamp(seconds=MONTHS_S[month]),
            properties={"tokens": PropertyValue(int_value=tokens)},
        )

    def _deliver(self, record, request, mine):
        while not self._stop.is_set():
            try:
                answer = record(request, timeout=10, wait_for_ready=False)
            except grpc.RpcError as error:
                if error.code() not in _PASSING:
                    self.wrong.append(str(error))
                    return
                self.retries += 1
                if mine.random() < 0.05:
                    return
                time.sleep(0.1)
                continue
            if not set(answer.verdicts) <= {VERDICT_ACCEPTED, VERDICT_DUPLICATE}:
                self.wrong.append(str(answer))
            self.acknowledged.update(event.event_id for event in request.events)
            # Now and then the answer gets lost on the way.
            if mine.random() > 0.05:
                return

    def usage(self, ids):
        """Tokens by month of these events."""
        totals = [0, 0]
        for event_id in ids:
            month, tokens = self.sent[event_id]
            totals[month] += tokens
        return totals


def read_usage(target, as_of=None):
    """Tokens by month as the engine bills them, and the watermark that both were read at."""
    totals = []
    with open_channel(target) as channel:
        for at_s in MONTHS_S:
            request = ListLineItemsRequest(customer_id="acme", at=Timestamp(seconds=at_s), as_of=as_of)
            answer = BillingServiceStub(channel).ListLineItems(request, timeout=120, wait_for_ready=True)
            as_of = answer.as_of
            totals.append(sum(int(line.quantity) for line in answer.line_items))
    return totals, as_of


def stored_ids(path):
    """The id of each event in the store of an engine that has ended, as often as it is there."""
    store = UsageStore.open_embedded(path)
    try:
        return [event_id for (event_id,) in store.query(Query("SELECT event_id FROM events FINAL", {}))]
    finally:
        store.close()
