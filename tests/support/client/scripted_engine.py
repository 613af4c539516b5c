"""An engine's door with scripted faults: a real gRPC server, an in-memory store, raw requests kept.

It deduplicates as the engine does (same id and content: duplicate; other content: conflict), rejects the
event type "unknown", and plays one fault of `script` for each request, in order, before it is healthy.
Listings are answered from pages that the test writes down; the token of a page is its number.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field

import grpc

from meterline.v1 import billing_pb2, metering_pb2, spend_pb2, usage_pb2

Fault = Callable[[bytes, grpc.ServicerContext, Callable[[bytes], bytes]], bytes]


def refuse(code: grpc.StatusCode, pushback_ms: int | None = None) -> Fault:
    """Answer with a status and store nothing."""

    def fault(request, context, store):
        if pushback_ms is not None:
            context.set_trailing_metadata((("grpc-retry-pushback-ms", str(pushback_ms)),))
        context.abort(code, "scripted")

    return fault


def lose_the_ack(request, context, store):
    """Store all events, then break off: the client can't know."""
    store(request)
    context.abort(grpc.StatusCode.UNAVAILABLE, "scripted: the ack is lost")


def answer_after(delay_s: float) -> Fault:
    def fault(request, context, store):
        time.sleep(delay_s)
        return store(request)

    return fault


def answer_when(gate: threading.Event) -> Fault:
    def fault(request, context, store):
        gate.wait(120)
        return store(request)

    return fault


def answer_with_too_few_verdicts(request, context, store):
    return usage_pb2.RecordUsageResponse(verdicts=[usage_pb2.VERDICT_ACCEPTED]).SerializeToString()


@dataclass
class ScriptedListing:
    """`requests` holds every attempt; one fault of `script` is played for each, in order, before a page is given."""

    request: type
    pages: list = field(default_factory=list)
    script: deque[Fault] = field(default_factory=deque)
    requests: list = field(default_factory=list)

    def answer(self, payload: bytes, context: grpc.ServicerContext) -> bytes:
        asked = self.request.FromString(payload)
        self.requests.append(asked)
        if self.script:
            self.script.popleft()(payload, context, bytes)
        number = int(asked.page_token or 0)
        page = self.pages[number]
        page.next_page_token = str(number + 1) if number + 1 < len(self.pages) else ""
        return page.SerializeToString()


@dataclass
class ScriptedEngine:
    """`requests` holds (monotonic time, raw bytes) of every attempt; `stored` the events by their id."""

    script: deque[Fault] = field(default_factory=deque)
    requests: list[tuple[float, bytes]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    metadata: list[dict[str, str]] = field(default_factory=list)
    spends: dict[str, spend_pb2.GetSpendResponse] = field(default_factory=dict)
    spend_script: deque[Fault] = field(default_factory=deque)
    spend_requests: list[bytes] = field(default_factory=list)
    lines: ScriptedListing = field(default_factory=lambda: ScriptedListing(billing_pb2.ListLineItemsRequest))
    usage: ScriptedListing = field(default_factory=lambda: ScriptedListing(metering_pb2.QueryUsageRequest))
    port: int = 0

    def __post_init__(self):
        self._lock = threading.Lock()
        self._server = None
        self.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.requests]

    def events_of(self, payload: bytes) -> list[usage_pb2.UsageEvent]:
        return list(usage_pb2.RecordUsageRequest.FromString(payload).events)

    def start(self) -> None:
        server = grpc.server(
            futures.ThreadPoolExecutor(8),
            handlers=(_Handlers(self),),
            options=(("grpc.so_reuseport", 0),),
        )
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Break off what is under way and close the port."""
        if self._server is not None:
            self._server.stop(0).wait(10)
            self._server = None

    def record(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.requests.append((time.monotonic(), request))
            self.metadata.append(dict(context.invocation_metadata()))
            fault = self.script.popleft() if self.script else None
        return self._store(request) if fault is None else fault(request, context, self._store)

    def spend(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.spend_requests.append(request)
            fault = self.spend_script.popleft() if self.spend_script else None
        if fault is not None:
            fault(request, context, self._store)
        customer_id = spend_pb2.GetSpendRequest.FromString(request).customer_id
        if customer_id not in self.spends:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no customer {customer_id}")
        return self.spends[customer_id].SerializeToString()

    def _store(self, request: bytes) -> bytes:
        answer = usage_pb2.RecordUsageResponse()
        with self._lock:
            for index, event in enumerate(self.events_of(request)):
                if event.event_type == "unknown":
                    answer.verdicts.append(usage_pb2.VERDICT_REJECTED)
                    answer.problems.add(
                        index=index,
                        field="event_type",
                        reason=usage_pb2.PROBLEM_REASON_UNKNOWN_EVENT_TYPE,
                        message="no meter reads it",
                        retryable=True,
                    )
                    continue
                content = event.SerializeToString(deterministic=True)
                first = self.stored.setdefault(event.event_id, content)
                if first is content:
                    answer.verdicts.append(usage_pb2.VERDICT_ACCEPTED)
                elif first == content:
                    answer.verdicts.append(usage_pb2.VERDICT_DUPLICATE)
                else:
                    answer.verdicts.append(usage_pb2.VERDICT_CONFLICT)
                    answer.problems.add(
                        index=index,
                        field="event_id",
                        reason=usage_pb2.PROBLEM_REASON_ID_REUSED,
                        message="the id belongs to another event",
                    )
        return answer.SerializeToString()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, engine: ScriptedEngine):
        self._methods = {
            "/meterline.v1.UsageService/RecordUsage": engine.record,
            "/meterline.v1.SpendService/GetSpend": engine.spend,
            "/meterline.v1.BillingService/ListLineItems": engine.lines.answer,
            "/meterline.v1.MeteringService/QueryUsage": engine.usage.answer,
        }

    def service(self, handler_call_details):
        method = self._methods.get(handler_call_details.method)
        return None if method is None else grpc.unary_unary_rpc_method_handler(method)
