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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engine.access.authenticator import AUTHORIZATION
from engine.api.gate import Gate, GatedCall, Shown
from engine.api.http.answers import Answer, message_response, recorded, stream_answer
from engine.api.http.bodies import (
    IDEMPOTENCY_KEY,
    PROTOBUF,
    FramedOnce,
    keyed,
    media_type,
    parsed,
    read_body,
)
from engine.api.http.cloud_events import BATCHED, read_events
from engine.api.http.document_downloads import DOWNLOADS, Download, asked_document, document_response
from engine.api.http.event_streams import EventStreams
from engine.api.http.openapi import document
from engine.api.http.refusals import error_response, no_such_path
from engine.api.message_json import json_fields
from engine.api.operation import OfMessages, OfStream, OfWatch, Operation
from engine.api.rim import REQUEST_ID, Rim
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
        page_routes: Callable[["Calls"], Sequence[Route]],
    ) -> None:
        """`page_routes`: those of pages, which call the same operations."""
        self._by_path = {f"/{each.service}/{each.method}": each for each in operations}
        self.by_name = {each.name: each for each in operations}
        self._record_usage = self.by_name[_RECORD_USAGE]
        self.gate = gate
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
        self.event_streams = EventStreams(gate, rim, self.on_gate)
        self.application = FramedOnce(
            Starlette(
                routes=[
                    *(Route(path, self._rpc, methods=["POST"]) for path in self._by_path),
                    Route("/cloudevents", self._cloud_events, methods=["POST"]),
                    *(Route(each.path, self._downloaded(each), methods=["GET"]) for each in DOWNLOADS),
                    *page_routes(self),
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
        async with self.answered(operation, request.headers) as answer:
            await self.enter(answer, operation, _shown(request))
            media = media_type(request)
            body = await self._read(answer, request, media)
            if isinstance(operation.handler, OfStream | OfMessages):
                answer.response = await self._parsing(
                    answer, body, lambda: stream_answer(answer, operation, body, media)
                )
            else:
                key = request.headers.get(IDEMPOTENCY_KEY, "")
                message = await self._parsing(
                    answer,
                    body,
                    lambda: answer.call_unary(operation, keyed(parsed(body, media, operation.request), key)),
                )
                answer.response = message_response(message, media)
        return answer.response

    async def _watch(self, operation: Operation[Any], request: Request) -> Response:
        async def asked() -> tuple[Message, int]:
            media = media_type(request)
            body = await read_body(request, self._bytes_max(media))
            return parsed(body, media, operation.request), len(body)

        return await self.event_streams.answer(operation, _shown(request), request.headers, asked)

    async def _cloud_events(self, request: Request) -> Response:
        operation = self._record_usage
        async with self.answered(operation, request.headers) as answer:
            await self.enter(answer, operation, _shown(request))
            media = media_type(request)
            body = await self._read(answer, request, media)
            message = await self._parsing(
                answer, body, lambda: recorded(answer, operation, read_events(body, media, request.headers))
            )
            code = 200
            if media != BATCHED and isinstance(message, RecordUsageResponse):
                code = _VERDICT_CODES.get(message.verdicts[0], 200)
            answer.response = JSONResponse(json_fields(message), code)
        return answer.response

    def _downloaded(self, download: Download) -> Callable[[Request], Awaitable[Response]]:
        operation = self.by_name[download.operation]

        async def downloaded(request: Request) -> Response:
            async with self.answered(operation, request.headers) as answer:
                await self.enter(answer, operation, _shown(request))
                asked = asked_document(download, request)
                message = await self.on_thread(lambda: answer.call_unary(operation, asked))
                answer.response = document_response(message)
            return answer.response

        return downloaded

    @contextlib.asynccontextmanager
    async def answered(self, operation: Operation[Any], carried: Mapping[str, str]) -> AsyncIterator[Answer]:
        """Around every call, from its headers on: an error becomes a status."""
        call = self._rim.begin(operation.method, carried)
        call.code = _BROKEN_OFF
        answer = Answer(call)
        self._open_calls += 1
        try:
            yield answer
            # Until then it has been broken off.
            if call.code == _BROKEN_OFF:
                call.code = "OK"
        except Exception as error:  # noqa: BLE001 - the rim: every error becomes a status
            status = http_status_of(error, call.request_id)
            call.failed(error, status.code)
            answer.refusal, answer.response = status, error_response(status)
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
            await self.on_gate(lambda: gated.ended(code))

    async def enter(self, answer: Answer, operation: Operation[Any], shown: Shown) -> None:
        """Through the gate. Raises as that does, and TooManyCallsError."""
        if self._open_calls > _CALLS_MAX:
            raise TooManyCallsError(
                f"{_CALLS_MAX} calls are open over HTTP: come again later", retry_after_ms=_RETRY_AFTER_MS
            )
        answer.call.gated = await self.on_gate(lambda: self.gate.enter(operation, shown))
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

    async def _read(self, answer: Answer, request: Request, media: str) -> bytes:
        body = await read_body(request, self._bytes_max(media))
        answer.gated.read(len(body))
        return body

    def _bytes_max(self, media: str) -> int:
        return self._request_bytes_max if media == PROTOBUF else min(self._request_bytes_max, _JSON_BYTES_MAX)

    async def _parsing(self, answer: Answer, body: bytes, work: Callable[[], _Result]) -> _Result:
        """On a thread; of the large bodies, a few at a time: as messages they take sixty times their bytes."""
        if len(body) < _LARGE_BYTES_MIN:
            return await self.on_thread(work)
        async with self._large_of[answer.gated.caller.tenant], self._large:
            return await self.on_thread(work)

    async def on_gate(self, work: Callable[[], _Result]) -> _Result:
        return await get_running_loop().run_in_executor(self._gate_threads, copy_context().run, work)

    async def on_thread(self, work: Callable[[], _Result]) -> _Result:
        return await get_running_loop().run_in_executor(self._threads, copy_context().run, work)


def _shown(request: Request) -> Shown:
    return Shown(request.headers.get(AUTHORIZATION))
