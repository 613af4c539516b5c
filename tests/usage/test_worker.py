"""A worker: what waits is taken in order, as much as fits; errors stay with their callers; nothing is left behind."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from engine.errors import StoreUnavailableError
from engine.usage.recording.worker import Gathering, Worker


@dataclass(eq=False)
class Item:
    """Something to do."""

    name: str
    key: str = "any"
    events: int = 1
    nbytes: int = 10
    lane: str = "one"
    errors: list = field(default_factory=list)

    def fail(self, error):
        self.errors.append(error)


class Done:
    """A step that notes what it got, and fails where it is told to."""

    def __init__(self, fail_on=()):
        self.turns = []
        self.fail_on = fail_on

    def __call__(self, items):
        self.turns.append([item.name for item in items])
        if set(self.turns[-1]) & set(self.fail_on):
            raise RuntimeError("a bug")


def _worker(step):
    return Worker("test", step, turn_events_max=3, turn_bytes_max=100)


def _put(worker, *items):
    for item in items:
        worker.put(item)
    return items


def test_a_turn_takes_what_waits_in_its_order():
    """Three events fit in a turn; without anything waiting there is none."""
    done = Done()
    worker = _worker(done)
    _put(worker, *(Item(name) for name in "abcd"))
    assert worker.waiting_events == 4
    assert [worker.turn(), worker.waiting_events] == [True, 1]
    assert [worker.turn(), worker.turn(), worker.waiting_events] == [True, False, 0]
    assert done.turns == [["a", "b", "c"], ["d"]]


def test_bytes_bound_a_turn_as_events_do_and_one_item_always_goes():
    """Two of 60 bytes are more than 100; one of 500 goes alone."""
    done = Done()
    worker = _worker(done)
    _put(worker, Item("a", nbytes=60), Item("b", nbytes=60), Item("c", nbytes=500), Item("d", events=9))
    while worker.turn():
        pass
    assert done.turns == [["a"], ["b"], ["c"], ["d"]]


def test_items_of_different_keys_are_done_and_fail_apart():
    """The callers of a failed step learn of it; others taken in the same turn, and later ones, do not."""
    done = Done(fail_on="b")
    worker = _worker(done)
    a, b, c, d = _put(worker, Item("a", "x"), Item("b", "y"), Item("c", "x"), Item("d", "y"))
    while worker.turn():
        pass
    assert done.turns == [["a", "c"], ["b"], ["d"]]
    assert [len(item.errors) for item in (a, b, c, d)] == [0, 1, 0, 0]
    assert str(b.errors[0]) == "a bug"


def test_draining_does_what_waits_and_refuses_what_comes_later():
    """Also what waits while a step runs."""
    entered, leave = threading.Event(), threading.Event()
    turns = []

    def step(items):
        turns.append([item.name for item in items])
        entered.set()
        assert leave.wait(30)

    worker = _worker(step)
    worker.start()
    _put(worker, Item("a"))
    assert entered.wait(30)
    _put(worker, Item("b"), Item("c"))
    leave.set()
    worker.drain()
    assert turns == [["a"], ["b", "c"]]
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        worker.put(Item("d"))


def test_the_thread_outlives_a_failed_step():
    """What is put after it is done."""
    done = Done(fail_on="a")
    worker = _worker(done)
    worker.start()
    (first,) = _put(worker, Item("a"))
    while not first.errors:
        threading.Event().wait(0.001)
    _put(worker, Item("b"))
    worker.drain()
    assert done.turns == [["a"], ["b"]]


def _gathering(done, is_ahead, within_ms):
    return Worker(
        "test",
        done,
        turn_events_max=100,
        turn_bytes_max=1_000,
        gathering=Gathering(is_ahead, enough_bytes=50, within_ms=within_ms),
    )


def _until(condition):
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def test_what_comes_while_the_next_worker_has_enough_gathers_until_that_one_takes_it():
    """Three items come one by one and go together, once the next worker has taken what it had."""
    done, has_some = Done(), threading.Event()
    has_some.set()
    ahead = Worker("ahead", lambda items: None, turn_events_max=9, turn_bytes_max=99)
    worker = _gathering(done, has_some.is_set, within_ms=60_000)
    ahead.when_taken(lambda: (has_some.clear(), worker.wake()))
    worker.start()
    for name in "abc":
        worker.put(Item(name))
        time.sleep(0.05)
    assert done.turns == []
    ahead.put(Item("earlier"))
    ahead.turn()
    _until(lambda: done.turns)
    worker.drain()
    assert done.turns == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("count", "within_ms"), [(1, 50), (5, 60_000)], ids=["after a while", "once there is enough"]
)
def test_items_gather_for_a_bounded_time_and_up_to_a_bounded_size(count, within_ms):
    """Though the next worker never takes anything: one item goes after 50 ms, five that are enough at once."""
    done = Done()
    worker = _gathering(done, lambda: True, within_ms)
    worker.start()
    items = _put(worker, *(Item(str(i)) for i in range(count)))
    _until(lambda: sum(map(len, done.turns)) == len(items))
    worker.drain()


def test_what_gathers_is_done_at_once_when_the_worker_drains():
    """Nobody waits a minute for an engine to stop."""
    done = Done()
    worker = _gathering(done, lambda: True, within_ms=60_000)
    worker.start()
    _put(worker, Item("a"))
    worker.drain()
    assert done.turns == [["a"]]


def test_lanes_take_turns_and_each_keeps_its_order():
    """Who put six in before another came keeps only himself waiting; who was served last comes last in the next turn."""
    done = Done()
    worker = _worker(done)
    _put(worker, *(Item(f"a{number}", lane="a") for number in range(6)))
    _put(worker, Item("b0", lane="b"), Item("b1", lane="b"), Item("c0", lane="c"))
    assert [worker.waiting_events_of(lane) for lane in "abcd"] == [6, 2, 1, 0]
    while worker.turn():
        pass
    assert done.turns == [["a0", "b0", "c0"], ["a1", "b1", "a2"], ["a3", "a4", "a5"]]
    assert [worker.waiting_events_of("a"), worker.waiting_bytes_of("a"), worker.waiting_bytes] == [0, 0, 0]


def test_what_does_not_fit_is_first_in_the_next_turn():
    """Otherwise a large request could be passed by for ever by small ones of others."""
    done = Done()
    worker = _worker(done)
    _put(
        worker,
        Item("b0", lane="b"),
        Item("a0", nbytes=95, lane="a"),
        Item("b1", lane="b"),
        Item("b2", lane="b"),
    )
    while worker.turn():
        pass
    assert done.turns == [["b0"], ["a0"], ["b1", "b2"]]
