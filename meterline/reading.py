"""Reads: a few quick attempts, then an error of the tree in `errors`."""

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
_POLICY = RetryPolicy(timeout_s=1.0, max_ms=400)

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
    random: Callable[[], float],
    pause: Callable[[float], object] = time.sleep,
) -> _Answer:
    """The answer of `call`, which makes one attempt. `pause` returns true to end it. Raises RequestFailedError."""
    started_s = time.monotonic()
    attempt = 0
    while True:
        try:
            return call()
        except CallFailedError as error:
            wait_s = _POLICY.wait_s(error.failure, attempt, time.monotonic() - started_s, random())
            if wait_s is None:
                raise _request_failed(error.failure) from None
            failure = error.failure
        if pause(wait_s):
            raise _request_failed(failure)
        attempt += 1


def _request_failed(failure: CallFailure) -> RequestFailedError:
    return _ERRORS.get(failure.code, RequestFailedError)(failure.message, code=failure.code)
