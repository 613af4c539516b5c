"""Whether to send again, and how long to wait before: pure, with chance and time as arguments.

1. Sent again: UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, ABORTED, and what gRPC says of a
   connection that breaks under a request. Every other status is final.
2. The wait before attempt n+1 is drawn evenly from 0 to min(max, initial x 2^n): "full jitter", so that
   many clients don't come back at the same moment.
3. The engine's `grpc-retry-pushback-ms` is a lower bound on which the jitter is added; a negative or
   unreadable one means "do not send again" (gRPC's proposal A6).
4. No wait begins that would end after the deadline.
"""

from dataclasses import dataclass

from grpc import StatusCode

_RETRYABLE = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.ABORTED,
        # The client never cancels a request that it still wants: the other side broke it off.
        StatusCode.CANCELLED,
    }
)
_CONNECTION_LOST_TEXTS = ("Stream removed", "Socket closed", "RST_STREAM", "Connection reset", "GOAWAY")
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
_EXPONENT_MAX = 30  # keeps 2^n small for any number of attempts; the cap rules long before


@dataclass(frozen=True, slots=True)
class CallFailure:
    """How one attempt failed. `pushback_ms`: None if the engine sent none, -1 for "do not send again"."""

    code: StatusCode
    message: str
    pushback_ms: int | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same bytes can succeed later."""
        if self.pushback_ms is not None and self.pushback_ms < 0:
            return False
        return self.code in _RETRYABLE or self.connection_lost

    @property
    def connection_lost(self) -> bool:
        """Whether gRPC reports a broken connection as UNKNOWN or INTERNAL."""
        return self.code in (StatusCode.UNKNOWN, StatusCode.INTERNAL) and any(
            text in self.message for text in _CONNECTION_LOST_TEXTS
        )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The waits between attempts, and the time after which the sender gives up."""

    timeout_s: float
    initial_ms: int = 100
    # Long enough to spare an engine that is down, short enough to be back soon after it.
    max_ms: int = 5_000

    def wait_s(self, failure: CallFailure, attempt: int, elapsed_s: float, chance: float) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 0), or None to give up.

        `elapsed_s` counts from the first attempt's start; `chance` is even over [0, 1).
        """
        if not failure.retryable:
            return None
        window_ms = min(self.max_ms, self.initial_ms * 2 ** min(attempt, _EXPONENT_MAX))
        wait_s = (window_ms * chance + (failure.pushback_ms or 0)) / 1_000
        return wait_s if elapsed_s + wait_s < self.timeout_s else None


def read_pushback_ms(metadata: list[tuple[str, str | bytes]]) -> int | None:
    """The engine's wish from the trailing metadata of a failed call."""
    for key, value in metadata:
        if key == _PUSHBACK_KEY:
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
            return int(text) if text.isascii() and text.isdigit() else -1
    return None
