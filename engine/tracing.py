"""What is traced, whoever traces it: calls, and batches of events with the calls that they serve.

The engine knows no tracer. Where traces are asked for, engine.app.otel_tracing is one; otherwise there is none, and nothing
of it is imported.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class CallSpan(Protocol):
    """One call, from its headers to its end."""

    @property
    def trace_id(self) -> str:
        """32 hex digits: the caller's, if it brought one."""

    def ended(self, code: str, fields: Mapping[str, str]) -> None:
        """`code` is the name of the status code that the caller sees; `fields` say whose call it was."""


class Tracing(Protocol):
    """Begins spans. Thread-safe."""

    def call(self, method: str, carried: Mapping[str, str]) -> CallSpan:
        """`carried`: metadata or headers, in which a caller may have a `traceparent`."""

    def batch(self, calls: Sequence[CallSpan], events: int) -> AbstractContextManager[None]:
        """Around what makes a batch durable, which these calls wait for."""
