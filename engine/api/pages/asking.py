"""What a page needs of the HTTP face: calls of the table of operations through the same gate as everybody's."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from engine.access.caller import Caller
from engine.api.gate import Shown
from engine.api.status import HttpStatus

_Result = TypeVar("_Result")


# The answer of one operation of the table, by its name, on behalf of one who looks. Raises Refusal.
Ask = Callable[[str, Message], Awaitable[Message]]


class Refusal(Exception):  # noqa: N818 - what a page was told, which is no fault of it
    """A call was refused, or failed."""

    def __init__(self, status: HttpStatus) -> None:
        super().__init__(status.code)
        self.status = status


class Asks(Protocol):
    """Calls on behalf of one who looks at a page. `carried`: the headers of the page's own request."""

    async def caller(self, shown: Shown, carried: Mapping[str, str]) -> Caller:
        """Whose credential it is. Raises Refusal."""

    async def new_session(self, shown: Shown, carried: Mapping[str, str]) -> str:
        """What an API key is exchanged for at the operator's page: the text of a session. Raises Refusal."""

    async def ask(self, name: str, request: Message, shown: Shown, carried: Mapping[str, str]) -> Message:
        """The answer of one operation of the table. Raises Refusal."""

    async def watch(
        self,
        name: str,
        request: Message,
        shown: Shown,
        carried: Mapping[str, str],
        said: Callable[[Message], str],
    ) -> Response:
        """A stream of server-sent events; `said`: what an event says of an answer, in one line."""

    async def body(self, request: Request, bytes_max: int) -> bytes:
        """All that a request sends. Raises InvalidRequestError for more than so much."""

    async def on_thread(self, work: Callable[[], _Result]) -> _Result:
        """What takes more than a moment, beside the loop."""

    async def refused(self, error: Exception, carried: Mapping[str, str]) -> Refusal:
        """What callers see of an error, which the log has."""
