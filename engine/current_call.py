"""The call that a thread or a task works on: what every line of the log says of it, whoever writes the line.

It goes along into other threads with their context (contextvars.copy_context).
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class CurrentCall:
    """`tenant` and `credential` are empty until the caller is known."""

    request_id: str
    method: str
    tenant: str = ""
    credential: str = ""


CURRENT_CALL: Final[ContextVar[CurrentCall | None]] = ContextVar("meterline_call", default=None)


def current_request_id() -> str | None:
    call = CURRENT_CALL.get()
    return None if call is None else call.request_id


def current_call_fields() -> dict[str, str]:
    """As fields of a log line; none outside of a call."""
    call = CURRENT_CALL.get()
    if call is None:
        return {}
    fields = {"request_id": call.request_id, "method": call.method}
    if call.credential:
        fields |= {"tenant": call.tenant, "credential": call.credential}
    return fields
