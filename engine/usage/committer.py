"""Group commit: requests that arrive while an insert runs share the next one.

Rules:
1. A request is answered only after all its new events are durable.
2. One thread compares, stamps and inserts, so two requests can't both find an event new.
3. A failed insert fails every request of its group; they are sent again by their callers, and what was stored
   all the same collapses with the retry.
4. What waits is bounded; beyond it a request is refused at once, before any work.
5. Draining stores what waits, then refuses.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from engine.errors import QueueFullError, RetryLaterError, StoreUnavailableError
from engine.metrics import METRICS
from ingest import (
    Event,
    EventBatch,
    HotWindow,
    IngestClock,
    Limits,
    Outcome,
    Problem,
    Sink,
    partition_batches,
)

_log = structlog.get_logger(__name__)
_RETRY_AFTER_MS = 200

Entries = Sequence[Event | Problem]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a request: an outcome for each entry, and a watermark that includes its events."""

    outcomes: list[Outcome]
    as_of_us: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    entries: Entries
    done: "Future[Recorded]" = field(default_factory=Future)


class Committer:
    """Owns the hot window and the only writer of the store."""

    def __init__(
        self, sink: Sink, window: HotWindow, clock: IngestClock, limits: Limits, now_us: Callable[[], int]
    ) -> None:
        self._sink = sink
        self._window = window
        self._clock = clock
        self._limits = limits
        self._now_us = now_us
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="meterline-committer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, entries: Entries) -> "Future[Recorded]":
        """Queues a request. The future ends after its events are durable, or with a RetryLaterError.

        Raises:
            QueueFullError: the queue holds `queue_events_max`.
            StoreUnavailableError: the engine is shutting down.
        """
        waiting = _Waiting(entries)
        with self._changed:
            if not self._open:
                raise StoreUnavailableError("the engine is shutting down", retry_after_ms=_RETRY_AFTER_MS)
            if self._waiting_events + len(entries) > self._limits.queue_events_max:
                raise QueueFullError(
                    f"{self._waiting_events} events wait for the usage store; "
                    f"queue_events_max is {self._limits.queue_events_max}",
                    retry_after_ms=_RETRY_AFTER_MS,
                )
            self._waiting.append(waiting)
            self._waiting_events += len(entries)
            METRICS.queue_events.set(self._waiting_events)
            self._changed.notify()
        return waiting.done

    def drain(self) -> None:
        """Stores what waits, then ends the thread. Later requests are refused."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            try:
                self._commit(group)
            except Exception as error:  # noqa: BLE001 - see below
                # The thread must outlive whatever one group runs into, and no caller may wait for ever.
                if not isinstance(error, RetryLaterError):
                    _log.exception("group commit failed")
                for waiting in group:
                    waiting.done.set_exception(error)

    def _next_group(self) -> list[_Waiting]:
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            group: list[_Waiting] = []
            events = 0
            while self._waiting:
                events += len(self._waiting[0].entries)
                if group and events > self._limits.insert_events_max:
                    break
                group.append(self._waiting.popleft())
            self._waiting_events -= sum(len(waiting.entries) for waiting in group)
            METRICS.queue_events.set(self._waiting_events)
            return group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        classified = self._window.classify([waiting.entries for waiting in group])
        if classified.fresh:
            self._store(classified.fresh)
        as_of_us = self._clock.watermark(self._now_us())
        for waiting, outcomes in zip(group, classified.outcomes, strict=True):
            waiting.done.set_result(Recorded(outcomes, as_of_us))

    def _store(self, events: Sequence[Event]) -> None:
        stamp_us = self._clock.begin(self._now_us())
        try:
            for batch in partition_batches(events, stamp_us):
                self._insert(batch)
        finally:
            self._clock.end(stamp_us)

    def _insert(self, batch: EventBatch) -> None:
        try:
            with METRICS.insert_duration_seconds.time():
                self._sink.insert(batch)
        except Exception as error:
            # Whatever it was, the batch may be stored all the same.
            self._window.doubt(batch.events)
            METRICS.failed_inserts.inc()
            _log.warning("insert failed", events=len(batch.events), error=str(error))
            raise
        self._window.remember(batch.events)
        METRICS.inserted_events.inc(len(batch.events))
