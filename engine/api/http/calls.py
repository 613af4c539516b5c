"""How every call over HTTP is served: the gate, the body, the handler of the table, the answer.

Rules:
1. `POST /meterline.v1.SERVICE/METHOD` is an RPC of the wire contract, its request and answer in protobuf's JSON, or in
   protobuf where the request is. A method that streams takes NDJSON, a message a line, and answers so.
2. The gate is asked before the body is read: who has no credential costs the engine nothing more.
   What a request's field idempotency_key says may be the header Idempotency-Key.
   One that answers again and again to one request does so in server-sent events (engine.api.http.event_streams).
3. An error is a google.rpc.Status in JSON. Where a stream has answered before it fails, its last line has the error.
4. Handlers run on threads of their own, so many at a time; who comes when all are taken is told when to come again, and so is
   a tenant that has its fair share of them (engine.fair_share). No call waits for a thread behind those of others.
"""

import contextlib
import time
from asyncio import Semaphore, get_running_loop
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.access.authenticator import AUTHORIZATION
from engine.api.gate import Gate, GatedCall, Shown
from engine.api.http.bodies import (
    IDEMPOTENCY_KEY,
    NDJSON,
    PROTOBUF,
    FramedOnce,
    keyed,
    media_type,
    parsed,
    parsed_lines,
    read_body,
)
from engine.api.http.cloud_events import BATCHED, ReadEvents, read_events
from engine.api.http.document_downloads import GET_INVOICE_DOCUMENT, PATH, asked_document, document_response
from engine.api.http.event_streams import EventStreams
from engine.api.http.openapi import document
from engine.api.http.refusals import error_line, error_response, no_such_path
from engine.api.message_json import json_fields, message_line
from engine.api.operation import Call, OfBytes, OfMessages, OfStream, OfWatch, Operation
from engine.api.rim import REQUEST_ID, Rim, RimmedCall
from engine.api.status import http_status_of
from engine.errors import TooManyCallsError
from engine.fair_share import FairShare
from engine.metrics import METRICS
from meterline.v1.usage_pb2 import RecordUsageResponse, Verdict

_RECORD_USAGE: Final = "UsageService.RecordUsage"
# Calls whose handlers run or wait for a thread: as many as gRPC's requests have places.
_CALLS_MAX: Final = 192
_GATE_THREADS: Final = 8
# protobuf's reader of JSON is slow and roomy: what is larger goes as protobuf.
_JSON_BYTES_MAX: Final = 1024 * 1024
_LARGE_BYTES_MIN: Final = 64 * 1024
_LARGE_MAX: Final = 4
# Of one tenant: its next ones wait for each other, and not in the way of others.
_LARGE_OF_TENANT_MAX: Final = 3
_RETRY_AFTER_MS: Final = 1_000
# Of a single CloudEvent, whose sender looks at nothing but the status.
_VERDICT_CODES: Final = {Verdict.VERDICT_REJECTED: 422, Verdict.VERDICT_CONFLICT: 409}

_BROKEN_OFF: Final = "CANCELLED"

_Result = TypeVar("_Result")


class Calls:
    """The application that a server runs."""

    def __init__(
        self,
        operations: Sequence[Operation[Any]],
        gate: Gate,
        rim: Rim,
        is_serving: Callable[[], bool],
        request_bytes_max: int,
    ) -> None:
        self._by_path = {f"/{each.service}/{each.method}": each for each in operations}
        by_name = {each.name: each for each in operations}
        self._record_usage = by_name[_RECORD_USAGE]
        self._get_document = by_name[GET_INVOICE_DOCUMENT]
        self._gate = gate
        self._rim = rim
        self._is_serving = is_serving
        self._request_bytes_max = request_bytes_max
        self._threads = ThreadPoolExecutor(_CALLS_MAX, thread_name_prefix="meterline-http")
        # Apart, so that slow calls keep nobody waiting for an answer at the gate.
        self._gate_threads = ThreadPoolExecutor(_GATE_THREADS, thread_name_prefix="meterline-http-gate")
        self._large = Semaphore(_LARGE_MAX)
        self._large_of: defaultdict[str, Semaphore] = defaultdict(lambda: Semaphore(_LARGE_OF_TENANT_MAX))
        self._open_calls = 0
        METRICS.open_calls.labels("HTTP requests").set_function(lambda: self._open_calls)
        METRICS.open_calls_max.labels("HTTP requests").set(_CALLS_MAX)
        self._open_calls_of: Counter[str] = Counter()
        self._share = FairShare(_CALLS_MAX, time.monotonic_ns)
        self._document = document(operations)
        self.event_streams = EventStreams(gate, rim, self._on_gate)
        self.application = FramedOnce(
            Starlette(
                routes=[
                    *(Route(path, self._rpc, methods=["POST"]) for path in self._by_path),
                    Route("/cloudevents", self._cloud_events, methods=["POST"]),
                    Route(PATH, self._download, methods=["GET"]),
                    Route("/openapi.json", self._openapi, methods=["GET"]),
                    Route("/healthz", self._health, methods=["GET"]),
                ],
                exception_handlers={404: no_such_path, 405: no_such_path},
            )
        )

    def close(self) -> None:
        self._threads.shutdown()
        self._gate_threads.shutdown()

    async def _openapi(self, _request: Request) -> Response:
        return JSONResponse(self._document)

    async def _health(self, _request: Request) -> Response:
        serving = self._is_serving()
        return PlainTextResponse("serving\n" if serving else "not serving\n", 200 if serving else 503)

    async def _rpc(self, request: Request) -> Response:
        operation = self._by_path[request.url.path]
        if isinstance(operation.handler, OfWatch):
            return await self._watch(operation, request)
        async with self._answered(operation, request) as answer:
            await self._enter(answer, operation, request)
            media = media_type(request)
            body = await self._read(answer, request, media)
            if isinstance(operation.handler, OfStream | OfMessages):
                answer.response = await self._parsing(
                    answer, body, lambda: _stream_answer(answer, operation, body, media)
                )
            else:
                key = request.headers.get(IDEMPOTENCY_KEY, "")
                message = await self._parsing(
                    answer,
                    body,
                    lambda: answer.call_unary(operation, keyed(parsed(body, media, operation.request), key)),
                )
                answer.response = _message_response(message, media)
        return answer.response

    async def _watch(self, operation: Operation[Any], request: Request) -> Response:
        async def asked() -> tuple[Message, int]:
            media = media_type(request)
            body = await read_body(request, self._bytes_max(media))
            return parsed(body, media, operation.request), len(body)

        shown = Shown(request.headers.get(AUTHORIZATION))
        return await self.event_streams.answer(operation, shown, request.headers, asked)

    async def _cloud_events(self, request: Request) -> Response:
        operation = self._record_usage
        async with self._answered(operation, request) as answer:
            await self._enter(answer, operation, request)
            media = media_type(request)
            body = await self._read(answer, request, media)
            message = await self._parsing(
                answer, body, lambda: _recorded(answer, operation, read_events(body, media, request.headers))
            )
            code = 200
            if media != BATCHED and isinstance(message, RecordUsageResponse):
                code = _VERDICT_CODES.get(message.verdicts[0], 200)
            answer.response = JSONResponse(json_fields(message), code)
        return answer.response

    async def _download(self, request: Request) -> Response:
        operation = self._get_document
        async with self._answered(operation, request) as answer:
            await self._enter(answer, operation, request)
            asked = asked_document(request)
            message = await self._on_thread(lambda: answer.call_unary(operation, asked))
            answer.response = document_response(message)
        return answer.response

    @contextlib.asynccontextmanager
    async def _answered(self, operation: Operation[Any], request: Request) -> AsyncIterator["_Answer"]:
        """Around every call, from its headers on: an error becomes a status."""
        call = self._rim.begin(operation.method, request.headers)
        call.code = _BROKEN_OFF
        answer = _Answer(call)
        self._open_calls += 1
        try:
            yield answer
            # Until then it has been broken off.
            if call.code == _BROKEN_OFF:
                call.code = "OK"
        except Exception as error:  # noqa: BLE001 - the rim: every error becomes a status
            status = http_status_of(error, call.request_id)
            call.failed(error, status.code)
            answer.response = error_response(status)
        finally:
            self._open_calls -= 1
            self._leave(answer.tenant)
            answer.response.headers[REQUEST_ID] = call.request_id
            call.ended()
            if (gated := call.gated) is not None:
                await self._ended(gated, call.code)

    async def _ended(self, gated: GatedCall[Any], code: str) -> None:
        if gated.subject is None:
            # It writes nothing: no need for a thread.
            gated.ended(code)
        else:
            await self._on_gate(lambda: gated.ended(code))

    async def _enter(self, answer: "_Answer", operation: Operation[Any], request: Request) -> None:
        if self._open_calls > _CALLS_MAX:
            raise TooManyCallsError(
                f"{_CALLS_MAX} calls are open over HTTP: come again later", retry_after_ms=_RETRY_AFTER_MS
            )
        shown = Shown(request.headers.get(AUTHORIZATION))
        answer.call.gated = await self._on_gate(lambda: self._gate.enter(operation, shown))
        tenant = answer.gated.caller.tenant
        held = self._open_calls_of[tenant]
        # Of those that are open it is one itself.
        if self._share.room(tenant, self._open_calls - 1, held) < 1:
            raise TooManyCallsError(
                f"{held} calls of this tenant are open over HTTP, and others need room: share one among your threads",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        self._open_calls_of[tenant] = held + 1
        answer.tenant = tenant

    def _leave(self, tenant: str | None) -> None:
        if tenant is not None:
            self._open_calls_of[tenant] -= 1
            if not self._open_calls_of[tenant]:
                del self._open_calls_of[tenant]

    async def _read(self, answer: "_Answer", request: Request, media: str) -> bytes:
        body = await read_body(request, self._bytes_max(media))
        answer.gated.read(len(body))
        return body

    def _bytes_max(self, media: str) -> int:
        return self._request_bytes_max if media == PROTOBUF else min(self._request_bytes_max, _JSON_BYTES_MAX)

    async def _parsing(self, answer: "_Answer", body: bytes, work: Callable[[], _Result]) -> _Result:
        """On a thread; of the large bodies, a few at a time: as messages they take sixty times their bytes."""
        if len(body) < _LARGE_BYTES_MIN:
            return await self._on_thread(work)
        async with self._large_of[answer.gated.caller.tenant], self._large:
            return await self._on_thread(work)

    async def _on_gate(self, work: Callable[[], _Result]) -> _Result:
        return await get_running_loop().run_in_executor(self._gate_threads, copy_context().run, work)

    async def _on_thread(self, work: Callable[[], _Result]) -> _Result:
        return await get_running_loop().run_in_executor(self._threads, copy_context().run, work)


@dataclass(slots=True)
class _Answer:
    """What becomes of a call."""

    call: RimmedCall
    response: Response = field(default_factory=Response)
    # Once it counts among the open calls of this one.
    tenant: str | None = None

    def call_unary(self, operation: Operation[Any], message: Message) -> Message:
        gated = self._admitted(message)
        call = Call(gated.caller, is_active=lambda: True, is_about=gated.is_about)
        match operation.handler:
            case OfBytes(serve):
                return serve(message.SerializeToString(), call)
            case OfStream() | OfMessages() | OfWatch():
                raise TypeError(f"{operation.name} is a stream")
            case serve:
                return serve(message, call)

    def _admitted(self, message: Message) -> GatedCall[Any]:
        gated = self.gated
        gated.admit(message)
        return gated

    @property
    def gated(self) -> GatedCall[Any]:
        if self.call.gated is None:
            raise TypeError("the call has not passed the gate")
        return self.call.gated


def _recorded(answer: "_Answer", operation: Operation[Any], read: ReadEvents) -> Message:
    """Where no event is sound, nothing is recorded."""
    if not read.request.events and read.flaws:
        return read.with_flaws(RecordUsageResponse())
    message = answer.call_unary(operation, read.request)
    return read.with_flaws(message) if isinstance(message, RecordUsageResponse) else message


def _stream_answer(answer: _Answer, operation: Operation[Any], body: bytes, media: str) -> Response:
    """Every message of the body in its order. What fails after the first answer is the last line."""
    requests = (_each_admitted(answer, each) for each in parsed_lines(body, media, operation.request))
    call = Call(answer.gated.caller, is_active=lambda: True, is_about=answer.gated.is_about)
    match operation.handler:
        case OfStream(serve):
            answers = serve((each.SerializeToString() for each in requests), call)
        case OfMessages(serve):
            answers = serve(requests, call)
        case _:
            raise TypeError(f"{operation.name} is not a stream")
    lines: list[str] = []
    try:
        lines += map(message_line, answers)
    except Exception as error:
        if not lines:
            raise
        status = http_status_of(error, answer.call.request_id)
        answer.call.failed(error, status.code)
        lines.append(error_line(status))
    return Response("".join(f"{line}\n" for line in lines), media_type=NDJSON)


def _each_admitted(answer: _Answer, message: Message) -> Message:
    answer.gated.read(0, more_requests=1)
    answer.gated.admit(message)
    return message


def _message_response(message: Message, media: str) -> Response:
    if media == PROTOBUF:
        return Response(message.SerializeToString(deterministic=True), media_type=PROTOBUF)
    return JSONResponse(json_fields(message))
