"""Group commit: groups that are admitted while an insert runs share the next one.

Rules:
1. A request is answered only after all its new events are durable.
2. One turn at a time compares, stamps and inserts, so two requests can't both find an event new.
3. A failed insert fails every request of its groups; they are sent again by their callers, and what was stored
   all the same collapses with the retry. Until then its ids are in doubt (ingest.identity), also those of batches
   that were stored before: known is only what the order of ingestion has ended, or a retry would be answered as a
   duplicate of what no watermark reaches yet.
4. What waits here is bounded by who puts it in (engine.usage.recording.intake).
5. What was decided on events that were acknowledged (engine.usage.recording.void_listener) waits in the same line: between
   two groups the window learns it.
6. The steps themselves (`commit`, `learn`) have no thread; the worker (engine.usage.recording.worker) takes the turns.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from engine.current_call import CurrentCall
from engine.errors import log_text
from engine.metrics import METRICS
from engine.tracing import Tracing
from engine.usage.recording.worker import Worker
from ingest import (
    Admitted,
    EventBatch,
    Fingerprints,
    HotWindow,
    IngestOrder,
    Judged,
    Limits,
    Problem,
    Sink,
    Verdict,
    partition_batches,
)

_log = structlog.get_logger(__name__)
_REQUEST_IDS_LOGGED_MAX = 10


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a request: a verdict for each event, the problems by index, and a watermark that includes
    its events.
    """

    sequence: int
    verdicts: NDArray[np.uint8]
    problems: list[tuple[int, Problem]]
    as_of_us: int


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """One request of a group: who waits for it, how many of the group's rows are its own, the call that it came with, for
    the log, and since when it waits.
    """

    done: "Future[Recorded]"
    rows: int
    sequence: int = 0
    call: CurrentCall | None = None
    since_ns: int = field(default_factory=time.monotonic_ns)


@dataclass(frozen=True, slots=True)
class CommitGroup:
    """Requests that were admitted together. Their rows follow each other, `rows` in all."""

    admitted: Admitted
    fingerprints: Fingerprints
    requests: Sequence[AdmittedRequest]
    rows: int
    # Whose they are.
    lane: str

    @property
    def key(self) -> type:
        """All groups share their inserts."""
        return CommitGroup

    @property
    def events(self) -> int:
        return self.rows

    @property
    def nbytes(self) -> int:
        return int(self.admitted.events.nbytes)

    def fail(self, error: Exception) -> None:
        for request in self.requests:
            if not request.done.done():
                request.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What became of events after they were acknowledged: those that are void, and those that stand instead."""

    void: Fingerprints
    standing: Fingerprints
    done: "Future[None]" = field(default_factory=Future)

    @property
    def lane(self) -> str:
        """No tenant's."""
        return ""

    @property
    def key(self) -> type:
        return Decisions

    @property
    def events(self) -> int:
        """None of them is inserted."""
        return 0

    @property
    def nbytes(self) -> int:
        return 0

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Committer:
    """Owns the hot window and the only writer of the store."""

    def __init__(
        self,
        sink: Sink,
        window: HotWindow,
        clock: IngestOrder,
        limits: Limits,
        now_us: Callable[[], int],
        tracing: Tracing | None = None,
        tell_stored: Callable[[pa.RecordBatch], None] = lambda _events: None,
    ) -> None:
        """`tell_stored` is told each group of events once it is stored for sure; it returns at once, and never raises."""
        self._tell_stored = tell_stored
        self._sink = sink
        self._window = window
        self._clock = clock
        self._limits = limits
        self._now_us = now_us
        self._tracing = tracing
        self.worker: Worker[CommitGroup | Decisions] = Worker(
            "committer",
            self._step,
            turn_events_max=limits.insert_events_max,
            turn_bytes_max=limits.insert_bytes_max,
        )

    @property
    def waiting_events(self) -> int:
        """Events that wait for the next insert."""
        return self.worker.waiting_events

    @property
    def waiting_bytes(self) -> int:
        """The bytes of their columns."""
        return self.worker.waiting_bytes

    def start(self) -> None:
        METRICS.queue_events.set_function(lambda: self.worker.waiting_events)
        METRICS.hot_window_events.set_function(lambda: len(self._window))
        self.worker.start()

    def put(self, group: CommitGroup) -> None:
        """Puts a group in line. Its requests end after their events are durable, or with an error of the tree."""
        self.worker.put(group)

    def tell(self, decisions: Decisions) -> None:
        """Puts decisions in line. `done` ends once the hot window knows them; who tells waits for it, so that no
        more than these are held.

        Raises:
            StoreUnavailableError: the engine is shutting down.
        """
        self.worker.put(decisions)

    def drain(self) -> None:
        """Stores what waits, then refuses."""
        self.worker.drain()

    def _step(self, items: Sequence[CommitGroup | Decisions]) -> None:
        """All of one kind: it is their key."""
        if groups := [item for item in items if isinstance(item, CommitGroup)]:
            self.commit(groups)
        if decisions := [item for item in items if isinstance(item, Decisions)]:
            self.learn(decisions)

    def learn(self, every: Sequence[Decisions]) -> None:
        """Makes the window know these decisions."""
        for decisions in every:
            self._window.forget(decisions.void)
            self._window.remember(decisions.standing)
            decisions.done.set_result(None)

    def commit(self, groups: Sequence[CommitGroup]) -> None:
        """Stores what is new in these groups and answers their requests.

        Raises:
            Exception: what the sink raised; no request is answered.
        """
        _count_waiting(groups)
        with self._traced(groups):
            self._commit(groups)

    def _traced(self, groups: Sequence[CommitGroup]) -> AbstractContextManager[None]:
        if self._tracing is None:
            return nullcontext()
        spans = [call.span for call in _calls(groups) if call.span is not None]
        return self._tracing.batch(spans, sum(group.rows for group in groups))

    def _commit(self, groups: Sequence[CommitGroup]) -> None:
        events = pa.concat_batches([group.admitted.events for group in groups])
        fingerprints = Fingerprints.join([group.fingerprints for group in groups])
        refused = np.concatenate([group.admitted.refused for group in groups])
        judged = self._window.classify(fingerprints, refused)
        fresh = np.flatnonzero(judged.verdicts == Verdict.ACCEPTED)
        if len(fresh) == len(judged) > 0:
            self._store(events, fingerprints)
        elif len(fresh):
            self._store(events.take(pa.array(fresh)), fingerprints.take(fresh))
        as_of_us = self._clock.reached(self._now_us())
        _log.debug(
            "stored",
            requests=sum(len(group.requests) for group in groups),
            events=sum(group.rows for group in groups),
            new_events=len(fresh),
            as_of_us=as_of_us,
            request_ids=_request_ids(groups),
        )
        first = 0
        for group in groups:
            last = first + len(group.fingerprints)
            _answer(group, judged.slice(first, last), as_of_us)
            first = last

    def _store(self, events: pa.RecordBatch, fingerprints: Fingerprints) -> None:
        stamp_us = self._clock.begin(self._now_us())
        tried: list[NDArray[np.int64]] = []
        try:
            self._insert(partition_batches(events, stamp_us, self._limits.insert_events_max), stamp_us, tried)
            self._clock.end(stamp_us)
        except BaseException:
            # Also what was inserted before the failure: no watermark is sure to reach it, so it is not a duplicate yet.
            if tried:
                self._window.doubt(fingerprints.take(np.concatenate(tried)))
            raise
        self._window.enter(fingerprints)
        self._tell_stored(events)
        METRICS.inserted_events.inc(len(fingerprints))
        times_us = events.column("event_time").cast(pa.int64()).to_numpy()
        METRICS.event_lateness_seconds.observe_us(np.maximum(stamp_us - times_us, 0))

    def _insert(
        self,
        batches: Iterator[tuple[EventBatch, NDArray[np.int64]]],
        stamp_us: int,
        tried: list[NDArray[np.int64]],
    ) -> None:
        """Inserts them all, and adds the rows of each to `tried` before it is."""
        try:
            for batch, rows in batches:
                tried.append(rows)
                METRICS.insert_events.observe(len(rows))
                with METRICS.insert_duration_seconds.time():
                    self._sink.insert(batch)
        except BaseException as error:
            # Whatever it was, the batch may be stored all the same.
            METRICS.failed_inserts.inc()
            _log.warning("insert failed", events=len(tried[-1]) if tried else 0, error=log_text(error))
            self._clock.abandon(stamp_us)
            raise


def _count_waiting(groups: Sequence[CommitGroup]) -> None:
    since_ns = min(request.since_ns for group in groups for request in group.requests)
    METRICS.queue_wait_seconds.observe((time.monotonic_ns() - since_ns) / 1_000_000_000)
    METRICS.batch_requests.observe(sum(len(group.requests) for group in groups))


def _request_ids(groups: Sequence[CommitGroup]) -> list[str]:
    """Of the first calls of a batch: enough to find a line by one of them where few share it."""
    return [call.request_id for call in islice(_calls(groups), _REQUEST_IDS_LOGGED_MAX)]


def _calls(groups: Sequence[CommitGroup]) -> Iterator[CurrentCall]:
    for group in groups:
        for request in group.requests:
            if request.call is not None:
                yield request.call


def _answer(group: CommitGroup, judged: Judged, as_of_us: int) -> None:
    """Ends the group's requests; `judged` are its events of good form."""
    places = group.admitted.places
    every = np.full(group.rows, Verdict.REJECTED, np.uint8)
    every[places] = judged.verdicts
    conflicts = judged.conflicts(group.fingerprints)
    problems = group.admitted.problems | {int(places[row]): found for row, found in conflicts.items()}
    # Also those that were stored before a rule refused them: they have a problem, and are none.
    bad = np.flatnonzero(every > Verdict.DUPLICATE).tolist()
    first = 0
    for request in group.requests:
        last = first + request.rows
        found = [
            (row - first, problem)
            for row in bad[bisect_left(bad, first) : bisect_left(bad, last)]
            for problem in problems[row]
        ]
        request.done.set_result(Recorded(request.sequence, every[first:last], found, as_of_us))
        first = last
