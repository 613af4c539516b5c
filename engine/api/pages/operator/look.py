"""One request of whoever is signed in to the operator's page, and what it asks of the table of operations."""

from asyncio import timeout
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from engine.access.caller import Caller
from engine.api.gate import Shown
from engine.api.pages.asking import Asks, Refusal
from engine.api.pages.operator.sign_in import BASE
from engine.api.pages.page_words import PageWords

_Answer = TypeVar("_Answer", bound=Message)
Row = dict[str, Any]
# A page that waits longer for one of its parts is worse than one without it.
_TIMEOUT_S: Final = 5
_LATE: Final = "This can't be read now. Load the page again in a minute."


@dataclass(frozen=True, slots=True)
class PagePart(Generic[_Answer]):
    """A part of a page: what was answered, or why it was not."""

    answer: _Answer | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What is asked for, by whom, when."""

    request: Request
    shown: Shown
    caller: Caller
    words: PageWords
    now_us: int
    asks: Asks

    async def ask(self, name: str, request: Message, kind: type[_Answer]) -> _Answer:
        """The answer of an operation of the table. Raises Refusal."""
        found = await self.asks.ask(name, request, self.shown, self.request.headers)
        if not isinstance(found, kind):
            raise TypeError(f"{name} gave no {kind.__name__}")
        return found

    async def part(self, name: str, request: Message, kind: type[_Answer]) -> PagePart[_Answer]:
        """Of a page that stands without it: a scope that is missing, or a store that doesn't answer, is told in its place."""
        try:
            async with timeout(_TIMEOUT_S):
                return PagePart(await self.ask(name, request, kind))
        except Refusal as refusal:
            return PagePart(None, refusal.status.message.message)
        except TimeoutError:
            return PagePart(None, _LATE)

    def given(self, name: str) -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, "").strip()

    def instant(self, at: Timestamp) -> str:
        """In UTC, as all times of the page."""
        return self.words.plain.instant(at.ToMicroseconds())


def part_of(part: PagePart[_Answer], shown: Callable[[_Answer], Any]) -> Row:
    """For a template: what was answered, or why it was not."""
    return {
        "refused": part.refused,
        "shown": None if part.answer is None else shown(part.answer),
    }


def customer_address(customer_id: str) -> str:
    """Ids may have any characters."""
    return f"{BASE}/customer?{urlencode({'id': customer_id})}"
