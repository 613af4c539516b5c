"""What the engine bears of its peers: how many of their calls are open, and how long one may keep it waiting.

Rules:
1. A call holds a thread from its headers on. So the calls of each kind have a number of places, and there are
   more threads than places: no kind of call can take the threads of another.
2. A call keeps the engine waiting twice: until its message has come, and until its answer is taken. Between the
   two the engine is at work, and no peer is to blame.
3. Each of these waits has a deadline, after which the call is ended with DEADLINE_EXCEEDED. Only a stream's next
   message may take as long as it likes.
4. When every place is taken, a newcomer gets the place of a call that keeps the engine waiting: of the host, and
   there of the connection, with most of such calls the one that has done so for longest, if that is
   `yields_after_s`. It is ended with RESOURCE_EXHAUSTED. Without such a call the newcomer is refused.
5. A tenant that has its fair share (engine.fair_share) of the places is served as if all were taken: its newcomer gets the
   place of a call of its own, or is refused. So one tenant's calls leave room for another's.
6. A place is free when its call has ended on the wire and its handler has returned; both, since a peer that
   cancels leaves a handler that waits for its insert.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import grpc
import structlog

from engine.api.operation import CallLimits
from engine.errors import TooManyCallsError
from engine.fair_share import FairShare
from engine.metrics import METRICS

_log = structlog.get_logger(__name__)
_RETRY_AFTER_MS = 1_000
_LOOK_EVERY_S = 0.5
# Far more than a busy machine makes it wait.
_ROUND_MAX_S = 60


class CallEndedError(Exception):
    """The engine has ended the call; its peer has been told `code` already."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code.name)
        self.code = code


class OpenCall:
    """One open call. Its handler says what the call waits for."""

    __slots__ = (
        "_answer_since",
        "_asks_since",
        "_context",
        "_handler_left",
        "_peer",
        "_places",
        "_wire_left",
        "ended",
        "tenant",
    )

    def __init__(self, places: "Places", context: grpc.ServicerContext, tenant: str) -> None:
        self.tenant = tenant
        self._places = places
        self._context = context
        self._peer: tuple[str, str] | None = None
        self._asks_since: float | None = None
        self._answer_since: float | None = None
        self._handler_left = False
        self._wire_left = False
        # Set once, when the engine ends the call.
        self.ended: grpc.StatusCode | None = None

    def message(self, incoming: Iterator[bytes]) -> bytes | None:
        """The next message; None if the peer sends no more.

        Raises:
            CallEndedError: it did not come in time, or another call needed the place.
            grpc.RpcError: the peer has gone.
        """
        self._asks_since = self._places.clock()
        try:
            message = next(incoming, None)
        finally:
            self._asks_since = None
        if self.ended is not None:
            raise CallEndedError(self.ended)
        return message

    def messages(self, incoming: Iterator[bytes]) -> Iterator[bytes]:
        while (message := self.message(incoming)) is not None:
            yield message

    def answers(self) -> None:
        """An answer is on its way to the peer."""
        self._answer_since = self._places.clock()

    def answered(self) -> None:
        """The peer has taken the answer. While the engine answers a call, that call is not idle."""
        self._answer_since = None
        if self._asks_since is not None:
            self._asks_since = self._places.clock()

    def waits_since(self) -> float | None:
        """Since when the call keeps the engine waiting, by the clock of its places."""
        since = [each for each in (self._asks_since, self._answer_since) if each is not None]
        return min(since, default=None)

    def overdue(self, now_s: float, limits: CallLimits) -> str | None:
        """What the call has kept the engine waiting for, longer than it may."""
        asks, answer, limit_s = self._asks_since, self._answer_since, limits.message_timeout_s
        if asks is not None and limit_s is not None and now_s - asks > limit_s:
            return f"no whole message came within {limit_s:g} s: send the request again"
        if answer is not None and now_s - answer > limits.answer_timeout_s:
            return f"the answer was not taken within {limits.answer_timeout_s:g} s: read answers as they come"
        return None

    def peer(self) -> tuple[str, str]:
        """The host, and the connection."""
        if self._peer is None:
            connection = self._context.peer()
            self._peer = (connection.rpartition(":")[0], connection)
        return self._peer

    def end(self, code: grpc.StatusCode, text: str) -> None:
        """Ends the call, from any thread. Whoever waits in it goes on, and finds `ended` set."""
        self.ended = code
        _log.info("call ended", kind=self._places.limits.kind, code=code.name, error=text)
        call = getattr(getattr(self._context, "_rpc_event", None), "call", None)
        try:
            # What `cancel` of gRPC's Python API calls, which takes no status and leaves the peer to guess.
            call.cancel(code.value[0], text)  # type: ignore[union-attr]
        except (AttributeError, TypeError):
            self._context.cancel()  # type: ignore[no-untyped-call]

    def leave_wire(self) -> None:
        """The call has ended for its peer."""
        self._wire_left = True
        if self._handler_left:
            self._places.let_go(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without a lock: of the two that leave, whoever comes second sees both marks; letting go twice does no harm.
        self._handler_left = True
        if self._wire_left:
            self._places.let_go(self)


class Places:
    """The places of one kind of call."""

    def __init__(self, limits: CallLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        # Left without the lock, and copied to be looked through: each is one step of the interpreter.
        self._taken: set[OpenCall] = set()
        self._newcomers = threading.Lock()
        METRICS.open_calls.labels(limits.kind).set_function(lambda: len(self._taken))
        METRICS.open_calls_max.labels(limits.kind).set(limits.places)
        self._share = FairShare(limits.places, time.monotonic_ns)

    def take(self, context: grpc.ServicerContext, tenant: str = "") -> OpenCall:
        """A place for this call of a tenant (empty: of nobody in particular), whose handler works inside of it (`with`).

        Raises:
            TooManyCallsError: all are taken, by calls that are being worked on.
        """
        place = OpenCall(self, context, tenant)
        with self._newcomers:
            yielding = None
            taken = len(self._taken)
            # Counted only where it can matter: up to two thirds nobody has more than a fair share.
            mine = (
                sum(each.tenant == tenant for each in list(self._taken))
                if 3 * taken >= 2 * self.limits.places
                else 0
            )
            room = self._share.room(tenant, taken, mine)
            if taken >= self.limits.places or room < 1:
                yielding = self._longest_waiting(None if taken >= self.limits.places else tenant)
                self._taken.discard(yielding)
            self._taken.add(place)
        if yielding is not None:
            yielding.end(
                grpc.StatusCode.RESOURCE_EXHAUSTED, self._full("and this one kept the engine waiting")
            )
        if not context.add_callback(place.leave_wire):
            place.leave_wire()
        return place

    def let_go(self, place: OpenCall) -> None:
        self._taken.discard(place)

    def end_overdue(self) -> None:
        now_s = self.clock()
        for place in list(self._taken):
            text = place.overdue(now_s, self.limits)
            if text is not None and place.ended is None:
                place.end(grpc.StatusCode.DEADLINE_EXCEEDED, text)

    def _longest_waiting(self, tenant: str | None) -> OpenCall:
        """Of this tenant's calls; None: of all."""
        now_s = self.clock()
        waiting = []
        for place in list(self._taken):
            if tenant is not None and place.tenant != tenant:
                continue
            since = place.waits_since()
            if since is not None and now_s - since >= self.limits.yields_after_s:
                waiting.append((place, since))
        if not waiting:
            raise TooManyCallsError(
                self._full("share one among your threads"), retry_after_ms=_RETRY_AFTER_MS
            )
        hosts = Counter(place.peer()[0] for place, _ in waiting)
        connections = Counter(place.peer()[1] for place, _ in waiting)

        def blame(each: tuple[OpenCall, float]) -> tuple[int, int, float]:
            host, connection = each[0].peer()
            return hosts[host], connections[connection], -each[1]

        return max(waiting, key=blame)[0]

    def _full(self, advice: str) -> str:
        return f"{self.limits.places} {self.limits.kind} are open, the most that this engine serves: {advice}"


class Watchdog:
    """The thread that ends overdue calls."""

    def __init__(self, places: Sequence[Places], clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._looked_at = clock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meterline-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def is_moving(self) -> bool:
        """Whether it has looked within the last minute."""
        return self._thread.is_alive() and self._clock() - self._looked_at < _ROUND_MAX_S

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            self._looked_at = self._clock()
            for places in self._places:
                places.end_overdue()
