"""Producers and readers around running gateways, and the books they keep: what was sent, what was acknowledged,
and what every read saw.

The invariant: what was acknowledged is stored exactly once, what is stored was sent, a read has all that was
acknowledged before it, and a snapshot read again gives the same bytes.
"""

import contextlib
import random
import threading
import time
from collections import Counter
from decimal import Decimal

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    PropertyValue,
    RecordUsageRequest,
    RecordUsageResponse,
    UsageEvent,
)

JUNE_10 = 1_749_513_600  # 2025-06-10T00:00:00Z
MAY_10 = JUNE_10 - 31 * 86_400
AT = Timestamp(seconds=JUNE_10)
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}
# Short times, so that a hanging store is given up within the test's patience.
PATIENCE = {
    "connect_timeout_s": 1,
    "insert_timeout_s": 2,
    "read_timeout_s": 3,
    "answer_margin_s": 1,
    "lease_s": 10,
    "watermark_timeout_s": 5,
}
# After the trouble, everything must be acknowledged within this.
_PATIENCE_S = 60
# A connection of its own for each channel, and quick to try again.
_CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]

CATALOG = """
meters: [{id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens}]
plans: [{id: NAME, name: P, currency: USD, prices: [{id: x, meter: NAME_tokens, model: per_unit, unit_amount: 1}]}]
customers: [{id: NAME_acme, name: Acme}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2025-06-01}]
"""


def channel_to(target):
    return open_channel(target, options=_CHANNEL)


def apply_catalog(target, name):
    with channel_to(target) as channel:
        request = ApplyCatalogRequest(document=CATALOG.replace("NAME", name), file_name="test.yaml")
        return CatalogServiceStub(channel).ApplyCatalog(request, timeout=120, wait_for_ready=True).revision


class Books:
    """What one test sent, was acknowledged and read. Events of June count; each batch has some of May, which lie
    in another partition.
    """

    def __init__(self, name, targets, revision):
        self.name = name
        self.targets = targets
        self.revision = revision
        self._lock = threading.Lock()
        self.sent = {}  # event id: (tokens, whether it counts)
        self.acknowledged = set()
        self.verdicts = Counter()
        self.refusals = Counter()
        self.reads = 0
        self._snapshots = []
        self._numbers = iter(range(1 << 60))

    def batch(self, moments, size=20):
        """The bytes of one request, written down as sent."""
        with self._lock:
            ids = [f"{self.name}-{next(self._numbers)}" for _ in range(size)]
        events = []
        for k, event_id in enumerate(ids):
            tokens = str(Decimal(moments.randrange(1, 10**9)) / 1000)
            counts = k % 4 != 0
            self.sent[event_id] = (tokens, counts)
            events.append(
                UsageEvent(
                    event_id=event_id,
                    event_type=f"{self.name}.call",
                    customer_id=f"{self.name}_acme",
                    event_time=Timestamp(seconds=JUNE_10 if counts else MAY_10, nanos=k * 1000),
                    properties={"tokens": PropertyValue(string_value=tokens)},
                )
            )
        return ids, RecordUsageRequest(events=events).SerializeToString()

    def send(self, channel, ids, request, timeout_s=20):
        """Sends once; whether it was acknowledged."""
        call = channel.unary_unary("/meterline.v1.UsageService/RecordUsage")
        try:
            answer = RecordUsageResponse.FromString(call(request, timeout=timeout_s))
        except grpc.RpcError as error:
            if error.code() not in _PASSING:
                raise
            with self._lock:
                self.refusals[error.code().name] += 1
            return False
        assert set(answer.verdicts) <= {VERDICT_ACCEPTED, VERDICT_DUPLICATE}, answer
        with self._lock:
            self.acknowledged.update(ids)
            self.verdicts.update(answer.verdicts)
        return True

    def read(self, channel, timeout_s=20):
        """One read: it has what was acknowledged before it began, and nothing that was not sent."""
        counting = [event_id for event_id in list(self.acknowledged) if self.sent[event_id][1]]
        request = ListLineItemsRequest(at=AT, catalog_revision=self.revision, customer_id=f"{self.name}_acme")
        call = channel.unary_unary("/meterline.v1.BillingService/ListLineItems")
        try:
            answer = ListLineItemsResponse.FromString(call(request.SerializeToString(), timeout=timeout_s))
            request.as_of.CopyFrom(answer.as_of)
            again = call(request.SerializeToString(), timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() not in _PASSING:
                raise
            with self._lock:
                self.refusals["read " + error.code().name] += 1
            return None
        (line,) = answer.line_items
        assert len(counting) <= line.event_count <= len(self.sent), (len(counting), line.event_count)
        self.reads += 1
        self._snapshots.append((request.SerializeToString(), again))
        return line

    def run(self, *, seconds, producers=4, disturb=lambda: None, pause_s=0.0):
        """Produces and reads while `disturb` runs and so long after it; what is not acknowledged by then is sent
        until it is.
        """
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        failures = []
        ended = threading.Event()

        def guarded(work, *arguments):
            channels = [channel_to(target) for target in self.targets]
            try:
                work(channels, ended, *arguments)
            except Exception as error:
                failures.append(error)
                raise
            finally:
                for channel in channels:
                    channel.close()

        works = [(self._produce, random.Random(f"{seed}-{k}"), pause_s) for k in range(producers)]
        threads = [threading.Thread(target=guarded, args=work) for work in [*works, (self._read_on,)]]
        for thread in threads:
            thread.start()
        try:
            disturb()
            time.sleep(seconds)
        finally:
            ended.set()
        for thread in threads:
            thread.join(_PATIENCE_S + 60)
            assert not thread.is_alive()
        assert failures == []

    def _produce(self, channels, ended, moments, pause_s):
        while not ended.is_set():
            ids, request = self.batch(moments)
            patient_until = None
            while not self.send(moments.choice(channels), ids, request):
                if ended.is_set():
                    patient_until = patient_until or time.monotonic() + _PATIENCE_S
                    assert time.monotonic() < patient_until, "not acknowledged in time"
                time.sleep(0.02)
            # A producer may have missed its answer, and sends again, wherever.
            if moments.random() < 0.2:
                self.send(moments.choice(channels), ids, request)
            time.sleep(pause_s)

    def _read_on(self, channels, ended):
        while not ended.is_set():
            for channel in channels:
                self.read(channel)
            time.sleep(0.05)

    def check(self, url):
        """At the end: stored exactly once, each with what was sent; and `check_usage`."""
        with contextlib.closing(UsageStore.open_server(read_server_address(url))) as store:
            rows = store.query(
                Query(
                    "SELECT event_id, properties['tokens'] FROM events FINAL WHERE event_type = {type:String}",
                    {"type": f"{self.name}.call"},
                )
            )
        stored = Counter(row[0] for row in rows)
        assert set(stored) == set(self.sent)
        assert max(stored.values(), default=1) == 1
        assert dict(rows) == {event_id: tokens for event_id, (tokens, _) in self.sent.items()}
        self.check_usage()

    def check_usage(self):
        """Usage as this test's own sum; every snapshot that was read gives the same bytes again, at every gateway."""
        assert self.acknowledged == set(self.sent)
        expected = sum((Decimal(tokens) for tokens, counts in self.sent.values() if counts), Decimal(0))
        for target in self.targets:
            with channel_to(target) as channel:
                line = self.read(channel)
                assert line is not None, self.refusals
                assert Decimal(line.quantity) == expected
                assert line.event_count == sum(counts for _, counts in self.sent.values())
                call = channel.unary_unary("/meterline.v1.BillingService/ListLineItems")
                # All of them would take long: the first, the last, and some between.
                for request, answer in self._snapshots[:: max(1, len(self._snapshots) // 20)]:
                    assert call(request, timeout=120) == answer
        print(
            f"{len(self.sent)} events, {self.reads} reads, verdicts {dict(self.verdicts)}, refused {dict(self.refusals)}"
        )
