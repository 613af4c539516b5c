"""Calls that pages make for those who look at them: operations of the table, through the same gate, threads and shares as every call."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from engine.access.caller import Caller
from engine.api.gate import Shown
from engine.api.http.bodies import read_body
from engine.api.http.calls import Calls
from engine.api.http.event_streams import Telling
from engine.api.pages.asking import Refusal
from engine.api.status import http_status_of

_Result = TypeVar("_Result")
# Under whose name the log and the metrics have what a page is refused before it asks anything.
_OF_PAGES = "SpendService.GetSpend"
# Whoever looks sees no more than two changes a second; the newest is among them.
_PACE_S = 0.5


class PageCalls:
    """What engine.api.pages asks."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def caller(self, shown: Shown, carried: Mapping[str, str]) -> Caller:
        operation = self._calls.by_name[_OF_PAGES]
        try:
            return await self._calls.on_gate(lambda: self._calls.gate.caller(operation, shown))
        except Exception as error:  # noqa: BLE001 - told as what becomes of every call
            raise await self.refused(error, carried) from None

    async def new_session(self, shown: Shown, carried: Mapping[str, str]) -> str:
        caller = await self.caller(shown, carried)
        try:
            return self._calls.gate.authenticator.new_session(caller)
        except Exception as error:  # noqa: BLE001 - as above
            raise await self.refused(error, carried) from None

    async def ask(self, name: str, request: Message, shown: Shown, carried: Mapping[str, str]) -> Message:
        operation = self._calls.by_name[name]
        found: Message | None = None
        async with self._calls.answered(operation, carried) as answer:
            await self._calls.enter(answer, operation, shown)
            found = await self._calls.on_thread(lambda: answer.call_unary(operation, request))
        if answer.refusal is not None:
            raise Refusal(answer.refusal)
        if found is None:
            raise TypeError(f"{name} gave no answer")
        return found

    async def watch(
        self,
        name: str,
        request: Message,
        shown: Shown,
        carried: Mapping[str, str],
        said: Callable[[Message], str],
    ) -> Response:
        async def asked() -> tuple[Message, int]:
            return request, 0

        async def told(answer: Message) -> str:
            return await self._calls.on_gate(lambda: said(answer))

        operation = self._calls.by_name[name]
        return await self._calls.event_streams.answer(
            operation, shown, carried, asked, Telling(told, pace_s=_PACE_S)
        )

    async def body(self, request: Request, bytes_max: int) -> bytes:
        return await read_body(request, bytes_max)

    async def on_thread(self, work: Callable[[], _Result]) -> _Result:
        return await self._calls.on_thread(work)

    async def refused(self, error: Exception, carried: Mapping[str, str]) -> Refusal:
        async with self._calls.answered(self._calls.by_name[_OF_PAGES], carried) as answer:
            _raise(error)
        return Refusal(answer.refusal or http_status_of(error))


def _raise(error: Exception) -> None:
    raise error
