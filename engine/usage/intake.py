"""Intake: what waits as bytes becomes admitted columns, many requests at a time, while an insert runs.

Rules:
1. A request is refused at once, before any work, when the bytes that the engine holds would pass their bound; and
   before it is judged when the events that wait would pass theirs. Both come back as QueueFullError.
2. Requests that wait together are decoded, judged and fingerprinted together: the price of one call is paid once.
3. A request that can't be taken (no message, no events, too many) fails alone.
4. Draining admits what waits, then refuses. The committer drains after it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from engine.errors import (
    FieldMistake,
    InvalidRequestError,
    MeterlineError,
    QueueFullError,
    StoreUnavailableError,
)
from engine.metrics import METRICS
from engine.usage.committer import RETRY_AFTER_MS, Committer, Group, Recorded, Request
from ingest import Admission, Fingerprinter, Limits, RequestKind, decode

_log = structlog.get_logger(__name__)
# What is decoded at once: some 30,000 events. More saves nothing, and the insert behind it would wait.
_GROUP_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    tenant: str
    kind: RequestKind
    data: bytes
    done: "Future[Recorded]" = field(default_factory=Future)


class Intake:
    """The way in for usage: one thread that turns bytes into groups for the committer."""

    def __init__(
        self,
        committer: Committer,
        admission_for: Callable[[str], Admission],
        fingerprinter: Fingerprinter,
        limits: Limits,
        now_us: Callable[[], int],
    ) -> None:
        self._committer = committer
        self._admission_for = admission_for
        self._fingerprinter = fingerprinter
        self._limits = limits
        self._now_us = now_us
        self._waiting: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="meterline-intake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, tenant: str, kind: RequestKind, data: bytes) -> "Future[Recorded]":
        """Queues a request. The future ends after its events are durable, or with an error of the tree.

        Raises:
            QueueFullError: the engine holds `queue_bytes_max`.
            StoreUnavailableError: the engine is shutting down.
        """
        waiting = _Waiting(tenant, kind, data)
        with self._changed:
            if not self._open:
                raise StoreUnavailableError("the engine is shutting down", retry_after_ms=RETRY_AFTER_MS)
            if self._held_bytes + len(data) > self._limits.queue_bytes_max:
                raise QueueFullError(
                    f"{self._held_bytes} bytes wait for the usage store; "
                    f"queue_bytes_max is {self._limits.queue_bytes_max}",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            self._held_bytes += len(data)
            METRICS.queue_bytes.set(self._held_bytes)
            self._waiting.append(waiting)
            self._changed.notify()
        waiting.done.add_done_callback(lambda _done: self._release(len(data)))
        return waiting.done

    def drain(self) -> None:
        """Admits what waits, then ends the thread. Later requests are refused."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _release(self, held_bytes: int) -> None:
        with self._changed:
            self._held_bytes -= held_bytes
            METRICS.queue_bytes.set(self._held_bytes)

    def _run(self) -> None:
        while waiting := self._next():
            # Of one tenant and kind, in their order; requests of others are concurrent with them.
            together: dict[tuple[str, RequestKind], list[_Waiting]] = {}
            for request in waiting:
                together.setdefault((request.tenant, request.kind), []).append(request)
            for (tenant, kind), requests in together.items():
                try:
                    self._admit(tenant, kind, requests)
                except Exception as error:  # noqa: BLE001 - see below
                    # The thread must outlive whatever one group runs into, and no caller may wait for ever.
                    if not isinstance(error, MeterlineError):
                        _log.exception("admission failed")
                    for request in requests:
                        if not request.done.done():
                            request.done.set_exception(error)

    def _next(self) -> list[_Waiting]:
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            taken: list[_Waiting] = []
            taken_bytes = 0
            while self._waiting:
                taken_bytes += len(self._waiting[0].data)
                if taken and taken_bytes > _GROUP_BYTES_MAX:
                    break
                taken.append(self._waiting.popleft())
            return taken

    def _admit(self, tenant: str, kind: RequestKind, waiting: Sequence[_Waiting]) -> None:
        decoded = decode(kind, [request.data for request in waiting])
        counts = np.diff(decoded.offsets)
        room = self._limits.queue_events_max - self._committer.waiting_events
        taken: list[Request] = []
        keep = np.zeros(len(waiting), np.bool_)
        for i, request in enumerate(waiting):
            events = int(counts[i])
            error = self._refusal(kind, events, room, malformed=i in decoded.malformed)
            if error is not None:
                request.done.set_exception(error)
                continue
            room -= events
            keep[i] = True
            taken.append(Request(request.done, events, int(decoded.sequences[i])))
        if not taken:
            return
        rows = decoded.events if keep.all() else _of_requests(decoded.events, keep, counts)
        admitted = self._admission_for(tenant).admit(tenant, rows, self._now_us())
        self._committer.put(Group(admitted, self._fingerprinter.of(admitted.events), taken, len(rows)))

    def _refusal(
        self, kind: RequestKind, events: int, room: int, *, malformed: bool
    ) -> MeterlineError | None:
        events_max = self._limits.request_events_max
        if malformed:
            return InvalidRequestError(
                FieldMistake(
                    "request",
                    f"the bytes are no meterline.v1.{kind.value}: send UTF-8 text and the message of this method",
                )
            )
        if not 1 <= events <= events_max:
            return InvalidRequestError(
                FieldMistake("events", f"has {events} events: send 1 to {events_max} (request_events_max)")
            )
        if events > room:
            queue_max = self._limits.queue_events_max
            return QueueFullError(
                f"{queue_max - room} events wait for the usage store; queue_events_max is {queue_max}",
                retry_after_ms=RETRY_AFTER_MS,
            )
        return None


def _of_requests(
    events: pa.StructArray, keep: NDArray[np.bool_], counts: NDArray[np.int64]
) -> pa.StructArray:
    return events.filter(pa.array(np.repeat(keep, counts)))
