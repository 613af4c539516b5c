"""The shared order of ingestion: several gateways on one database, in simulated time and in real processes."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete

from engine.cluster.gateway_files import GatewayFiles
from engine.cluster.shared_clock import CEILING_STEP_US, SharedClock, Surroundings
from engine.errors import StoreUnavailableError
from engine.sql.database import open_database
from engine.sql.schema import INGEST_IN_FLIGHT, INGEST_ORDER

ROOT = Path(__file__).parents[2]
LEASE_US = 60_000_000
START_US = 1_793_491_200_000_000


class World:
    """A store in which inserts land at any later moment unless they are called off, gateways that die, and time."""

    def __init__(self, path):
        url = f"sqlite:///{path}"
        self.quick, self.power_safe = open_database(url, power_safe=False), open_database(url)
        self.reset()

    def reset(self):
        with self.quick.writing() as connection:
            for table in (INGEST_ORDER, INGEST_IN_FLIGHT):
                connection.execute(delete(table))
        self.now_us = START_US
        self.pending = set()
        self.landed = set()
        self.dead = set()
        self.store_is_out = False
        self.while_waiting = lambda: None

    def clock(self, name, *, alone=False):
        surroundings = Surroundings(lambda: self.now_us, self.sleep, self.call_off, self.dead.__contains__)
        clock = SharedClock(
            self.quick, self.power_safe, name, surroundings, lease_us=LEASE_US, wait_ms_max=50
        )
        clock.start(max(self.landed, default=0), alone=alone)
        return clock

    def sleep(self, ms):
        self.now_us += ms * 1000
        self.while_waiting()

    def call_off(self, spans):
        if self.store_is_out:
            raise StoreUnavailableError("the store is out", retry_after_ms=1)
        self.pending = {stamp for stamp in self.pending if not any(a <= stamp <= b for a, b in spans)}

    def seen_at(self, watermark_us):
        return frozenset(stamp for stamp in self.landed if stamp <= watermark_us)

    def close(self):
        self.quick.close()
        self.power_safe.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database with its tables made."""
    path = tmp_path_factory.mktemp("empty") / "clock.sqlite"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def world(empty, tmp_path):
    shutil.copy(empty, tmp_path / "clock.sqlite")
    made = World(tmp_path / "clock.sqlite")
    yield made
    made.close()


class Order(RuleBasedStateMachine):
    """Three gateways begin, store, fail, hang, die and come back; the store goes out; time jumps both ways."""

    shared_world = None

    def __init__(self):
        super().__init__()
        self.world = Order.shared_world
        self.world.reset()
        self.clocks = {}
        self.names = iter(range(10_000))
        self.open_groups = {}  # stamp: the gateway that waits for its insert
        self.handed_out = [0]
        self.joined_at = 0
        self.acknowledged = set()
        self.snapshots = []

    @initialize()
    def three_gateways_start(self):
        for alone in (True, False, False):
            self._start(alone)

    def _start(self, alone):
        name = str(next(self.names))
        self.joined_at = max(self.handed_out)
        self.clocks[name] = self.world.clock(name, alone=alone)

    def _pick(self, names, pick):
        return sorted(names)[pick % len(names)]

    @rule(pick=st.integers(0, 9))
    def record(self, pick):
        """The common case: begun, stored, acknowledged."""
        if (stamp := self._begin(pick)) is not None:
            self._acknowledge(stamp)

    @rule(pick=st.integers(0, 9))
    def begin(self, pick):
        self._begin(pick)

    def _begin(self, pick):
        name = self._pick(self.clocks, pick)
        try:
            stamp = self.clocks[name].begin(self.world.now_us)
        except StoreUnavailableError:
            assert self.world.store_is_out
            return None
        assert stamp > max(self.handed_out)
        self.handed_out.append(stamp)
        self.open_groups[stamp] = name
        self.world.pending.add(stamp)
        return stamp

    @precondition(lambda self: self.open_groups)
    @rule(pick=st.integers(0, 9))
    def store_and_acknowledge(self, pick):
        self._acknowledge(self._pick(self.open_groups, pick))

    def _acknowledge(self, stamp):
        name = self.open_groups.pop(stamp)
        if stamp not in self.world.pending and stamp not in self.world.landed:
            self.clocks[name].abandon(stamp)  # its insert was called off
            return
        self._land(stamp)
        try:
            self.clocks[name].end(stamp)
        except StoreUnavailableError:
            return
        self.acknowledged.add(stamp)
        assert self.clocks[name].reached(self.world.now_us) >= stamp

    @precondition(lambda self: self.open_groups)
    @rule(pick=st.integers(0, 9))
    def the_answer_is_lost(self, pick):
        stamp = self._pick(self.open_groups, pick)
        self.clocks[self.open_groups.pop(stamp)].abandon(stamp)

    @precondition(lambda self: self.world.pending)
    @rule(pick=st.integers(0, 9))
    def an_insert_lands(self, pick):
        self._land(self._pick(self.world.pending, pick))

    def _land(self, stamp):
        if stamp in self.world.pending:
            self.world.pending.remove(stamp)
            self.world.landed.add(stamp)

    @rule(pick=st.integers(0, 9))
    def a_gateway_dies_and_another_starts(self, pick):
        name = self._pick(self.clocks, pick)
        self.world.dead.add(name)
        del self.clocks[name]
        self.open_groups = {stamp: other for stamp, other in self.open_groups.items() if other != name}
        self._start(alone=False)

    @precondition(lambda self: not self.world.store_is_out)
    @rule()
    def all_die_and_one_starts(self):
        self.world.dead |= set(self.clocks)
        self.clocks, self.open_groups = {}, {}
        self._start(alone=True)

    @rule(seconds=st.sampled_from([-100, 0, 1, 5, 61]))
    def time_goes_on(self, seconds):
        self.world.now_us += seconds * 1_000_000

    @rule(out=st.booleans())
    def the_store_goes_out_or_comes_back(self, out):
        self.world.store_is_out = out

    @rule(pick=st.integers(0, 9), finishes=st.booleans())
    def watermark(self, pick, finishes):
        must_reach = max(self.acknowledged, default=0)

        def finish():
            if finishes and self.open_groups:
                self.store_and_acknowledge(0)

        self.world.while_waiting = finish
        try:
            watermark = self.clocks[self._pick(self.clocks, pick)].watermark(self.world.now_us)
        except StoreUnavailableError:
            # What was in flight when a gateway joined may be in its hot window: that must be reached too.
            reached = max(self.acknowledged | {self.joined_at})
            blocked = any(stamp <= reached for stamp in self.open_groups)
            assert self.world.store_is_out or blocked or not finishes
            return
        finally:
            self.world.while_waiting = lambda: None
        assert watermark >= must_reach
        self.handed_out.append(watermark)
        self.snapshots.append((watermark, self.world.seen_at(watermark)))

    @invariant()
    def no_snapshot_ever_changes(self):
        for watermark, seen in self.snapshots:
            assert self.world.seen_at(watermark) == seen


def _run_order(world, examples):
    Order.shared_world = world
    case = Order.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=40, deadline=None)
    case("runTest").runTest()


def test_snapshots_are_complete_reach_every_ack_and_never_change(world):
    """Whatever gateways, store and time do: the rules of the shared order, against a model of the store."""
    _run_order(world, 40)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_snapshots_hold_over_many_histories(world):
    """The same, a thousand histories."""
    _run_order(world, 1_000)


def test_a_read_waits_for_an_older_group_of_another_gateway(world):
    """B's newer group is acknowledged, so a watermark must reach it, and A's older one has to end before."""
    a, b = world.clock("a", alone=True), world.clock("b")
    older, newer = a.begin(START_US), b.begin(START_US)
    b.end(newer)
    with pytest.raises(StoreUnavailableError, match="gateway a is still being stored") as refused:
        b.watermark(START_US)
    assert refused.value.retry_after_ms > 0
    world.while_waiting = lambda: a.end(older)
    assert b.watermark(START_US) >= newer


def test_a_read_does_not_wait_for_groups_that_nobody_waits_for(world):
    """A group that is newer than every acknowledged one holds nobody up: the watermark is just before it."""
    a, b = world.clock("a", alone=True), world.clock("b")
    first = a.begin(START_US)
    a.end(first)
    second = a.begin(START_US)
    assert first <= b.watermark(START_US) < second


def test_a_group_whose_lease_has_ended_is_called_off_and_not_acknowledged(world):
    """Its gateway hung; others went on; when it comes back, its group fails and its late insert can't land."""
    a, b = world.clock("a", alone=True), world.clock("b")
    hung, newer = a.begin(START_US), b.begin(START_US)
    world.pending |= {hung, newer}
    b.end(newer)
    world.now_us += LEASE_US + 1
    assert b.watermark(world.now_us) >= newer
    assert hung not in world.pending
    with pytest.raises(StoreUnavailableError, match="longer than its lease of 60 s"):
        a.end(hung)


def test_a_dead_gateway_holds_nobody_up(world):
    """Shown dead, its group is settled at once, without waiting for the lease."""
    a, b = world.clock("a", alone=True), world.clock("b")
    lost, newer = a.begin(START_US), b.begin(START_US)
    world.pending |= {lost}
    b.end(newer)
    world.dead.add("a")
    began_us = world.now_us
    assert b.watermark(START_US) >= newer
    assert world.now_us == began_us
    assert world.pending == set()


def test_a_gateway_settles_what_it_gave_up_before_it_begins_again(world):
    """While the store is out, no further group gets a stamp; afterwards the first call settles and goes on."""
    a = world.clock("a", alone=True)
    lost = a.begin(START_US)
    world.pending.add(lost)
    a.abandon(lost)
    world.store_is_out = True
    with pytest.raises(StoreUnavailableError, match="the store is out"):
        a.begin(START_US)
    world.store_is_out = False
    assert a.begin(START_US) > lost
    assert world.pending == set()


def test_an_idle_store_keeps_up_with_the_time(world):
    """Nothing is ingested, and yet an hour later the watermark is of that hour."""
    a, b = world.clock("a", alone=True), world.clock("b")
    a.end(a.begin(START_US))
    hour_us = START_US + 3_600_000_000
    assert a.watermark(hour_us) == hour_us
    assert b.begin(START_US) > hour_us


def test_nothing_is_handed_out_twice_after_power_loss(world):
    """Only the ceiling survived: what starts alone goes on behind it."""
    a = world.clock("a", alone=True)
    stamps = [a.begin(START_US + k) for k in range(3)]
    with world.quick.reading() as connection:
        ceiling_us = connection.exec_driver_sql("SELECT ceiling_us FROM ingest_order").scalar()
    assert max(stamps) <= ceiling_us <= max(stamps) + CEILING_STEP_US
    with world.quick.writing() as connection:
        connection.exec_driver_sql(f"UPDATE ingest_order SET latest_us = {START_US - 1}, stored_us = 0")
        connection.exec_driver_sql("DELETE FROM ingest_in_flight")
    world.pending |= set(stamps)
    again = world.clock("b", alone=True)
    assert world.pending == set()
    assert again.watermark(START_US) >= max(stamps)
    assert again.begin(START_US) > ceiling_us


# Begins, "stores" by a line in a file of its own, ends; now and then asks for a watermark; prints what it did.
CHILD = """
import os, sys, time
from pathlib import Path
from sqlalchemy import delete

from engine.sql.database import open_database
from engine.sql.schema import INGEST_IN_FLIGHT, INGEST_ORDER
from engine.cluster.gateway_files import GatewayFiles
from engine.cluster.shared_clock import SharedClock, Surroundings

path, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
url = f"sqlite:///{path / 'clock.sqlite'}"
now_us = lambda: time.time_ns() // 1000
gateways = GatewayFiles(path / "gateways")
world = Surroundings(now_us, lambda ms: time.sleep(ms / 1000), lambda spans: None, gateways.is_dead)
with gateways.joined(name):
    clock = SharedClock(open_database(url, power_safe=False), open_database(url), name, world,
                        lease_us=60_000_000, wait_ms_max=20_000)
    clock.start(0, alone=False)
    for k in range(rounds):
        began = time.perf_counter()
        stamp = clock.begin(now_us())
        between = time.perf_counter()
        time.sleep(0.001)
        ends = time.perf_counter()
        clock.end(stamp)
        ended = time.perf_counter()
        watermark = clock.watermark(now_us())
        took = time.perf_counter() - ended
        cost = (between - began) + (ended - ends)
        print(stamp, watermark, round(cost * 1e6), round(took * 1e6), flush=True)
"""


def _processes(path, names, rounds):
    return [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), name, str(rounds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for name in names
    ]


def test_real_processes_agree_on_the_order(empty, tmp_path):
    """Three of them at once: no stamp twice, each later than the watermarks that were given before it was, and
    each watermark after one's own group reaches it.
    """
    shutil.copy(empty, tmp_path / "clock.sqlite")
    children = _processes(tmp_path, "abc", 30)
    rows = [
        [tuple(map(int, line.split())) for line in child.communicate(timeout=120)[0].splitlines()]
        for child in children
    ]
    assert [child.returncode for child in children] == [0, 0, 0]
    stamps = [row[0] for process in rows for row in process]
    assert len(stamps) == len(set(stamps)) == 90
    for process in rows:
        handed_out = [instant for row in process for instant in row[:2]]
        assert all(stamp <= watermark for stamp, watermark, *_ in process)
        assert handed_out == sorted(handed_out)
    print("median us: begin and end", statistics.median(row[2] for process in rows for row in process))
    print("median us: watermark", statistics.median(row[3] for process in rows for row in process))


def test_a_killed_process_is_dead_at_once(empty, tmp_path):
    """The kernel lets go of its lock; a living one is not taken for dead, and an unknown one is."""
    shutil.copy(empty, tmp_path / "clock.sqlite")
    (child,) = _processes(tmp_path, ["a"], 1_000_000)
    child.stdout.readline()
    gateways = GatewayFiles(tmp_path / "gateways")
    assert not gateways.is_dead("a")
    assert gateways.is_dead("b")
    child.kill()
    child.wait(30)
    child.stdout.close()
    assert gateways.is_dead("a")
    gateways.forget_dead()
    assert list((tmp_path / "gateways").iterdir()) == []


def test_a_group_costs_two_commits_and_no_wait_for_the_disk(world):
    """Five hundred groups: the ceiling, which is written through to the disk, moves once a second of stamps."""
    clock = world.clock("a", alone=True)
    quick_us = []
    for k in range(500):
        began = time.perf_counter()
        clock.end(clock.begin(START_US + k * 10))
        quick_us.append((time.perf_counter() - began) * 1e6)
    print("median us for begin and end:", statistics.median(quick_us))
    with world.quick.reading() as connection:
        ceiling_us = connection.exec_driver_sql("SELECT ceiling_us FROM ingest_order").scalar()
    assert ceiling_us <= START_US + 2 * CEILING_STEP_US
