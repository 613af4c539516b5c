"""Reads: a few quick attempts, then an error of the tree in `errors`.

An engine that says when to come again is there: it is asked again then, for as long as one attempt may take.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from grpc import StatusCode

from meterline.errors import (
    AccessDeniedError,
    EngineUnavailableError,
    InvalidRequestError,
    NotFoundError,
    RequestFailedError,
)
from meterline.retry import CallFailure, RetryPolicy
from meterline.transport import CallFailedError

_Answer = TypeVar("_Answer")

# A person waits: bridge a connection that broke, but say soon that no engine is there.
_BRIDGE_S = 1.0
_WAIT_MAX_MS = 400

_ERRORS: dict[StatusCode, type[RequestFailedError]] = {
    StatusCode.UNAVAILABLE: EngineUnavailableError,
    StatusCode.RESOURCE_EXHAUSTED: EngineUnavailableError,
    StatusCode.DEADLINE_EXCEEDED: EngineUnavailableError,
    StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    StatusCode.NOT_FOUND: NotFoundError,
    StatusCode.UNAUTHENTICATED: AccessDeniedError,
    StatusCode.PERMISSION_DENIED: AccessDeniedError,
}


def read(
    call: Callable[[], _Answer],
    timeout_s: float,
    random: Callable[[], float],
    pause: Callable[[float], bool],
    patience_s: float | None = None,
) -> _Answer:
    """The answer of `call`, which makes one attempt of at most `timeout_s`. `pause` returns true to end it.

    patience_s: for how long to send the same again while no engine takes it; None: for no longer than a person waits.

    Raises RequestFailedError.
    """
    started_s = time.monotonic()
    attempt = 0
    while True:
        try:
            return call()
        except CallFailedError as error:
            failure = error.failure
            spell_s = _BRIDGE_S if failure.pushback_ms is None else timeout_s
            policy = RetryPolicy(spell_s if patience_s is None else patience_s, max_ms=_WAIT_MAX_MS)
            wait_s = policy.wait_s(failure, attempt, time.monotonic() - started_s, random())
            if wait_s is None:
                raise request_failed(failure) from None
        if pause(wait_s):
            raise request_failed(failure)
        attempt += 1


def request_failed(failure: CallFailure) -> RequestFailedError:
    """What its caller is told."""
    return _ERRORS.get(failure.code, RequestFailedError)(failure.message, code=failure.code)
