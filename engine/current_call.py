"""The call that a thread or a task works on: what every line of the log says of it, whoever writes the line.

It goes along into other threads with their context (contextvars.copy_context).
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from engine.tracing import CallSpan


@dataclass(slots=True)
class CurrentCall:
    """`tenant` and `credential` are empty until the caller is known. `span`: where calls are traced."""

    request_id: str
    method: str
    tenant: str = ""
    credential: str = ""
    span: CallSpan | None = None

    def fields(self) -> dict[str, str]:
        """Whose call it is, for a log and for a trace."""
        fields = {"request_id": self.request_id, "method": self.method}
        if self.credential:
            fields |= {"tenant": self.tenant, "credential": self.credential}
        return fields


CURRENT_CALL: Final[ContextVar[CurrentCall | None]] = ContextVar("meterline_call", default=None)


def current_call_fields() -> dict[str, str]:
    """As fields of a log line; none outside of a call."""
    call = CURRENT_CALL.get()
    if call is None:
        return {}
    if call.span is None:
        return call.fields()
    return {**call.fields(), "trace_id": call.span.trace_id}
