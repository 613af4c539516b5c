"""Group commit: acknowledged means stored, whatever the sink does."""

import itertools
import threading
import time
from dataclasses import replace

import pyarrow as pa
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.errors import InvalidRequestError, QueueFullError, StoreUnavailableError
from engine.usage.recording.committer import Committer
from engine.usage.recording.intake import Intake
from ingest import Admission, Fingerprinter, HotWindow, IngestClock, Limits, Reason, RequestKind, Verdict
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, StreamUsageRequest, UsageEvent
from tests.support.ingest.arrow_streams import request_of, stream_of

LIMITS = Limits(
    request_events_max=10,
    columns_events_max=10,
    insert_events_max=10,
    queue_events_max=20,
    hot_window_events_max=1_000,
    request_bytes_max=10_000,
    queue_bytes_max=10_000,
    insert_bytes_max=4_000,
)
ADMISSION = Admission(LIMITS, {"call": frozenset()})
_ticks = itertools.count(1_000)


class Sink:
    """Keeps batches in memory; can be held, and can fail."""

    def __init__(self):
        self.stored = []
        self.tenants = {}
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
        self.tenants |= dict(
            zip(
                batch.events.column("event_id").to_pylist(),
                batch.events.column("tenant").to_pylist(),
                strict=True,
            )
        )
        self.stored.append(batch.events.column("event_id").to_pylist())


@pytest.fixture
def sink():
    return Sink()


class Path:
    """Intake and committer, as the engine joins them."""

    def __init__(self, sink):
        self.committer = Committer(
            sink, HotWindow(1_000), IngestClock(0, lambda _ceiling_us: None), LIMITS, lambda: next(_ticks)
        )
        self.admission = ADMISSION
        self.intake = Intake(
            self.committer, lambda _tenant: self.admission, Fingerprinter(b"s"), LIMITS, lambda: 1_000_000
        )
        self.committer.start()
        self.intake.start()

    def submit(self, events):
        return self.intake.submit("t1", RequestKind.RECORD, _bytes(events))

    def drain(self):
        self.intake.drain()
        self.committer.drain()


@pytest.fixture
def path(sink):
    made = Path(sink)
    yield made
    sink.open.set()
    made.drain()


def _bytes(events):
    return RecordUsageRequest(events=events).SerializeToString()


def _events(*ids, tokens="1"):
    return [
        UsageEvent(
            event_id=event_id,
            event_type="call",
            customer_id="acme",
            event_time=Timestamp(seconds=1),
            properties={"tokens": PropertyValue(string_value=tokens)},
        )
        for event_id in ids
    ]


def _until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _verdicts(future):
    return [Verdict(number) for number in future.result(30).verdicts.tolist()]


def test_a_request_is_answered_after_its_events_are_stored(path, sink):
    """Held at the store, there is no answer; then there is, with a watermark."""
    sink.open.clear()
    future = path.submit(_events("a", "b"))
    assert sink.entered.acquire(timeout=120)
    assert not future.done()
    sink.open.set()
    assert _verdicts(future) == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert sink.stored == [["a", "b"]]


def test_requests_that_arrive_during_an_insert_share_the_next(path, sink):
    """Three requests, two inserts."""
    sink.open.clear()
    first = path.submit(_events("a"))
    assert sink.entered.acquire(timeout=120)
    others = [path.submit(_events(each)) for each in ("b", "c")]
    sink.open.set()
    for future in (first, *others):
        future.result(30)
    assert sink.stored == [["a"], ["b", "c"]]


def test_the_same_event_in_two_waiting_requests_is_stored_once(path, sink):
    """The second is a duplicate, answered no sooner than the first is durable."""
    sink.open.clear()
    blocker = path.submit(_events("x"))
    assert sink.entered.acquire(timeout=120)
    first, second = path.submit(_events("a")), path.submit(_events("a"))
    sink.open.set()
    blocker.result(30)
    assert _verdicts(first) == [Verdict.ACCEPTED]
    assert _verdicts(second) == [Verdict.DUPLICATE]
    assert sink.stored == [["x"], ["a"]]


def test_a_failed_insert_is_no_ack_and_its_retry_is_stored(path, sink):
    """The caller learns to retry; the retry is accepted, not a duplicate of nothing."""
    sink.failures = 1
    with pytest.raises(StoreUnavailableError, match="no store"):
        path.submit(_events("a")).result(30)
    assert _verdicts(path.submit(_events("a"))) == [Verdict.ACCEPTED]
    assert sink.stored == [["a"]]


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("no store", retry_after_ms=1), RuntimeError("a bug")]
)
def test_after_a_failed_insert_other_content_under_its_id_is_a_conflict(path, sink, error):
    """Whatever failed, the first may be stored: its retry is taken, and nothing else under its id."""
    sink.insert, insert = lambda _batch: (_ for _ in ()).throw(error), sink.insert
    with pytest.raises(type(error)):
        path.submit(_events("a", "b")).result(30)
    sink.insert = insert
    assert _verdicts(path.submit(_events("a", tokens="2"))) == [Verdict.CONFLICT]
    assert _verdicts(path.submit(_events("a", "c"))) == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert _verdicts(path.submit(_events("a", "b"))) == [Verdict.DUPLICATE, Verdict.ACCEPTED]
    assert sink.stored == [["a", "c"], ["b"]]


def test_what_was_stored_before_a_failure_in_its_group_is_no_duplicate_yet(path, sink):
    """Of two months the second fails: no watermark is sure to reach the first, so its retry is stored anew."""
    path.admission = Admission(replace(LIMITS, event_ahead_max_s=50 * 86_400), {"call": frozenset()})
    events = [*_events("a"), *_events("b")]
    events[1].event_time.seconds = 40 * 86_400
    insert, months = sink.insert, []

    def fails_at_the_second(batch):
        months.append(batch)
        if len(months) == 2:
            raise StoreUnavailableError("no store", retry_after_ms=1)
        insert(batch)

    sink.insert = fails_at_the_second
    with pytest.raises(StoreUnavailableError, match="no store"):
        path.submit(events).result(30)
    assert _verdicts(path.submit(_events("a", tokens="2"))) == [Verdict.CONFLICT]
    assert _verdicts(path.submit(events)) == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert _verdicts(path.submit(events)) == [Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert sink.stored == [["a"], ["a"], ["b"]]


def test_a_group_whose_end_is_not_agreed_on_is_no_duplicate_yet(path, sink):
    """It is stored, and its retry is stored again: the two collapse, and the second has a watermark."""
    end, ends = path.committer._clock.end, []

    def fails_once(stamp_us):
        end(stamp_us)
        ends.append(stamp_us)
        if len(ends) == 1:
            raise StoreUnavailableError("called off", retry_after_ms=1)

    path.committer._clock.end = fails_once
    with pytest.raises(StoreUnavailableError, match="called off"):
        path.submit(_events("a")).result(30)
    recorded = path.submit(_events("a")).result(30)
    assert recorded.verdicts.tolist() == [Verdict.ACCEPTED]
    assert recorded.as_of_us >= ends[1] > ends[0]
    assert sink.stored == [["a"], ["a"]]


def test_a_stored_event_that_a_rule_refuses_by_now_is_a_duplicate_and_has_no_problem(path, sink):
    """The catalog has lost its type since; what was not stored, or has other content, is rejected."""
    path.submit(_events("a")).result(30)
    path.admission = Admission(LIMITS, {})
    events = [*_events("a"), *_events("b"), *_events(""), *_events("a", tokens="2"), *_events("a")]
    recorded = path.submit(events).result(30)
    duplicate, rejected = Verdict.DUPLICATE, Verdict.REJECTED
    assert recorded.verdicts.tolist() == [duplicate, rejected, rejected, rejected, duplicate]
    assert [(index, problem.reason) for index, problem in recorded.problems] == [
        (1, Reason.UNKNOWN_EVENT_TYPE),
        (2, Reason.MISSING),
        (2, Reason.UNKNOWN_EVENT_TYPE),
        (3, Reason.UNKNOWN_EVENT_TYPE),
    ]
    assert sink.stored == [["a"]]


def test_an_engine_whose_queue_is_smaller_than_one_request_is_refused():
    """Such a request could never be taken, however often it is sent."""
    with pytest.raises(ValueError, match="request_bytes_max must not be greater than queue_bytes_max"):
        Limits(queue_bytes_max=1_000_000)


def test_bad_events_and_duplicates_need_no_insert(path, sink):
    """Each event has its own verdict, in order, and its own problem."""
    path.submit(_events("a")).result(30)
    recorded = path.submit([*_events(""), *_events("a"), *_events("a", tokens="2")]).result(30)
    assert recorded.verdicts.tolist() == [Verdict.REJECTED, Verdict.DUPLICATE, Verdict.CONFLICT]
    assert [(index, problem.reason) for index, problem in recorded.problems] == [
        (0, Reason.MISSING),
        (2, Reason.ID_REUSED),
    ]
    assert sink.stored == [["a"]]


def test_requests_that_wait_together_get_their_own_answers(path, sink):
    """Bad events, bytes that are no message, an empty request and one that is too large, side by side."""
    sink.open.clear()
    blocker = path.submit(_events("x"))
    assert sink.entered.acquire(timeout=120)
    mixed = path.submit([*_events("a"), *_events("")])
    broken = path.intake.submit("t1", RequestKind.RECORD, b"\xff\xff\xff")
    empty, large = path.submit([]), path.submit(_events(*map(str, range(11))))
    last = path.submit([*_events(""), *_events("b", "a")])
    for bad, text in (
        (broken, "no meterline.v1.RecordUsageRequest"),
        (empty, "has 0 events"),
        (large, "11 events"),
    ):
        with pytest.raises(InvalidRequestError, match=text):
            bad.result(30)
    sink.open.set()
    blocker.result(30)
    assert _verdicts(mixed) == [Verdict.ACCEPTED, Verdict.REJECTED]
    assert _verdicts(last) == [Verdict.REJECTED, Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert [index for index, _ in last.result(30).problems] == [0]
    assert sink.stored == [["x"], ["a", "b"]]


def test_tenants_and_streams_that_wait_together_are_kept_apart(path, sink):
    """Each event is stored under its own tenant, and each streamed request gets its sequence back."""
    sink.open.clear()
    blocker = path.submit(_events("x"))
    assert sink.entered.acquire(timeout=120)
    one = path.intake.submit("t1", RequestKind.RECORD, _bytes(_events("a")))
    other = path.intake.submit("t2", RequestKind.RECORD, _bytes(_events("b")))
    streamed = [
        path.intake.submit(
            "t2",
            RequestKind.STREAM,
            StreamUsageRequest(sequence=number, events=_events(f"s{number}")).SerializeToString(),
        )
        for number in (7, 2**64 - 1)
    ]
    sink.open.set()
    for future in (blocker, one, other, *streamed):
        assert _verdicts(future) == [Verdict.ACCEPTED]
    assert [future.result(30).sequence for future in streamed] == [7, 2**64 - 1]
    assert sink.tenants == {"x": "t1", "a": "t1", "b": "t2", "s7": "t2", f"s{2**64 - 1}": "t2"}


def test_a_full_queue_refuses_at_once_and_recovers(path, sink):
    """Twenty events may wait; the next request is told to come back, and can."""
    sink.open.clear()
    running = path.submit(_events("x"))
    assert sink.entered.acquire(timeout=120)
    waiting = [path.submit(_events(*(f"{i}-{j}" for j in range(10)))) for i in range(2)]
    with pytest.raises(QueueFullError, match="queue_events_max is 20") as refused:
        path.submit(_events("late")).result(30)
    assert refused.value.retry_after_ms > 0
    sink.open.set()
    for future in (running, *waiting):
        future.result(30)
    assert _verdicts(path.submit(_events("late"))) == [Verdict.ACCEPTED]


def test_small_requests_that_make_large_columns_are_bounded_by_their_columns(path, sink):
    """Six events that share one text of 600 bytes: 2 kB of request, 4 kB of columns; three wait, and no more."""
    sink.open.clear()
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 6, pa.int8()), pa.array(["x" * 600]))

    def submit(name):
        batch = pa.record_batch(
            {
                "event_id": [f"{name}{i}" for i in range(6)],
                "event_type": ["call"] * 6,
                "customer_id": ["acme"] * 6,
                "event_time": pa.array([1] * 6, pa.timestamp("s", "UTC")),
                "properties.x": text,
            }
        )
        return path.intake.submit("t1", RequestKind.COLUMNS, request_of(stream_of(batch)))

    blocker = submit("a")
    assert sink.entered.acquire(timeout=120)
    waiting = [submit(name) for name in "bcd"]
    _until(lambda: path.committer.waiting_bytes > LIMITS.queue_bytes_max)
    with pytest.raises(
        QueueFullError, match="bytes of columns wait for the usage store; queue_bytes_max is 10000"
    ):
        path.submit(_events("late")).result(30)
    sink.open.set()
    for future in (blocker, *waiting):
        assert _verdicts(future) == [Verdict.ACCEPTED] * 6
    _until(lambda: not path.committer.waiting_bytes)
    assert _verdicts(path.submit(_events("late"))) == [Verdict.ACCEPTED]


def test_what_a_part_of_columns_runs_into_ends_no_request_of_another_part(path, sink):
    """Two requests fill an insert of four events; a third, which waits with them, meets a catalog that does not answer."""
    asked = []

    def admission_for(_tenant):
        asked.append(1)
        if len(asked) > 1:
            raise StoreUnavailableError("no catalog", retry_after_ms=1)
        return ADMISSION

    path.intake.drain()
    intake = Intake(
        path.committer,
        admission_for,
        Fingerprinter(b"s"),
        replace(LIMITS, insert_events_max=4, columns_events_max=4, request_events_max=4),
        lambda: 1_000_000,
    )
    futures = [
        intake.submit("t1", RequestKind.COLUMNS, request_of(stream_of(_columns(f"{name}1", f"{name}2"))))
        for name in "abc"
    ]
    # Without its thread: all three wait when the turn comes.
    assert intake.worker.turn()
    assert [_verdicts(future) for future in futures[:2]] == [[Verdict.ACCEPTED] * 2] * 2
    with pytest.raises(StoreUnavailableError, match="no catalog"):
        futures[2].result(30)
    assert sorted(itertools.chain(*sink.stored)) == ["a1", "a2", "b1", "b2"]


def _columns(*ids):
    return pa.record_batch(
        {
            "event_id": ids,
            "event_type": ["call"] * len(ids),
            "customer_id": ["acme"] * len(ids),
            "event_time": pa.array([1] * len(ids), pa.timestamp("s", "UTC")),
            "properties.tokens": ["1"] * len(ids),
        }
    )


def test_a_queue_full_of_bytes_refuses_at_once_and_recovers(path, sink):
    """10,000 bytes may be held, answered requests no longer among them."""
    sink.open.clear()
    fat = [_events(f"{i}", tokens="9" * 900) for i in range(11)]
    held = [path.submit(events) for events in fat[:10]]
    with pytest.raises(QueueFullError, match="queue_bytes_max is 10000") as refused:
        path.submit(fat[10])
    assert refused.value.retry_after_ms > 0
    sink.open.set()
    for future in held:
        future.result(30)
    assert _verdicts(path.submit(fat[10])) == [Verdict.ACCEPTED]


def test_fat_requests_do_not_share_an_insert(path, sink):
    """Three of 2,900 bytes would fill 8,700 of the 4,000 that one insert may have."""
    sink.open.clear()
    blocker = path.submit(_events("x"))
    assert sink.entered.acquire(timeout=120)
    fat = []
    for i in range(3):
        fat.append(path.submit(_events(f"{i}-a", f"{i}-b", f"{i}-c", tokens="9" * 900)))
        _until(lambda admitted=3 * i + 3: path.committer.waiting_events == admitted)
    sink.open.set()
    for future in (blocker, *fat):
        future.result(30)
    assert all(len({each.partition("-")[0] for each in batch}) == 1 for batch in sink.stored)
    assert len(list(itertools.chain(*sink.stored))) == 10


def test_draining_stores_what_waits_and_refuses_what_comes_after(sink):
    """Nothing that was taken in is dropped at shutdown."""
    path = Path(sink)
    sink.open.clear()
    futures = [path.submit(_events(each)) for each in ("a", "b", "c")]
    drain = threading.Thread(target=path.drain)
    drain.start()
    sink.open.set()
    drain.join(30)
    assert sorted(itertools.chain(*sink.stored)) == ["a", "b", "c"]
    assert all(future.done() for future in futures)
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        path.submit(_events("d"))


def test_an_unexpected_error_reaches_its_callers_and_the_next_group_is_stored(sink, path):
    """One bug must not hang every producer."""
    sink.insert, insert = lambda _batch: (_ for _ in ()).throw(RuntimeError("a bug")), sink.insert
    with pytest.raises(RuntimeError, match="a bug"):
        path.submit(_events("a")).result(30)
    sink.insert = insert
    assert _verdicts(path.submit(_events("a"))) == [Verdict.ACCEPTED]


def test_a_tenant_that_floods_leaves_room_to_another(path, sink):
    """Of 20 events that may wait it has at most two thirds once another has come; that one's are taken as before."""
    sink.open.clear()
    other = [path.intake.submit("t2", RequestKind.RECORD, _bytes(_events("other")))]
    assert sink.entered.acquire(timeout=120)
    flood = []

    def send():
        flood.append(path.intake.submit("t1", RequestKind.RECORD, _bytes(_events(f"flood-{len(flood)}"))))
        _until(lambda: flood[-1].done() or path.committer.waiting_events == len(flood))
        return flood[-1]

    while not send().done():
        assert len(flood) < 20
    with pytest.raises(QueueFullError, match="and this tenant may add 0; queue_events_max is 20"):
        flood[-1].result()
    assert 12 <= path.committer.waiting_events <= 14
    for number in range(2):
        other.append(path.intake.submit("t2", RequestKind.RECORD, _bytes(_events(f"other-{number}"))))
        _until(lambda: path.committer.worker.waiting_events_of("t2") == len(other) - 1)
    sink.open.set()
    for future in (*other, *flood[:-1]):
        assert _verdicts(future) == [Verdict.ACCEPTED]
