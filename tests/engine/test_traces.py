"""Traces by OpenTelemetry: of calls on both faces and of the batches that they wait for; none where nobody asks."""

import http.client
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from engine.api.rim import Rim
from engine.app.otel_tracing import OtelTracing
from engine.current_call import current_call_fields
from engine.errors import NotFoundError
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import CATALOG, api_event

ROOT = Path(__file__).parents[2]
KEY = os.environ["METERLINE_API_KEY"]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
_SOON_S = 60


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracing(provider.get_tracer("test"))


def test_a_call_goes_on_with_the_trace_of_its_caller(exporter, tracing):
    """Its span is a child of the caller's, and has the request id; the log has the trace."""
    call = Rim(lambda: "made", tracing).begin("GetSpend", {"traceparent": TRACEPARENT, "x-request-id": "r-1"})
    assert current_call_fields()["trace_id"] == TRACE
    call.ended()
    (span,) = exporter.get_finished_spans()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert (span.name, span.attributes["rpc.status_code"]) == ("GetSpend", "OK")
    assert span.attributes["meterline.request_id"] == "r-1"
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("given", ["", "nonsense", TRACEPARENT[:-3], f"00-{'0' * 32}-{PARENT}-01"])
def test_what_is_not_a_traceparent_begins_a_trace_of_its_own(exporter, tracing, given):
    """It refuses nobody."""
    Rim(lambda: "made", tracing).begin("GetSpend", {"traceparent": given}).ended()
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_a_trace_that_its_caller_does_not_sample_is_not_exported(exporter, tracing):
    """The last digit of its traceparent says so."""
    rim = Rim(lambda: "made", tracing)
    rim.begin("GetSpend", {"traceparent": TRACEPARENT[:-1] + "0"}).ended()
    assert exporter.get_finished_spans() == ()


def test_an_error_of_the_engine_marks_the_span_and_one_of_the_caller_does_not(exporter, tracing):
    """Neither has the error's text, which may repeat what was sent."""
    rim = Rim(lambda: "made", tracing)
    for error, code in (
        (ValueError("secret"), "INTERNAL"),
        (NotFoundError("customer 'secret'"), "NOT_FOUND"),
    ):
        call = rim.begin("GetSpend", {})
        call.failed(error, code)
        call.ended()
    failed, refused = exporter.get_finished_spans()
    assert (failed.status.status_code, refused.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert "secret" not in failed.to_json() + refused.to_json()


def test_a_batch_is_a_span_with_links_to_the_calls_that_wait_for_it(exporter, tracing):
    """One that fails says by what kind of error."""
    calls = [tracing.call("RecordUsage", {"traceparent": TRACEPARENT}), tracing.call("RecordUsage", {})]
    with tracing.batch(calls, events=7):
        pass
    with pytest.raises(ValueError, match="secret"), tracing.batch(calls[:1], events=1):
        raise ValueError("secret")
    stored, failed = exporter.get_finished_spans()
    assert [link.context for link in stored.links] == [each.span.get_span_context() for each in calls]
    assert dict(stored.attributes) == {"meterline.requests": 2, "meterline.events": 7}
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "ValueError")
    assert "secret" not in failed.to_json()


class Collector:
    """Takes OTLP over HTTP; `spans` are all that came."""

    def __init__(self):
        spans = self.spans = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    names = {each.key: each.value.string_value for each in resource.resource.attributes}
                    spans.extend(
                        (names["service.name"], span)
                        for scope in resource.scope_spans
                        for span in scope.spans
                    )
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def test_an_engine_sends_its_traces_to_a_collector(tmp_path, monkeypatch):
    """By the variables of OpenTelemetry, from both faces; the batch is linked with the call, and what waits goes at the end."""
    collector = Collector()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "metering-test")
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path / "data", *options) as engine, open_channel(engine.target) as channel:
        document = CATALOG.replace("NAME", "traces")
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
        request = RecordUsageRequest(events=[api_event("traces", "1")])
        UsageServiceStub(channel).RecordUsage(request, metadata=(("traceparent", TRACEPARENT),), timeout=120)
        connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=120)
        other = TRACEPARENT.replace(TRACE, TRACE[::-1])
        headers = {"authorization": f"Bearer {KEY}", "traceparent": other, "content-type": "application/json"}
        connection.request("POST", "/meterline.v1.SpendService/ListSpend", "{}", headers)
        assert connection.getresponse().status == 200
        connection.close()
    collector.close()
    assert {service for service, _ in collector.spans} == {"metering-test"}
    by_name = {span.name: span for _, span in collector.spans}
    call, batch, read = by_name["RecordUsage"], by_name["store batch"], by_name["ListSpend"]
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, PARENT)
    assert read.trace_id.hex() == TRACE[::-1]
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(call.trace_id, call.span_id)]
    named = {each.key: each.value.string_value for each in call.attributes}
    assert (named["meterline.tenant"], named["rpc.status_code"]) == ("default", "OK")


def test_a_collector_that_is_gone_holds_nobody_up(tmp_path, monkeypatch):
    """Calls are answered, and the engine stops in time."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    engine = EngineProcess(tmp_path / "data").start()
    with open_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(
            ApplyCatalogRequest(document=CATALOG.replace("NAME", "gone")), timeout=120
        )
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < _SOON_S


def test_without_the_extra_nothing_of_it_is_imported_and_to_ask_for_traces_is_a_clear_error(tmp_path):
    """An engine that nobody asks for traces does not know OpenTelemetry."""
    code = (
        "import sys; import engine.app.serving; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from engine.__main__ import main; "
        f"sys.argv = ['meterline', 'serve', '--data', {str(tmp_path / 'data')!r}, '--listen', '127.0.0.1:0', "
        "'--no-metrics', '--traces-exporter', 'otlp']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("install meterline[telemetry], or set it to none"), done.stderr
