"""One batch to its end: attempts, waits between them, and a judgement for each event.

Runs on the thread that calls it; the waits go through `pause`, which a closing client cuts short.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grpc import StatusCode

from meterline.events import Judgement, Verdict
from meterline.retry import CallFailure, RetryPolicy
from meterline.sending.messages import UNKNOWN_VERDICT_REASON, judgements
from meterline.transport import CallFailedError
from meterline.v1 import usage_pb2

SendAttempt = Callable[[bytes, float], usage_pb2.RecordUsageResponse]
"""One attempt: (payload, timeout_s) to an answer, or CallFailedError."""


@dataclass(frozen=True, slots=True)
class Courier:
    """How batches travel: one attempt, the retry policy, and the sources of time, chance and waiting.

    `pause(seconds)` waits and returns true if the client gave up meanwhile; `random()` is even over [0, 1).
    """

    send: SendAttempt
    policy: RetryPolicy
    request_timeout_s: float
    pause: Callable[[float], bool]
    random: Callable[[], float]
    clock: Callable[[], float] = time.monotonic

    def deliver(self, payload: bytes, events_count: int) -> list[Judgement]:
        """Send until there is an answer, a final status, or no time left; one judgement an event."""
        started_s = self.clock()
        attempt = 0
        while True:
            try:
                answer = self.send(payload, self.request_timeout_s)
            except CallFailedError as error:
                failure = error.failure
            else:
                return judgements(answer, events_count)
            elapsed_s = self.clock() - started_s
            wait_s = self.policy.wait_s(failure, attempt, elapsed_s, self.random())
            if wait_s is None:
                return failed(failure, events_count)
            if self.pause(wait_s):
                return failed(closed_after(failure), events_count)
            attempt += 1


def deliver_apart(courier: Courier, frames: Sequence[bytes]) -> list[Judgement]:
    """Deliver; where the engine refuses a whole request as malformed, find out for which of its events.

    Halves are sent until the guilty event stands alone: the others must not share its end.
    """
    judged = courier.deliver(b"".join(frames), len(frames))
    if len(frames) == 1 or judged[0].verdict is not Verdict.FAILED or judged[0].reason != _MALFORMED:
        return judged
    middle = len(frames) // 2
    return deliver_apart(courier, frames[:middle]) + deliver_apart(courier, frames[middle:])


_MALFORMED = StatusCode.INVALID_ARGUMENT.name.lower()
_FINAL_REASONS = frozenset({_MALFORMED, UNKNOWN_VERDICT_REASON})


def stays(judgement: Judgement) -> bool:
    """Whether an event on disk is to be sent again: the engine said nothing about the event itself.

    An engine that is away, overloaded or refuses a credential may be another tomorrow. An event that it can't
    read, or whose verdict this client can't read, won't.
    """
    return judgement.verdict is Verdict.FAILED and judgement.reason not in _FINAL_REASONS


def failed(failure: CallFailure, events_count: int) -> list[Judgement]:
    """The judgement of a batch without an answer, once for each event."""
    judgement = Judgement(
        Verdict.FAILED, reason=failure.code.name.lower(), message=failure.message, retryable=failure.retryable
    )
    return [judgement] * events_count


CLOSED = CallFailure(StatusCode.CANCELLED, "the client was closed before the engine acknowledged the event")
"""Of the events that are left when `close` has waited long enough."""


def closed_after(failure: CallFailure) -> CallFailure:
    """CLOSED, with what kept the event from being acknowledged until then."""
    return replace(CLOSED, message=f"{CLOSED.message}: {failure.message}")
