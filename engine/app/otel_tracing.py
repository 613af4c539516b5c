"""Traces by OpenTelemetry (the extra `telemetry`): imported only where they are asked for.

The SDK reads its standard variables itself: OTEL_EXPORTER_OTLP_ENDPOINT and its kin, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_*. What is exported has ids of requests, tenants and keys, and no
property of any event.
"""

import contextlib
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.tracing import CallSpan

_NAME = "meterline"
# Calls that a batch names: as many as a span keeps by default, and enough to find a call's batch where few share it.
_LINKS_MAX = 128
# A caller's mistake is not the engine's error.
_ERRORS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS", "UNIMPLEMENTED"})
_propagator = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class OtelCallSpan:
    """A call's span."""

    span: Span

    @property
    def trace_id(self) -> str:
        return format_trace_id(self.span.get_span_context().trace_id)

    def ended(self, code: str, fields: Mapping[str, str]) -> None:
        if self.span.is_recording():
            self.span.set_attributes(
                {"rpc.status_code": code, **{f"meterline.{name}": each for name, each in fields.items()}}
            )
            if code in _ERRORS:
                self.span.set_status(Status(StatusCode.ERROR, code))
        self.span.end()


@dataclass(frozen=True, slots=True)
class OtelTracing:
    """Spans of one tracer."""

    tracer: Tracer

    def call(self, method: str, carried: Mapping[str, str]) -> OtelCallSpan:
        parent = _propagator.extract(carried)
        span = self.tracer.start_span(
            method, parent, SpanKind.SERVER, attributes={"rpc.system": _NAME, "rpc.method": method}
        )
        return OtelCallSpan(span)

    @contextlib.contextmanager
    def batch(self, calls: Sequence[CallSpan], events: int) -> Iterator[None]:
        spans = [each.span for each in calls if isinstance(each, OtelCallSpan)]
        recorded = (each.get_span_context() for each in spans if each.is_recording())
        links = [Link(context) for context, _ in zip(recorded, range(_LINKS_MAX), strict=False)]
        attributes = {"meterline.requests": len(spans), "meterline.events": events}
        span = self.tracer.start_span("store batch", links=links, attributes=attributes)
        try:
            yield
        except BaseException as error:
            # Its text is for the log, which has it as far as it may.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()


@contextlib.contextmanager
def exported_traces() -> Iterator[OtelTracing]:
    """Sends spans to a collector by OTLP over HTTP, in the background; what waits at the end of the block is sent."""
    own = Resource({"service.name": _NAME, "service.version": importlib.metadata.version(_NAME)})
    provider = TracerProvider(
        resource=Resource.get_empty().merge(own).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OtelTracing(provider.get_tracer(_NAME))
    finally:
        provider.shutdown()
