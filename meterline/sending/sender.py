"""The background sender: a bounded buffer between those who record and the threads that send.

1. One lock guards the batcher, the batches in flight and the counts; it is never held during I/O, a
   callback or a wait. It is re-entrant: a signal handler may record.
2. An event counts as waiting from `offer` until its batch is settled: the bounds cover both the buffer
   and what is in flight. With a spool what waits is on disk, and the spool's bound takes their place.
3. A batch is settled after its problems were reported: when `flush` returns, the callbacks have run.
4. A sender thread ends only when the sender is closing and nothing waits, or what waits stays on disk.
   Whatever happens to a batch, it is settled or put back: an error of our own becomes the verdict FAILED, in
   the log with its traceback.
5. With a spool only a verdict on the event itself ends it. A round of attempts that fails puts it back
   behind the others, and the thread rests, so that no error makes a busy loop.
6. Nobody polls: threads wait for a condition, with the time of the next due batch as the only timeout.
   Event loops are woken through `Waiting`.
"""

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence

from grpc import StatusCode

from meterline.errors import BufferFullError, CallbackMisuseError, ClientClosedError
from meterline.events import Delivery, Judgement, Verdict
from meterline.options import Options
from meterline.retry import CallFailure
from meterline.sending.batching import Batch, Batcher, Held, frame_bytes
from meterline.sending.cargo import Cargo, StayingLog, cargo_of, sort_out
from meterline.sending.delivery import CLOSED, Courier, deliver_apart, failed
from meterline.sending.messages import count_verdicts
from meterline.sending.reporting import Tell, report
from meterline.sending.waiting import Waiting
from meterline.spooling.spool import Spool

_log = logging.getLogger("meterline")
# For a callback that does not return when the client is closed; and for all that return, however many there are.
_CALLBACK_TIMEOUT_S = 1.0
_CALLBACKS_TIMEOUT_S = 10.0
_REST_S = 1.0  # rule 5


class Sender:
    """Takes frames from any thread and sees each to its verdict."""

    def __init__(
        self,
        courier: Courier,
        options: Options,
        tell: Tell | None,
        abandon: threading.Event,
        spool: Spool | None = None,
    ) -> None:
        self._courier = courier
        self._options = options
        self._tell = tell
        self._abandon = abandon
        self._spool = spool
        self._staying = StayingLog("" if spool is None else str(spool.directory))
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self.room = Waiting(self._lock)
        self.settled = Waiting(self._lock)
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
        if spool is not None:
            self._resume(spool)

    def add(self, frame: bytes) -> None:
        """Take an event in. Raises BufferFullError, SpoolError or ClientClosedError: it is not taken then."""
        give_up_at_s: float | None = None
        while not self.offer(frame):
            if not self.may_wait or threading.current_thread() in self._threads:
                # A sender thread that waits for room (a callback that records) would wait for itself.
                raise self.full_error(0.0)
            patience_s = self._options.block_timeout_s
            give_up_at_s = time.monotonic() + patience_s if give_up_at_s is None else give_up_at_s
            self.hurry()
            remaining_s = max(0.0, give_up_at_s - time.monotonic())
            if not self.room.wait_for(lambda: self.worth_offering(len(frame)), remaining_s):
                raise self.full_error(patience_s)

    def offer(self, frame: bytes) -> bool:
        """Take an event in if there is room, without waiting for it; with a spool, writes to the disk.

        Raises ClientClosedError or SpoolError.
        """
        if self._spool is not None:
            self.refuse_closed()
            slots = self._spool.put([frame])
            for slot in slots:
                self.join(slot)
            return bool(slots)
        with self._lock:
            self.refuse_closed()
            if not self._has_room(len(frame)):
                return False
            self.join(frame)
            return True

    def refuse_closed(self) -> None:
        """Raises ClientClosedError once `begin_close` was called."""
        if self._closing:
            raise ClientClosedError("the client is closed: record before close() or make a new Client")

    def join(self, event: Held) -> None:
        """See an event that is held, in the buffer or on disk, to its verdict."""
        with self._lock:
            if not self._threads:
                self._start()  # before the event is in: an interpreter that is ending starts no threads
            self._pending_events += 1
            self._pending_bytes += frame_bytes(event)
            if self._batcher.add(event, time.monotonic()):
                self._work.notify()

    def worth_offering(self, size_bytes: int) -> bool:
        """Whether an offer would not be turned away for want of room. For those who wait."""
        return self._closing or self._has_room(size_bytes)

    @property
    def may_wait(self) -> bool:
        """Whether the policy of a full buffer is to wait for room."""
        return self._options.when_full == "block"

    def full_error(self, waited_s: float) -> BufferFullError:
        """The error of an event for which there was no room."""
        if self._spool is not None:
            full = self._spool.full_text()
            return BufferFullError(f"{full}; no room after {waited_s:g} s: is the engine up?")
        return BufferFullError(
            f"{self._pending_events:,} events ({self._pending_bytes:,} bytes) wait for the engine and the "
            f"buffer has no room after {waited_s:g} s: is the engine up? The bounds are buffer_events_max "
            f"({self._options.buffer_events_max:,}) and buffer_bytes_max ({self._options.buffer_bytes_max:,})"
        )

    def tally(self, judged: Sequence[Judgement]) -> None:
        """Count events that were sent past the buffer."""
        counts = count_verdicts(judged)
        with self._lock:
            self._counts.update(counts)

    def delivery(self) -> Delivery:
        """The counts now."""
        with self._lock:
            counts = {verdict.value: self._counts[verdict] for verdict in Verdict}
            return Delivery(**counts, pending=self._pending_events)

    def hurry(self) -> int:
        """Make all that waits due now; the ordinal before which all is settled when that is done."""
        with self._lock:
            self._batcher.urge()
            self._work.notify_all()
            return self._batcher.next_ordinal

    def is_settled_before(self, ordinal: int) -> bool:
        """Whether each event with a lower ordinal has its end."""
        with self._lock:
            return min([*self._in_flight, self._batcher.first_waiting_ordinal]) >= ordinal

    def flush(self, timeout_s: float | None) -> Delivery:
        """Send all that was added before the call, and wait until it is settled or the time is over."""
        self._refuse_in_callback("flush")
        target = self.hurry()
        self.settled.wait_for(lambda: self.is_settled_before(target), timeout_s)
        return self.delivery()

    def begin_close(self) -> None:
        """Take no more; who waits for room learns it."""
        self._refuse_in_callback("close")
        with self._lock:
            self._closing = True
            self.room.notify_all()

    def end_close(self, disconnect: Callable[[], None]) -> Delivery:
        """Break off what is under way. What is left is failed and reported, or stays in the spool."""
        self._abandon.set()
        disconnect()
        with self._lock:
            self._work.notify_all()
        self._join_threads()
        if self._spool is not None:
            self._spool.close()
        return self.delivery()

    def _join_threads(self) -> None:
        """Until they end, while callbacks return or batches are settled; a callback that does not return is left behind."""
        give_up_at_s = time.monotonic() + _CALLBACKS_TIMEOUT_S
        known = None
        while known != (known := self._progress()) and time.monotonic() < give_up_at_s:
            next_look_at_s = time.monotonic() + _CALLBACK_TIMEOUT_S
            for thread in self._threads:
                thread.join(max(0.0, next_look_at_s - time.monotonic()))

    def _progress(self) -> tuple[Delivery, int]:
        # Batches of several threads share a loop, which may end them all at once after many callbacks.
        return self.delivery(), 0 if self._tell is None else self._tell.told_count

    def _has_room(self, size_bytes: int) -> bool:
        if self._spool is not None:
            return self._spool.has_room(size_bytes)
        return (
            self._pending_events < self._options.buffer_events_max
            and self._pending_bytes + size_bytes <= self._options.buffer_bytes_max
        )

    def _refuse_in_callback(self, name: str) -> None:
        if threading.current_thread() in self._threads:
            raise CallbackMisuseError(f"{name}() in on_problem would wait for itself: call it elsewhere")

    def _resume(self, spool: Spool) -> None:
        for slot in spool.recover():
            self._batcher.add(slot, 0.0)
            self._pending_events += 1
            self._pending_bytes += frame_bytes(slot)
        if self._pending_events:
            _log.info("%d events of earlier runs are in the spool: sending them", self._pending_events)
            self._start()

    def _start(self) -> None:
        for number in range(self._options.requests_in_flight_max):
            # Daemons: the interpreter joins other threads before atexit, where the client is closed.
            thread = threading.Thread(target=self._run, name=f"meterline-sender-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                cargo = cargo_of(batch, self._spool)
            except OSError as error:
                _log.warning("the spool can't be read, and is tried again: %s", error)
                self._put_back_unread(batch)
                continue
            self._settle(batch, cargo, self._judge(cargo.frames))

    def _next_batch(self) -> Batch | None:
        with self._lock:
            while True:
                if self._spool is not None and self._abandon.is_set():
                    return None
                now_s = time.monotonic()
                batch = self._batcher.take(now_s)
                if batch is not None:
                    self._in_flight[batch.first_ordinal] = batch
                    if not self._batcher.empty:
                        self._work.notify()  # another thread minds the next due time
                    return batch
                if self._closing and self._batcher.empty and not (self._spool and self._in_flight):
                    return None
                self._work.wait(self._batcher.due_in_s(now_s))

    def _judge(self, frames: Sequence[bytes]) -> list[Judgement]:
        count = len(frames)
        if self._abandon.is_set():
            return failed(CLOSED, count)
        try:
            if self._spool is not None and frames:
                return deliver_apart(self._courier, frames)
            return self._courier.deliver(b"".join(frames), count) if frames else []
        except Exception as error:  # noqa: BLE001 - rule 4
            _log.exception("sending a batch of %d events broke", count)
            return failed(CallFailure(StatusCode.INTERNAL, f"the client broke: {error!r}"), count)

    def _settle(self, batch: Batch, cargo: Cargo, judged: Sequence[Judgement]) -> None:
        result = sort_out(cargo, judged)
        try:
            report(result.frames, result.judged, self._tell)
            if result.staying and not self._abandon.is_set():
                self._staying.tell(judged)
        except Exception:  # noqa: BLE001 - rule 4; a log handler that raises can't be told through the log
            traceback.print_exc()
        if self._spool is not None:
            self._spool.settle(result.ended)
        counts = count_verdicts(result.judged)
        counts[Verdict.FAILED] += cargo.lost_count
        with self._lock:
            del self._in_flight[batch.first_ordinal]
            for staying in result.staying:
                self._batcher.put_back(staying)
                self._pending_bytes += staying.size_bytes
            self._pending_events -= len(result.judged) + cargo.lost_count
            self._pending_bytes -= batch.size_bytes
            self._counts.update(counts)
            if result.staying or self._closing:
                self._work.notify_all()
            self.room.notify_all()
            self.settled.notify_all()
        if result.staying:
            self._abandon.wait(_REST_S)

    def _put_back_unread(self, batch: Batch) -> None:
        with self._lock:
            del self._in_flight[batch.first_ordinal]
            self._batcher.put_back(batch)
        self._abandon.wait(_REST_S)
