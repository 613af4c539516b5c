"""What probes are told: of the phase, of threads that stand still, and of stores that refuse or hang."""

import threading

from engine.errors import StoreUnavailableError
from engine.health.condition import Condition
from engine.health.store_checks import ANSWER_TIMEOUT_S, StoreCheck


class Clock:
    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


def _refused():
    raise StoreUnavailableError("http://user:secret@clickhouse refuses SELECT 1", retry_after_ms=1)


def test_an_engine_is_alive_before_it_is_ready_and_while_it_drains():
    """It has started once it serves, and stays so."""
    condition = Condition()
    assert (condition.not_alive(), condition.is_ready(), condition.is_serving()) == ([], False, False)
    assert condition.not_started() == ["the engine is starting: its stores are being opened"]
    condition.serves([])
    assert (condition.not_started(), condition.not_ready()) == ([], [])
    condition.drains()
    assert (condition.not_started(), condition.not_alive()) == ([], [])
    assert condition.not_ready() == ["the engine is stopping: it finishes what it has taken"]


def test_a_part_that_stands_still_is_named():
    """The engine serves, and is not alive."""
    condition = Condition()
    condition.serves([], [("the loop", lambda: True), ("the committer", lambda: False)])
    assert condition.not_alive() == ["the committer does not move"]
    assert condition.is_ready()


def test_a_store_that_refuses_is_named_and_nothing_more():
    """Neither its address nor its words: they may hold a password."""
    check = StoreCheck("usage", _refused, Clock())
    check.check()
    condition = Condition()
    condition.serves([check])
    assert condition.not_ready() == ["the usage store does not answer"]
    assert condition.not_alive() == []


def test_a_store_that_hangs_keeps_nobody_waiting():
    """After some seconds it counts as one that doesn't answer; when it answers again, it is ready again."""
    clock, asked, answer = Clock(), threading.Event(), threading.Event()

    def hang():
        asked.set()
        assert answer.wait(60)

    check = StoreCheck("catalog", hang, clock)
    answer.set()
    check.check()
    assert check.trouble() is None
    answer.clear()
    asked.clear()
    thread = threading.Thread(target=check.check)
    thread.start()
    assert asked.wait(60)
    assert check.trouble() is None
    clock.now_ns += (ANSWER_TIMEOUT_S + 1) * 1_000_000_000
    assert check.trouble() == "the catalog store has not answered for more than 5 s"
    assert thread.is_alive()  # it was told while the store still hangs
    answer.set()
    thread.join(60)
    assert check.trouble() is None
