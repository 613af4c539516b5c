"""Ids used twice are settled: the first ingested stands, the rest are void, and old snapshots stay as they were."""

import itertools
import random
import threading
import time
from dataclasses import replace
from functools import partial

import pytest
import structlog

import engine.usage.corrections.reconciler as reconciler_module
from engine.cluster.locks import FileLocks
from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.errors import StoreUnavailableError
from engine.metrics import REGISTRY
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import FACTS_MAX, Kind, record_voids
from engine.usage.recording.committer import Committer
from engine.usage.recording.intake import Intake
from engine.usage.store.usage_store import UsageStore
from ingest import Admission, Fingerprinter, HotWindow, IngestClock, Limits, RequestKind, Verdict
from meterline.v1.usage_pb2 import RecordUsageRequest
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import message_of
from tests.support.usage.conflict_oracle import Log
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.digest_oracle import digest_of
from tests.support.usage.meter_reads import deliver
from tests.support.usage.reused_ids import (
    COUNT,
    CUSTOMERS,
    IDS,
    TIMES_US,
    as_quantities,
    decision,
    event_of,
    read,
)
from tests.support.usage.usage_histories import MONTH_US, PERIOD_US, random_meter
from tests.support.usage.usage_oracle import usage_by_oracle, version_of

LATEST = {"id": "m", "event_type": "call", "aggregation": "latest", "value": "value"}
LIMITS = Limits(
    request_events_max=4,
    insert_events_max=4,
    queue_events_max=4,
    hot_window_events_max=4,
    columns_events_max=4,
    event_age_max_s=10**9,
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

    def run(self, steps, *, look=True):
        try:
            for step in range(1, steps + 1):
                act = self.dice.choices((self.record, self.decide, self.reconcile), (6, 2, 2))[0]
                act(step)
                if look:
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


@pytest.mark.parametrize(
    ("histories", "steps"),
    [(2, 14), pytest.param(150, 30, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
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


def test_random_worlds_have_what_makes_reconciling_hard(tmp_path):
    """Ids with several versions, void and restored ones: a generator that lost one would prove nothing."""
    dice = random.Random("kinds")
    store = UsageStore.open_embedded(tmp_path / "usage")
    try:
        world = World(store, "t1", dice, IngestClock(0, lambda _: None), itertools.count(1).__next__)
        world.run(40, look=False)
    finally:
        store.close()
    versions = {(each["event_id"], version_of(each)) for each in world.log.events}
    assert len(versions) > len({event_id for event_id, _ in versions})
    assert any(voided and not by_people for _, _, voided, by_people in world.log.facts)
    assert any(not voided for _, _, voided, by_people in world.log.facts if by_people is True)
    assert any(by_people == "settled" for _, _, _, by_people in world.log.facts)


def test_a_late_void_of_the_reconciler_does_not_undo_a_person_s_decision(store, clock, now_us):
    """Two gateways found the same; between their facts a person brought the event back."""
    first, second = event_of(ingested_us=1), event_of(value="2", ingested_us=2)
    deliver(store, [first, second])
    while now_us() < 10:
        pass
    Reconciler(store, clock, now_us).next_pass()
    record_voids([decision(second, voided=False)], store, clock, now_us)
    late = replace(decision(second, voided=True), kind=Kind.ID_REUSED)
    record_voids([late], store, clock, now_us)
    assert read(store, COUNT, clock.watermark(now_us()))["acme", ()].quantity == 2


def test_a_void_comes_and_goes_with_its_instant(store, clock, now_us):
    """Count, digest and sum without the event, then as before; in between, and before, as it was then."""
    events = [event_of("a", "1", ingested_us=1), event_of("b", "2", ingested_us=1)]
    deliver(store, events)
    while now_us() < 10:
        pass
    meter = COUNT | {"aggregation": "sum", "value": "value"}
    before = read(store, meter, clock.watermark(now_us()))["acme", ()]
    assert (before.quantity, before.event_count) == (3, 2)
    voided_us = record_voids([decision(events[1], voided=True)], store, clock, now_us)
    during = read(store, meter, voided_us)["acme", ()]
    assert (during.quantity, during.event_count) == (1, 1)
    deliver(store, [event_of("c", "9", customer="bolt", ingested_us=voided_us + 1)])
    only_a = [event_of("a", "1", tenant="t2", ingested_us=1)]
    deliver(store, only_a)
    assert during.event_digest == read(store, meter, voided_us, "t2")["acme", ()].event_digest
    restored_us = record_voids([decision(events[1], voided=False)], store, clock, now_us)
    assert read(store, meter, restored_us)["acme", ()] == before
    assert read(store, meter, voided_us - 1)["acme", ()] == before
    assert read(store, meter, restored_us - 1)["acme", ()] == during


def test_a_void_takes_no_more_than_its_own_version(store, clock, now_us):
    """The same id of another tenant, customer, type, time or content stays; a retry of the void one stays void."""
    void = event_of(ingested_us=1)
    others = [
        event_of(ingested_us=1, tenant="t2"),
        event_of(ingested_us=1, customer="bolt"),
        event_of(ingested_us=1, event_type="other"),
        event_of(ingested_us=1, time_us=PERIOD_US[0] + 1),
        event_of("b", ingested_us=1),
        event_of(value="2", ingested_us=1),
    ]
    deliver(store, [void, *others])
    while now_us() < 10:
        pass
    stamp_us = record_voids([decision(void, voided=True)], store, clock, now_us)
    deliver(store, [{**void, "ingested_us": stamp_us + 1}])
    counts = {
        (tenant, event_type, key[0]): usage.quantity
        for tenant in ("t1", "t2")
        for event_type in ("call", "other")
        for key, usage in read(store, COUNT | {"event_type": event_type}, stamp_us + 1, tenant).items()
    }
    assert counts == {
        ("t2", "call", "acme"): 1,
        ("t1", "call", "bolt"): 1,
        ("t1", "other", "acme"): 1,
        ("t1", "call", "acme"): 3,
    }


def test_a_group_of_facts_that_would_be_stored_in_part_or_contradict_itself_is_refused(store, clock, now_us):
    """Before a stamp is taken."""
    both = [decision(event_of(), voided=voided) for voided in (True, False)]
    with pytest.raises(ValueError, match="two facts about one version"):
        record_voids(both, store, clock, now_us)
    many = [decision(event_of(f"{n}"), voided=True) for n in range(FACTS_MAX + 1)]
    with pytest.raises(ValueError, match="at most 200000"):
        record_voids(many, store, clock, now_us)
    assert record_voids([], store, clock, now_us) is None
    assert now_us() == 1


def test_of_versions_ingested_at_one_instant_the_earlier_event_stands(store, clock, now_us):
    """Then the lesser customer, then type, then hash: always one and the same."""
    events = [
        event_of(ingested_us=1, time_us=PERIOD_US[0] + 1),
        event_of(ingested_us=1, customer="bolt"),
        event_of(ingested_us=1, event_type="other"),
        event_of(value="3", ingested_us=1),
        event_of(value="2", ingested_us=1),
    ]
    deliver(store, events)
    assert Reconciler(store, clock, lambda: now_us() + 10).next_pass().voided == 4
    kept = min(events[3:], key=lambda each: content_hash(each["properties"]))
    expected = {("acme", ()): (int(kept["properties"]["value"]), 1, 0, digest_of([kept]))}
    assert as_quantities(read(store, LATEST, clock.watermark(now_us()))) == expected


def test_a_period_is_settled_with_versions_from_all_of_time(store, clock, now_us):
    """An id of the period may belong to an event years before, of another customer; other ids are left alone."""
    deliver(store, [event_of(time_us=PERIOD_US[0] - 20 * MONTH_US, customer="bolt", ingested_us=1)])
    deliver(store, [event_of(ingested_us=2), event_of("b", time_us=0, ingested_us=2)])
    deliver(store, [event_of("b", time_us=1, ingested_us=3)])
    reconciler = Reconciler(store, clock, lambda: now_us() + 10, events_at_once=1)
    assert reconciler.reconcile("t2", *PERIOD_US).voided == 0
    done = reconciler.reconcile("t1", *PERIOD_US)
    assert (done.events, done.voided) == (1, 1)
    assert read(store, COUNT, done.until_us) == {}
    assert reconciler.reconcile("t1", *PERIOD_US).voided == 0
    assert reconciler.reconcile(None, 0, 10).voided == 1


def test_a_period_is_settled_at_the_watermark_that_is_answered(store, clock, now_us, monkeypatch):
    """Also what was acknowledged while it was looked through: who bills at that watermark bills each id once."""
    deliver(store, [event_of(value="5", ingested_us=1)])
    while now_us() < 10:
        pass
    look_through = store.look_through
    late: list[int] = []

    def and_meanwhile(asked):
        rows = look_through(asked)
        if not late and "HAVING" in asked.sql:
            late.append(clock.begin(now_us()))
            deliver(store, [event_of(value="7", ingested_us=late[0])])
            clock.end(late[0])
        return rows

    monkeypatch.setattr(store, "look_through", and_meanwhile)
    done = Reconciler(store, clock, now_us).reconcile("t1", *PERIOD_US)
    assert late
    assert done.until_us >= late[0]
    assert read(store, COUNT, done.until_us)["acme", ()].quantity == 1


def test_very_many_versions_of_one_id_are_settled_in_bounded_steps(store, clock, now_us, monkeypatch):
    """A producer that gives every event the same id: seven facts at a time, and one event stands."""
    monkeypatch.setattr(reconciler_module, "_FACTS_AT_ONCE", 7)
    monkeypatch.setattr(reconciler_module, "_IDS_AT_ONCE", 2)
    events = [event_of(event_id, time_us=PERIOD_US[0] + n) for event_id in "abcde" for n in range(30)]
    deliver(store, [{**each, "ingested_us": 1 + n} for n, each in enumerate(events)])
    reconciler = Reconciler(store, clock, lambda: now_us() + 1_000)
    counted = REGISTRY.get_sample_value("meterline_reconciled_events_total")
    with structlog.testing.capture_logs() as lines:
        assert reconciler.next_pass().voided == 5 * 29
    assert REGISTRY.get_sample_value("meterline_reconciled_events_total") - counted == 5 * 29
    assert 5 <= len(lines) < 29
    assert lines[-1]["voided_events"] == 5 * 29 - (len(lines) - 1)
    assert read(store, COUNT, clock.watermark(now_us() + 1_000))["acme", ()].quantity == 5


class Failing:
    """A store whose next inserts fail, before or after they are stored."""

    def __init__(self, store, fails):
        self._store, self._fails = store, fails

    def __getattr__(self, name):
        real = getattr(self._store, name)
        if name not in ("insert_voids", "execute"):
            return real

        def perhaps(*arguments):
            how = next(self._fails, "never")
            if how != "before":
                real(*arguments)
            if how != "never":
                raise StoreUnavailableError("no store", retry_after_ms=1)

        return perhaps


@pytest.mark.parametrize("where", range(2))
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_pass_that_is_cut_short_is_made_up_for(store, clock, now_us, where, how):
    """At its facts or at its position, stored or not: the next pass ends where one pass would have."""
    events = [event_of(ingested_us=1), event_of(value="2", ingested_us=2), event_of("b", ingested_us=3)]
    deliver(store, events)
    fails = iter(["never"] * where + [how])
    reconciler = Reconciler(Failing(store, fails), clock, lambda: now_us() + 10)
    with pytest.raises(StoreUnavailableError):
        reconciler.next_pass()
    reconciler.next_pass()
    assert reconciler.next_pass().events == 0
    expected = {("acme", ()): (1, 2, 0, digest_of([events[0], events[2]]))}
    assert as_quantities(read(store, LATEST, clock.watermark(now_us() + 10))) == expected


def test_two_reconcilers_at_once_end_where_one_would(store, clock, now_us):
    """Racing through the same stretches in small steps: 40 ids with three versions each leave 40."""
    events = [event_of(f"{n % 40}", f"{n // 40}", ingested_us=n + 1) for n in range(120)]
    deliver(store, events)
    racers = [Reconciler(store, clock, lambda: now_us() + 1_000, events_at_once=9) for _ in range(2)]
    failures = []

    def race(reconciler):
        try:
            while reconciler.next_pass().events:
                pass
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=race, args=(each,)) for each in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    meter = COUNT | {"aggregation": "sum", "value": "value"}
    found = read(store, meter, clock.watermark(now_us() + 1_000))["acme", ()]
    assert (found.quantity, found.event_count) == (0, 40)


def test_one_loop_of_a_directory_works_and_the_next_takes_over(store, clock, now_us, tmp_path):
    """The second finds the lock taken until the first has ended."""
    locks = FileLocks(tmp_path)

    def looping(passes):
        class Counting:
            def next_pass(self):
                passes.append(1)

        return UpkeepLoop(
            "counting", Counting(), partial(locks.try_hold, "reconciler"), lambda: 0, pace=Pace(0)
        )

    first, second = [], []
    one, two = looping(first), looping(second)
    one.start()
    _until(lambda: first)
    two.start()
    one.stop()
    _until(lambda: second)
    two.stop()


def _until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
