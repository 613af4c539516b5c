"""A worker: what waits is taken in order, as much as fits; errors stay with their callers; nothing is left behind."""

import threading
from dataclasses import dataclass, field

import pytest

from engine.errors import StoreUnavailableError
from engine.usage.worker import Worker


@dataclass(eq=False)
class Item:
    """Something to do."""

    name: str
    key: str = "any"
    events: int = 1
    nbytes: int = 10
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
