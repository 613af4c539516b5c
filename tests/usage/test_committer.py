"""Group commit: acknowledged means stored, whatever the sink does."""

import itertools
import threading

import pytest

from engine.errors import QueueFullError, StoreUnavailableError
from engine.usage.committer import Committer
from ingest import Event, HotWindow, IngestClock, Limits, Problem, Reason, Verdict

LIMITS = Limits(request_events_max=10, insert_events_max=10, queue_events_max=20, hot_window_events_max=1_000)
_ticks = itertools.count(1_000)


class Sink:
    """Keeps batches in memory; can be held, and can fail."""

    def __init__(self):
        self.stored = []
        self.failures = 0
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)

    def insert(self, batch):
        self.entered.release()
        assert self.open.wait(30)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("no store", retry_after_ms=1)
        self.stored.append([event.event_id for event in batch.events])


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def committer(sink):
    made = Committer(
        sink, HotWindow(1_000), IngestClock(0, lambda _ceiling_us: None), LIMITS, lambda: next(_ticks)
    )
    made.start()
    yield made
    sink.open.set()
    made.drain()


def _events(*ids, tokens="1"):
    return [Event("t1", event_id, "call", "acme", 1, (("tokens", tokens),)) for event_id in ids]


def test_a_request_is_answered_after_its_events_are_stored(committer, sink):
    """Held at the store, there is no answer; then there is, with a watermark."""
    sink.open.clear()
    future = committer.submit(_events("a", "b"))
    assert sink.entered.acquire(timeout=30)
    assert not future.done()
    sink.open.set()
    assert future.result(30).outcomes == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert sink.stored == [["a", "b"]]


def test_requests_that_arrive_during_an_insert_share_the_next(committer, sink):
    """Three requests, two inserts."""
    sink.open.clear()
    first = committer.submit(_events("a"))
    assert sink.entered.acquire(timeout=30)
    others = [committer.submit(_events(each)) for each in ("b", "c")]
    sink.open.set()
    for future in (first, *others):
        future.result(30)
    assert sink.stored == [["a"], ["b", "c"]]


def test_the_same_event_in_two_waiting_requests_is_stored_once(committer, sink):
    """The second is a duplicate, answered no sooner than the first is durable."""
    sink.open.clear()
    blocker = committer.submit(_events("x"))
    assert sink.entered.acquire(timeout=30)
    first, second = committer.submit(_events("a")), committer.submit(_events("a"))
    sink.open.set()
    blocker.result(30)
    assert first.result(30).outcomes == [Verdict.ACCEPTED]
    assert second.result(30).outcomes == [Verdict.DUPLICATE]
    assert sink.stored == [["x"], ["a"]]


def test_a_failed_insert_is_no_ack_and_its_retry_is_stored(committer, sink):
    """The caller learns to retry; the retry is accepted, not a duplicate of nothing."""
    sink.failures = 1
    with pytest.raises(StoreUnavailableError, match="no store"):
        committer.submit(_events("a")).result(30)
    assert committer.submit(_events("a")).result(30).outcomes == [Verdict.ACCEPTED]
    assert sink.stored == [["a"]]


def test_bad_events_and_duplicates_need_no_insert(committer, sink):
    """Each entry has its own outcome, in order."""
    committer.submit(_events("a")).result(30)
    problem = Problem("event_id", Reason.MISSING, "event_id is empty")
    reused = _events("a", tokens="2")
    outcomes = committer.submit([problem, *_events("a"), *reused]).result(30).outcomes
    assert outcomes[0] is problem
    assert outcomes[1] is Verdict.DUPLICATE
    assert outcomes[2].reason is Reason.ID_REUSED
    assert sink.stored == [["a"]]


def test_a_full_queue_refuses_at_once_and_recovers(committer, sink):
    """Twenty events may wait; the next request is told to come back, and can."""
    sink.open.clear()
    running = committer.submit(_events("x"))
    assert sink.entered.acquire(timeout=30)
    waiting = [committer.submit(_events(*(f"{i}-{j}" for j in range(10)))) for i in range(2)]
    with pytest.raises(QueueFullError, match="queue_events_max is 20") as refused:
        committer.submit(_events("late"))
    assert refused.value.retry_after_ms > 0
    sink.open.set()
    for future in (running, *waiting):
        future.result(30)
    assert committer.submit(_events("late")).result(30).outcomes == [Verdict.ACCEPTED]


def test_draining_stores_what_waits_and_refuses_what_comes_after(sink):
    """Nothing that was taken in is dropped at shutdown."""
    committer = Committer(
        sink, HotWindow(1_000), IngestClock(0, lambda _ceiling_us: None), LIMITS, lambda: next(_ticks)
    )
    committer.start()
    sink.open.clear()
    futures = [committer.submit(_events(each)) for each in ("a", "b", "c")]
    drain = threading.Thread(target=committer.drain)
    drain.start()
    sink.open.set()
    drain.join(30)
    assert sorted(itertools.chain(*sink.stored)) == ["a", "b", "c"]
    assert all(future.done() for future in futures)
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        committer.submit(_events("d"))


def test_an_unexpected_error_reaches_its_callers_and_the_next_group_is_stored(sink, committer):
    """One bug must not hang every producer."""
    sink.insert, insert = lambda _batch: (_ for _ in ()).throw(RuntimeError("a bug")), sink.insert
    with pytest.raises(RuntimeError, match="a bug"):
        committer.submit(_events("a")).result(30)
    sink.insert = insert
    assert committer.submit(_events("a")).result(30).outcomes == [Verdict.ACCEPTED]
