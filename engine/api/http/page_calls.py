"""Calls that pages make for those who look at them: operations of the table, through the same gate, threads and shares as every call."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from google.protobuf.message import Message
from starlette.responses import Response

from engine.access.caller import Caller
from engine.api.gate import Shown
from engine.api.http.calls import Calls
from engine.api.http.event_streams import Telling
from engine.api.pages.asking import Refusal
from engine.api.status import http_status_of
from engine.errors import MeterlineError

_Result = TypeVar("_Result")
# Whoever looks sees no more than two changes a second; the newest is among them.
_PACE_S = 0.5


class PageCalls:
    """What engine.api.pages asks."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def caller(self, shown: Shown) -> Caller:
        authenticator = self._calls.gate.authenticator
        try:
            return await self._calls.on_gate(lambda: authenticator.caller(shown.authorization))
        except MeterlineError as error:
            raise self.refused(error) from None

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

    async def on_thread(self, work: Callable[[], _Result]) -> _Result:
        return await self._calls.on_thread(work)

    def refused(self, error: Exception) -> Refusal:
        return Refusal(http_status_of(error))
