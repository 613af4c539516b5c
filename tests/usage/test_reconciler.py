"""Ids used twice are settled: the first ingested stands, the rest are void, and old snapshots stay as they were."""

import itertools
import random
import threading

import pytest
from admission_oracle import Row
from conflict_oracle import Log
from content_hashes import content_hash
from event_columns import message_of
from meter_reads import deliver, usage_by_store
from usage_histories import MONTH_US, PERIOD_US, random_meter
from usage_oracle import usage_by_oracle, version_of

from engine.errors import StoreUnavailableError
from engine.usage.committer import Committer
from engine.usage.intake import Intake
from engine.usage.queries import Query
from engine.usage.reconciler import Reconciler
from engine.usage.store import UsageStore
from engine.usage.voids import EventKey, Kind, Void, record_voids
from ingest import Admission, Fingerprinter, HotWindow, IngestClock, Limits, RequestKind, Verdict
from meterline.v1.usage_pb2 import RecordUsageRequest

CUSTOMERS = ("acme", "bolt", "'; DROP TABLE events; --")
IDS = ("a", "b", "'", '"\\', "\x00", "\N{ROCKET}{ids:Array(UInt64)}", "%(x)s\n")
TIMES_US = (PERIOD_US[0], PERIOD_US[0] + 1, PERIOD_US[1] - 1, PERIOD_US[0] - MONTH_US)
COUNT = {"id": "m", "event_type": "call", "aggregation": "count"}
LATEST = {"id": "m", "event_type": "call", "aggregation": "latest", "value": "value"}
LIMITS = Limits(
    request_events_max=4, insert_events_max=4, queue_events_max=4, hot_window_events_max=4, event_age_max_s=10**9
)


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return IngestClock(0, lambda _ceiling_us: None)


@pytest.fixture
def now_us():
    return itertools.count(1).__next__


def key_of(event):
    return EventKey(
        event["tenant"],
        event["customer"],
        event["event_type"],
        event["time_us"],
        event["event_id"],
        content_hash(event["properties"]),
    )


def event_of(event_id="a", value="1", *, ingested_us=0, **fields):
    made = {
        "tenant": "t1",
        "event_id": event_id,
        "event_type": "call",
        "customer": "acme",
        "time_us": PERIOD_US[0],
        "properties": {"value": value},
        "ingested_us": ingested_us,
    }
    return made | fields


def decision(event, *, voided):
    return Void(
        event=key_of(event),
        voided=voided,
        kind=Kind.CORRECTION,
        correction_id="c",
        reason="said so",
        recorded_by="p",
    )


def read(store, meter, as_of_us, tenant="t1"):
    return usage_by_store(
        store, meter, tenant=tenant, customers=list(CUSTOMERS), period_us=PERIOD_US, as_of_us=as_of_us
    )


class Gateway:
    """One engine's way in: its own window and fingerprints, a clock and a store that it shares."""

    def __init__(self, store, clock, now_us, secret):
        admission = Admission(LIMITS, {"call": frozenset(), "other": frozenset()})
        self.committer = Committer(store, HotWindow(4), clock, LIMITS, now_us)
        self.intake = Intake(
            self.committer, lambda _tenant: admission, Fingerprinter(secret), LIMITS, lambda: PERIOD_US[1]
        )
        self.committer.start()
        self.intake.start()

    def record(self, tenant, events):
        messages = [
            message_of(
                Row(
                    tenant,
                    each["event_id"],
                    each["event_type"],
                    each["customer"],
                    each["time_us"],
                    tuple(each["properties"].items()),
                )
            )
            for each in events
        ]
        data = RecordUsageRequest(events=messages).SerializeToString()
        recorded = self.intake.submit(tenant, RequestKind.RECORD, data).result(60)
        return [Verdict(each) for each in recorded.verdicts.tolist()]

    def stop(self):
        self.intake.drain()
        self.committer.drain()


class World:
    """Two gateways over one store beside the oracle's log; every step has a watermark that is never forgotten."""

    def __init__(self, store, tenant, dice, clock, now_us):
        self.store, self.tenant, self.dice, self.clock, self.now_us = store, tenant, dice, clock, now_us
        self.gateways = [Gateway(store, clock, now_us, bytes([number])) for number in range(2)]
        self.reconcilers = [Reconciler(store, clock, now_us, dice.choice((1, 5, 1_000))) for _ in range(2)]
        self.log, self.sent, self.seen = Log(), [], []

    def run(self, steps):
        try:
            for step in range(1, steps + 1):
                act = self.dice.choices((self.record, self.decide, self.reconcile), (6, 1, 2))[0]
                act(step)
                self.look(step)
        finally:
            for gateway in self.gateways:
                gateway.stop()
        for meter, as_of_us, rows, expected in self.seen:
            again = read(self.store, meter, as_of_us, self.tenant)
            assert again == rows, (meter, as_of_us)
            assert as_quantities(again) == expected, (meter, as_of_us)

    def record(self, step):
        events = [self.random_event() for _ in range(self.dice.randint(1, 4))]
        verdicts = self.dice.choice(self.gateways).record(self.tenant, events)
        for event, verdict in zip(events, verdicts, strict=True):
            known = self.log.versions_of(self.tenant, event["event_id"])
            same = [each for each in known if version_of(each) == version_of(event)]
            if verdict is Verdict.ACCEPTED:
                self.log.accept(step, event)
                self.sent.append(event)
            elif verdict is Verdict.DUPLICATE:
                assert same
            else:
                assert verdict is Verdict.CONFLICT
                assert known

    def random_event(self):
        if self.sent and self.dice.random() < 0.25:
            return self.dice.choice(self.sent)
        return event_of(
            self.dice.choice(IDS),
            self.dice.choice(("1", "2", "2.0", "many")),
            tenant=self.tenant,
            event_type=self.dice.choice(("call", "call", "call", "other")),
            customer=self.dice.choice(CUSTOMERS),
            time_us=self.dice.choice(TIMES_US),
        )

    def decide(self, step):
        if self.log.events:
            event, voided = self.dice.choice(self.log.events), self.dice.random() < 0.5
            record_voids([decision(event, voided=voided)], self.store, self.clock, self.now_us)
            self.log.decide(step, event, voided)

    def reconcile(self, step):
        """In full: pass after pass, or exactly over all time."""
        reconciler = self.dice.choice(self.reconcilers)
        before = len(self.log.facts)
        if self.dice.random() < 0.5:
            done = reconciler.reconcile(self.tenant, 0, PERIOD_US[1] * 2)
            assert done.voided == len(self.log.reconcile(step))
            return
        while reconciler.next_pass().events:
            pass
        self.log.reconcile(step, lambda event: event["ingested_us"] > self.looked_at)
        self.looked_at = step
        assert before <= len(self.log.facts)

    looked_at = 0

    def look(self, step):
        """What the store says of this step now, and what the oracle says; kept for ever."""
        as_of_us = self.clock.watermark(self.now_us())
        for meter in (random_meter(self.dice), self.dice.choice((COUNT, LATEST))):
            rows = read(self.store, meter, as_of_us, self.tenant)
            expected = usage_by_oracle(
                self.log.alive(step),
                meter,
                tenant=self.tenant,
                customers=CUSTOMERS,
                period_us=PERIOD_US,
                as_of_us=step,
            )
            assert as_quantities(rows) == expected, (step, meter)
            self.seen.append((meter, as_of_us, rows, expected))


def as_quantities(found):
    return {key: (each.quantity, each.event_count, each.unreadable_event_count) for key, each in found.items()}


@pytest.mark.parametrize(
    ("histories", "steps"),
    [(3, 14), pytest.param(150, 30, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def test_two_gateways_and_a_slow_oracle_see_the_same_world(tmp_path, seed, histories, steps):
    """Retries, ids used again with every kind of difference, people's decisions and passes, in random order."""
    for history in range(histories):
        store = UsageStore.open_embedded(tmp_path / f"{history}")
        try:
            dice = random.Random(f"{seed}-{history}")
            World(store, "t'1", dice, IngestClock(0, lambda _: None), itertools.count(1).__next__).run(steps)
        finally:
            store.close()
