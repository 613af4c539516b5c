"""The background sender: a bounded buffer between the threads that record and those that send.

1. One lock guards the batcher, the batches in flight and the counts; it is never held during I/O, a
   callback or a wait. It is re-entrant: a signal handler may record.
2. An event counts as waiting from `add` until its batch is settled: the bounds cover both the buffer
   and what is in flight.
3. A batch is settled after its problems were reported: when `flush` returns, the callbacks have run.
4. A sender thread ends only when the sender is closing and nothing waits. Whatever happens to a batch,
   it is settled: an error of our own becomes the verdict FAILED, in the log with its traceback.
5. Nobody polls: threads wait for a condition, with the time of the next due batch as the only timeout.
"""

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable

from grpc import StatusCode

from meterline.batching import Batch, Batcher
from meterline.delivery import CLOSED, Courier, failed
from meterline.errors import BufferFullError, CallbackMisuseError, ClientClosedError
from meterline.events import Delivery, Judgement, Verdict
from meterline.messages import count_verdicts
from meterline.options import Options
from meterline.reporting import OnProblem, report
from meterline.retry import CallFailure

_log = logging.getLogger("meterline")
_JOIN_TIMEOUT_S = 1.0  # for a callback that does not return when the client is closed


class Sender:
    """Takes frames from any thread and sees each to its verdict."""

    def __init__(
        self, courier: Courier, options: Options, on_problem: OnProblem | None, abandon: threading.Event
    ) -> None:
        self._courier = courier
        self._options = options
        self._on_problem = on_problem
        self._abandon = abandon
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._batcher = Batcher(
            events_max=options.batch_events_max,
            bytes_max=options.batch_bytes_max,
            age_max_s=options.batch_age_max_ms / 1_000,
        )
        self._in_flight: dict[int, Batch] = {}
        self._pending_events = 0
        self._pending_bytes = 0
        self._counts: Counter[Verdict] = Counter()
        self._threads: list[threading.Thread] = []
        self._closing = False

    def add(self, frame: bytes) -> None:
        """Take an event in. Raises BufferFullError or ClientClosedError, and then has not taken it."""
        with self._lock:
            if not self._has_room(len(frame)):
                self._wait_for_room(len(frame))
            if self._closing:
                raise ClientClosedError("the client is closed: record before close() or make a new Client")
            if not self._threads:
                self._start()  # before the event is in: an interpreter that is ending starts no threads
            self._pending_events += 1
            self._pending_bytes += len(frame)
            if self._batcher.add(frame, time.monotonic()):
                self._work.notify()

    def tally(self, judged: list[Judgement]) -> None:
        """Count events that were sent past the buffer."""
        with self._lock:
            self._counts.update(count_verdicts(judged))

    def delivery(self) -> Delivery:
        """The counts now."""
        with self._lock:
            counts = {verdict.value: self._counts[verdict] for verdict in Verdict}
            return Delivery(**counts, pending=self._pending_events)

    def flush(self, timeout_s: float | None) -> Delivery:
        """Send all that was added before the call, and wait until it is settled or the time is over."""
        self._refuse_in_callback("flush")
        with self._lock:
            self._batcher.urge()
            self._work.notify_all()
            target = self._batcher.next_ordinal
            self._settled.wait_for(lambda: self._first_unsettled() >= target, timeout_s)
            return self.delivery()

    def close(self, timeout_s: float, disconnect: Callable[[], None]) -> Delivery:
        """Take no more, flush for at most `timeout_s`, then fail and report what is left."""
        self._refuse_in_callback("close")
        with self._lock:
            self._closing = True
            self._room.notify_all()
        self.flush(timeout_s)
        self._abandon.set()
        disconnect()
        with self._lock:
            self._work.notify_all()
        give_up_at_s = time.monotonic() + _JOIN_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, give_up_at_s - time.monotonic()))
        return self.delivery()

    def _has_room(self, frame_bytes: int) -> bool:
        return (
            self._pending_events < self._options.buffer_events_max
            and self._pending_bytes + frame_bytes <= self._options.buffer_bytes_max
        )

    def _wait_for_room(self, frame_bytes: int) -> None:
        waited_s = 0.0
        # A sender thread that waits for room (a callback that records) would wait for itself.
        if self._options.when_full == "block" and threading.current_thread() not in self._threads:
            waited_s = self._options.block_timeout_s
            self._batcher.urge()
            self._work.notify_all()
            if self._room.wait_for(lambda: self._closing or self._has_room(frame_bytes), waited_s):
                return
        raise BufferFullError(
            f"{self._pending_events:,} events ({self._pending_bytes:,} bytes) wait for the engine and the "
            f"buffer has no room after {waited_s:g} s: is the engine up? The bounds are buffer_events_max "
            f"({self._options.buffer_events_max:,}) and buffer_bytes_max ({self._options.buffer_bytes_max:,})"
        )

    def _first_unsettled(self) -> int:
        return min([*self._in_flight, self._batcher.first_waiting_ordinal])

    def _refuse_in_callback(self, name: str) -> None:
        if threading.current_thread() in self._threads:
            raise CallbackMisuseError(f"{name}() in on_problem would wait for itself: call it elsewhere")

    def _start(self) -> None:
        for number in range(self._options.requests_in_flight_max):
            # Daemons: the interpreter joins other threads before atexit, where the client is closed.
            thread = threading.Thread(target=self._run, name=f"meterline-sender-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._settle(batch, self._see_through(batch))

    def _next_batch(self) -> Batch | None:
        with self._lock:
            while True:
                now_s = time.monotonic()
                batch = self._batcher.take(now_s)
                if batch is not None:
                    self._in_flight[batch.first_ordinal] = batch
                    if not self._batcher.empty:
                        self._work.notify()  # another thread minds the next due time
                    return batch
                if self._closing and self._batcher.empty:
                    return None
                self._work.wait(self._batcher.due_in_s(now_s))

    def _see_through(self, batch: Batch) -> list[Judgement]:
        count = len(batch.frames)
        if self._abandon.is_set():
            judged = failed(CLOSED, count)
        else:
            try:
                judged = self._courier.deliver(batch.payload(), count)
            except Exception as error:  # noqa: BLE001 - rule 4
                _log.exception("sending a batch of %d events broke", count)
                judged = failed(CallFailure(StatusCode.INTERNAL, f"the client broke: {error!r}"), count)
        try:
            report(batch.frames, judged, self._on_problem)
        except Exception:  # noqa: BLE001 - rule 4; a log handler that raises can't be told through the log
            traceback.print_exc()
        return judged

    def _settle(self, batch: Batch, judged: list[Judgement]) -> None:
        with self._lock:
            del self._in_flight[batch.first_ordinal]
            self._pending_events -= len(batch.frames)
            self._pending_bytes -= batch.size_bytes
            self._counts.update(count_verdicts(judged))
            self._room.notify_all()
            self._settled.notify_all()
