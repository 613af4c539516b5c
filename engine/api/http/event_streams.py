"""Answers as server-sent events: one request, and an event each time that there is something new.

Rules:
1. A stream passes the gate as every call does, and again before each event: a credential that ends, ends the stream.
2. Each event has a message of the contract in JSON, or what a page makes of it; a comment goes out where nothing has happened for HEARTBEAT_S. Who takes
   events more slowly than they come gets the newest.
3. At most WATCHES.places are open; of these a tenant has its fair share. They hold no thread, and are counted apart from other
   calls.
4. What ends a stream is its last event, named `error`, with a google.rpc.Status.
"""

import asyncio
import contextlib
import time
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.api.gate import Gate, GatedCall, Shown
from engine.api.http.bodies import EVENTS
from engine.api.http.refusals import error_line, error_response
from engine.api.message_json import message_line
from engine.api.operation import HEARTBEAT_S, WATCHES, Answers, Call, OfWatch, Operation
from engine.api.rim import REQUEST_ID, Rim, RimmedCall
from engine.api.status import http_status_of
from engine.errors import TooManyCallsError
from engine.fair_share import FairShare
from engine.metrics import METRICS

_RETRY_AFTER_MS: Final = 1_000
_HEARTBEAT: Final = b": nothing new\n\n"
# Before a browser comes again on its own.
_BEGINNING: Final = f"retry: {_RETRY_AFTER_MS}\n\n".encode()
_KIND: Final = "spend watches over HTTP"
_HEADERS: Final = (
    (b"content-type", EVENTS.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


async def _as_json(answer: Message) -> str:
    return message_line(answer)


@dataclass(frozen=True, slots=True)
class Telling:
    """What an event says of an answer, in one line; and how long nothing is said after one: the newest comes then."""

    said: Callable[[Message], Awaitable[str]] = _as_json
    pace_s: float = 0


_JSON: Final = Telling()


@dataclass(frozen=True, slots=True)
class _Asking:
    """How the request is read, and what is said of the answers to it."""

    asked: Callable[[], Awaitable[tuple[Message, int]]]
    telling: Telling


class EventStreams:
    """Those that are open."""

    def __init__(self, gate: Gate, rim: Rim, on_gate: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        """`on_gate` does what may wait for the gate's database, on a thread."""
        self._gate = gate
        self._rim = rim
        self._on_gate = on_gate
        self._open_of: Counter[str] = Counter()
        self._share = FairShare(WATCHES.places, time.monotonic_ns)
        METRICS.open_calls.labels(_KIND).set_function(self._open_of.total)
        METRICS.open_calls_max.labels(_KIND).set(WATCHES.places)

    async def answer(
        self,
        operation: Operation[Any],
        shown: Shown,
        carried: Mapping[str, str],
        asked: Callable[[], Awaitable[tuple[Message, int]]],
        telling: Telling = _JSON,
    ) -> Response:
        """`asked` reads the request, once its caller may call; it gives the message and its bytes."""
        call = self._rim.begin(operation.method, carried)
        place: _Place | None = None
        try:
            call.gated = await self._on_gate(lambda: self._gate.enter(operation, shown))
            place = self._take(call.gated.caller.tenant)
            return await self._opened(operation, call, call.gated, place, _Asking(asked, telling))
        except Exception as error:  # noqa: BLE001 - the rim: every error becomes a status
            status = http_status_of(error, call.request_id)
            call.failed(error, status.code)
            refusal = error_response(status)
            refusal.headers[REQUEST_ID] = call.request_id
            if place is not None:
                place.leave()
            await self._ended(call)
            return refusal

    async def _opened(
        self,
        operation: Operation[Any],
        call: RimmedCall,
        gated: GatedCall[Any],
        place: "_Place",
        asking: "_Asking",
    ) -> Response:
        if not isinstance(operation.handler, OfWatch):
            raise TypeError(f"{operation.name} answers once")
        request, nbytes = await asking.asked()
        gated.read(nbytes)
        await self._on_gate(lambda: gated.admit(request))
        news = _News(asyncio.get_running_loop())
        answers = operation.handler.open(
            request, Call(gated.caller, is_active=lambda: True, is_about=gated.is_about), news.tell
        )

        async def ended() -> None:
            answers.close()
            place.leave()
            await self._ended(call)

        stream = _EventStream(call, answers, news, lambda: self._on_gate(gated.renew), ended)
        stream.telling = asking.telling
        return stream

    async def _ended(self, call: RimmedCall) -> None:
        call.ended()
        if (gated := call.gated) is not None:
            if gated.subject is None:
                gated.ended(call.code)
            else:
                await self._on_gate(lambda: gated.ended(call.code))

    def _take(self, tenant: str) -> "_Place":
        taken, mine = self._open_of.total(), self._open_of[tenant]
        if taken >= WATCHES.places or self._share.room(tenant, taken, mine) < 1:
            raise TooManyCallsError(
                f"{taken} {_KIND} are open, {mine} of this tenant, and there is no room for more of its: share one among "
                "those who look, or come again later",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        self._open_of[tenant] = mine + 1
        return _Place(self._open_of, tenant)


@dataclass(frozen=True, slots=True)
class _Place:
    open_of: Counter[str]
    tenant: str

    def leave(self) -> None:
        self.open_of[self.tenant] -= 1
        if not self.open_of[self.tenant]:
            del self.open_of[self.tenant]


class _News:
    """Tells a loop, from any thread, that there is something to take."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def tell(self) -> None:
        # A loop that has closed has nobody to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Whether there was news within that time."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return False
        self._event.clear()
        return True


class _EventStream(Response):
    """Sends events until its peer leaves, or the stream ends."""

    def __init__(
        self,
        call: RimmedCall,
        answers: Answers,
        news: _News,
        renew: Callable[[], Awaitable[Any]],
        ended: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(media_type=EVENTS)
        self._call = call
        self._answers = answers
        self._news = news
        self._renew = renew
        self._ended = ended
        self.telling = _JSON

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*_HEADERS, (REQUEST_ID.encode(), self._call.request_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self._call.code = "CANCELLED"
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._ended()

    async def _send_all(self, send: Send) -> None:
        await _send(send, _BEGINNING)
        try:
            await self._send_events(send)
        except Exception as error:  # noqa: BLE001 - the rim: every error becomes a status
            status = http_status_of(error, self._call.request_id)
            self._call.failed(error, status.code)
            await _send(send, f"event: error\ndata: {error_line(status)}\n\n".encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, send: Send) -> None:
        while True:
            has_news = await self._news.wait(HEARTBEAT_S)
            answer = self._answers.take()
            if answer is not None:
                await self._renew()
                await _send(send, f"data: {await self.telling.said(answer)}\n\n".encode())
                if self.telling.pace_s:
                    await asyncio.sleep(self.telling.pace_s)
            elif not has_news:
                await self._renew()
                await _send(send, _HEARTBEAT)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
