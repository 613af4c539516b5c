"""The rim of every call, whatever the face: its request id, what the log says of it, how long it took.

Rules:
1. A call has a request id: the caller's own (`x-request-id`), if it is one, or else one that is made here. It is sent back
   under the same name, every line of the log that the call causes has it, and so has an error whose cause only the log
   tells (INTERNAL).
2. A call that is refused leaves one line at info, one that fails without anybody having expected it one at error, with the
   frames of the traceback; a call that is served one at debug.
3. Of a request that can't be read the log has the fields at fault, not the text: that may repeat what was sent.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from engine.api.gate import GatedCall
from engine.current_call import CURRENT_CALL, CurrentCall
from engine.errors import InvalidRequestError, MeterlineError, UnauthenticatedError
from engine.metrics import METRICS
from engine.tracing import Tracing

_log = structlog.get_logger(__name__)
REQUEST_ID: Final = "x-request-id"
# Ids, traces and what proxies make of them. Nothing that could end a line or a quoted text.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_FIELDS_SHOWN_MAX: Final = 5
_FIELD_CHARACTERS_MAX: Final = 64


@dataclass(slots=True)
class RimmedCall:
    """One call, from its headers to its end. `gated`: once it has passed the gate. `code`: the name of the status code
    that its caller sees.
    """

    current: CurrentCall
    code: str = "OK"
    gated: GatedCall[Any] | None = None
    _started_s: float = field(default_factory=time.perf_counter)

    @property
    def request_id(self) -> str:
        return self.current.request_id

    def failed(self, error: Exception, code: str) -> None:
        """The caller sees this error under the status code of this name."""
        self.code = code
        if isinstance(error, MeterlineError):
            _log.info("refused", code=code, **_said_of(error))
        else:
            _log.error("call failed", exc_info=error)

    def ended(self) -> None:
        """Nothing more happens in it, but for its record in the audit log (`GatedCall.ended`)."""
        duration_s = time.perf_counter() - self._started_s
        METRICS.rpc_duration_seconds.labels(self.current.method, self.code).observe(duration_s)
        _log.debug("call ended", code=self.code, duration_ms=round(duration_s * 1_000, 3))
        if self.current.span is not None:
            self.current.span.ended(self.code, self.current.fields())


@dataclass(frozen=True, slots=True)
class Rim:
    """Begins calls. `new_request_id` is chance, as text. `tracing`: None where nobody asked for traces."""

    new_request_id: Callable[[], str]
    tracing: Tracing | None = None

    def begin(self, method: str, carried: Mapping[str, str]) -> RimmedCall:
        """A call has come; `carried`: its metadata, or headers. Whoever begins it ends it, in the same thread or task."""
        given = carried.get(REQUEST_ID)
        request_id = given if given and _REQUEST_ID.fullmatch(given) else self.new_request_id()
        current = CurrentCall(request_id, method)
        if self.tracing is not None:
            current.span = self.tracing.call(method, carried)
        CURRENT_CALL.set(current)
        return RimmedCall(current)


def _said_of(error: MeterlineError) -> dict[str, object]:
    if isinstance(error, InvalidRequestError):
        fields = [mistake.field[:_FIELD_CHARACTERS_MAX] for mistake in error.mistakes[:_FIELDS_SHOWN_MAX]]
        return {"error": "the request is not valid", "mistakes": len(error.mistakes), "fields": fields}
    if isinstance(error, UnauthenticatedError):
        key = {"tenant": error.tenant, "credential": error.credential}
        return {
            "error": str(error),
            "reason": error.reason,
            **{name: text for name, text in key.items() if text},
        }
    return {"error": str(error)}
