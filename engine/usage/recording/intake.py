"""Intake: what waits as bytes becomes admitted columns, many requests at a time, while an insert runs.

Rules:
1. A request is refused at once, before any work, when the bytes that the engine holds would pass their bound; and
   before it is judged when the events that wait would pass theirs, or their columns have. All come back as
   QueueFullError.
2. Requests that wait together are decoded, judged and fingerprinted together: the price of one call is paid once.
   Requests of columns are decoded in parts, as small ones can mean large columns: what a part runs into ends its own
   requests alone, as those before it are in the committer's line by then.
3. A request that can't be taken (no message, no events, too many) fails alone.
4. What comes while an insert runs gathers until the next one can take it (engine.usage.recording.worker, rule 6): for
   requests of few events the calls cost more than the events.
5. A tenant whose limit of events is used up (`charge_events`) is refused before its requests are decoded; those that came
   in together, one by one as they are counted.
6. What waits is shared fairly (engine.fair_share): a tenant that fills its share of bytes or of events is refused while
   others still have room, and turns are taken tenant by tenant (engine.usage.recording.worker, rule 2).
7. The step itself (`admit`) has no thread and doesn't wait; its worker (engine.usage.recording.worker) takes the turns.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.current_call import CURRENT_CALL, CurrentCall
from engine.errors import FieldMistake, InvalidRequestError, MeterlineError, QueueFullError, RetryLaterError
from engine.fair_share import FairShare
from engine.metrics import METRICS
from engine.usage.recording.committer import AdmittedRequest, CommitGroup, Committer, Recorded
from engine.usage.recording.worker import RETRY_AFTER_MS, Gathering, Worker, attempt
from ingest import Admission, Decoded, Fingerprinter, Limits, RequestKind, RequestMistake, decode_parts

# What is decoded at once: some 30,000 events. More saves nothing, and the insert behind it would wait.
_GROUP_BYTES_MAX = 4 * 1024 * 1024
# What is worth a call of its own: some 3,700 events, beside which its millisecond is little.
_ENOUGH_BYTES = 512 * 1024
# A small part of what an answer takes while inserts run. What is wrong with a request is told as quickly.
_GATHER_MS = 20
# Charges a tenant with so many events, and raises a RetryLaterError if it owes some; a count of 0 only asks.
ChargeEvents = Callable[[str, int], None]
# How many events a request may have: the name of the limit.
_EVENTS_MAX = {
    RequestKind.RECORD: "request_events_max",
    RequestKind.STREAM: "request_events_max",
    RequestKind.COLUMNS: "columns_events_max",
}


@dataclass(frozen=True, slots=True)
class _Waiting:
    tenant: str
    kind: RequestKind
    data: bytes
    done: "Future[Recorded]" = field(default_factory=Future)
    call: CurrentCall | None = field(default_factory=CURRENT_CALL.get)
    since_ns: int = field(default_factory=time.monotonic_ns)

    @property
    def lane(self) -> str:
        return self.tenant

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Of one tenant and kind, in their order; requests of others are concurrent with them."""
        return self.tenant, self.kind

    @property
    def events(self) -> int:
        """Not known before they are decoded."""
        return 0

    @property
    def nbytes(self) -> int:
        return len(self.data)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Intake:
    """The way in for usage: turns bytes into groups for the committer."""

    def __init__(
        self,
        committer: Committer,
        admission_for: Callable[[str], Admission],
        fingerprinter: Fingerprinter,
        limits: Limits,
        now_us: Callable[[], int],
        charge_events: ChargeEvents = lambda _tenant, _count: None,
        monotonic_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._charge_events = charge_events
        self._committer = committer
        self._admission_for = admission_for
        self._fingerprinter = fingerprinter
        self._limits = limits
        self._now_us = now_us
        self._held_bytes = 0
        self._held_by: Counter[str] = Counter()
        self._bytes_share = FairShare(limits.queue_bytes_max, monotonic_ns)
        self._columns_share = FairShare(limits.queue_bytes_max, monotonic_ns)
        self._events_share = FairShare(limits.queue_events_max, monotonic_ns)
        self._holding = threading.Lock()
        self.worker: Worker[_Waiting] = Worker(
            "intake",
            self.admit,
            turn_events_max=limits.queue_events_max,
            turn_bytes_max=_GROUP_BYTES_MAX,
            gathering=Gathering(lambda: committer.waiting_events > 0, _ENOUGH_BYTES, _GATHER_MS),
        )
        committer.worker.when_taken(self.worker.wake)

    def start(self) -> None:
        self.worker.start()

    def drain(self) -> None:
        """Admits what waits, then refuses. The committer drains after it."""
        self.worker.drain()

    def submit(self, tenant: str, kind: RequestKind, data: bytes) -> "Future[Recorded]":
        """Queues a request. The future ends after its events are durable, or with an error of the tree.

        Raises:
            QueueFullError: the engine holds `queue_bytes_max`.
            StoreUnavailableError: the engine is shutting down.
        """
        waiting = _Waiting(tenant, kind, data)
        self._hold(tenant, len(data))
        waiting.done.add_done_callback(lambda _done: self._release(tenant, len(data)))
        try:
            self.worker.put(waiting)
        except RetryLaterError as error:
            waiting.fail(error)
            raise
        return waiting.done

    def _hold(self, tenant: str, more_bytes: int) -> None:
        with self._holding:
            held = self._held_by[tenant]
            room = self._bytes_share.room(tenant, self._held_bytes, held)
            if more_bytes > room:
                if not held:
                    del self._held_by[tenant]
                raise QueueFullError(
                    f"{self._held_bytes} bytes wait for the usage store, {held} of them of this tenant; "
                    f"queue_bytes_max is {self._limits.queue_bytes_max}",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            self._held_by[tenant] = held + more_bytes
            self._held_bytes += more_bytes
            METRICS.queue_bytes.set(self._held_bytes)

    def _release(self, tenant: str, held_bytes: int) -> None:
        with self._holding:
            self._held_by[tenant] -= held_bytes
            if not self._held_by[tenant]:
                del self._held_by[tenant]
            self._held_bytes -= held_bytes
            METRICS.queue_bytes.set(self._held_bytes)

    def admit(self, waiting: Sequence[_Waiting]) -> None:
        """Decodes, judges and fingerprints requests of one tenant and kind, and puts them in the committer's line."""
        tenant, kind = waiting[0].tenant, waiting[0].kind
        self._charge_events(tenant, 0)
        self._check_columns(tenant)
        first = 0
        for decoded in decode_parts(kind, [request.data for request in waiting], self._limits):
            part = waiting[first : first + len(decoded)]
            attempt("intake", partial(self._admit_part, decoded), part)
            first += len(part)

    def _admit_part(self, decoded: Decoded, waiting: Sequence[_Waiting]) -> None:
        tenant, kind = waiting[0].tenant, waiting[0].kind
        self._check_columns(tenant)
        counts = np.diff(decoded.offsets)
        room = self._events_share.room(
            tenant, self._committer.waiting_events, self._committer.worker.waiting_events_of(tenant)
        )
        taken: list[AdmittedRequest] = []
        keep = np.zeros(len(waiting), np.bool_)
        for i, request in enumerate(waiting):
            events = int(counts[i])
            error = self._refusal(kind, events, room, decoded.mistakes.get(i)) or self._charged(
                tenant, events
            )
            if error is not None:
                request.fail(error)
                continue
            room -= events
            keep[i] = True
            taken.append(
                AdmittedRequest(
                    request.done, events, int(decoded.sequences[i]), request.call, request.since_ns
                )
            )
        if not taken:
            return
        rows = decoded.events if keep.all() else decoded.events.filter(np.repeat(keep, counts))
        admitted = self._admission_for(tenant).admit(tenant, rows, self._now_us())
        self._committer.put(
            CommitGroup(admitted, self._fingerprinter.of(admitted.events), taken, len(rows), tenant)
        )

    def _charged(self, tenant: str, events: int) -> MeterlineError | None:
        try:
            self._charge_events(tenant, events)
        except RetryLaterError as error:
            return error
        return None

    def _check_columns(self, tenant: str) -> None:
        # A small request can make large columns, by its dictionaries: its bytes alone say little.
        waiting_bytes, own = self._committer.waiting_bytes, self._committer.worker.waiting_bytes_of(tenant)
        if self._columns_share.room(tenant, waiting_bytes, own) < 0:
            raise QueueFullError(
                f"{waiting_bytes} bytes of columns wait for the usage store; "
                f"queue_bytes_max is {self._limits.queue_bytes_max}",
                retry_after_ms=RETRY_AFTER_MS,
            )

    def _refusal(
        self, kind: RequestKind, events: int, room: int, mistake: RequestMistake | None
    ) -> MeterlineError | None:
        if mistake is not None:
            return InvalidRequestError(FieldMistake(mistake.field, mistake.message))
        events_max = getattr(self._limits, _EVENTS_MAX[kind])
        if not 1 <= events <= events_max:
            return InvalidRequestError(
                FieldMistake("events", f"has {events} events: send 1 to {events_max} ({_EVENTS_MAX[kind]})")
            )
        if events > room:
            queue_max = self._limits.queue_events_max
            return QueueFullError(
                f"{self._committer.waiting_events} events wait for the usage store, and this tenant may add {room}; "
                f"queue_events_max is {queue_max}",
                retry_after_ms=RETRY_AFTER_MS,
            )
        return None
