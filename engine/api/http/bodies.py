"""A request's body, read within bounds of bytes and time, and what it says.

Rules:
1. A body that is announced or found longer than the bound is refused as soon as that is known.
2. A request that says in two ways how long it is (Content-Length and Transfer-Encoding) is refused: a proxy before the
   engine may have read it the other way.
3. No body is unpacked: Content-Encoding is refused.
"""

import asyncio
from collections.abc import Iterator
from typing import Final, TypeVar

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from google.protobuf.message import DecodeError, Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.api.status import http_status_of
from engine.errors import FieldMistake, InvalidRequestError

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
PROTOBUF: Final = "application/protobuf"
IDEMPOTENCY_KEY: Final = "idempotency-key"
_KEY_FIELD: Final = "idempotency_key"
_BODY_TIMEOUT_S: Final = 30
# Deeper than any message of the contract.
_DEPTH_MAX: Final = 20

_Message = TypeVar("_Message", bound=Message)


def media_type(request: Request) -> str:
    """Without parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class FramedOnce:
    """Lets no request through to the application that says twice how long it is."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        framing = [
            name for name, _ in scope.get("headers", ()) if name in (b"content-length", b"transfer-encoding")
        ]
        if len(framing) <= 1:
            await self._application(scope, receive, send)
            return
        status = http_status_of(
            _mistake("says twice how long it is: send Content-Length or Transfer-Encoding, once")
        )
        refused = JSONResponse(
            MessageToDict(status.message, preserving_proto_field_name=True),
            status.http_code,
            {"Connection": "close"},
        )
        await refused(scope, receive, send)


async def read_body(request: Request, bytes_max: int) -> bytes:
    """All of it.

    Raises:
        InvalidRequestError: too long, too slow, or not clearly framed.
    """
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _mistake("is packed: send it without Content-Encoding")
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise _too_long(int(announced), bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > bytes_max:
                    raise _too_long(len(body), bytes_max)
    except TimeoutError:
        raise _mistake(f"did not come whole within {_BODY_TIMEOUT_S} s: send the request again") from None
    except ClientDisconnect:
        raise _mistake("broke off") from None
    return bytes(body)


def parsed(body: bytes, media: str, kind: type[_Message]) -> _Message:
    """The message in a body: JSON by protobuf's mapping, or protobuf itself; an empty body is an empty message.

    Raises:
        InvalidRequestError: it is not one.
    """
    if media == PROTOBUF:
        try:
            return kind.FromString(body)
        except DecodeError:
            raise _mistake(f"the bytes are not a {kind.DESCRIPTOR.full_name}") from None
    if media not in ("", JSON):
        raise _mistake(f"has the Content-Type {media!r}: send {JSON} or {PROTOBUF}")
    return from_json(body or b"{}", kind)


def keyed(message: _Message, key: str) -> _Message:
    """With the idempotency key of a header, if it is of a kind that has one.

    Raises:
        InvalidRequestError: the message has another one.
    """
    if key and _KEY_FIELD in message.DESCRIPTOR.fields_by_name:
        if getattr(message, _KEY_FIELD) not in ("", key):
            raise InvalidRequestError(FieldMistake(_KEY_FIELD, "is another than the header Idempotency-Key"))
        setattr(message, _KEY_FIELD, key)
    return message


def parsed_lines(body: bytes, media: str, kind: type[_Message]) -> Iterator[_Message]:
    """The messages of a stream, one JSON object a line. Raises as `parsed`."""
    if media not in ("", NDJSON, JSON):
        raise _mistake(f"has the Content-Type {media!r}: send {NDJSON}, one message a line")
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            try:
                yield from_json(line, kind)
            except InvalidRequestError as error:
                raise InvalidRequestError(
                    *(FieldMistake(f"line {number}: {each.field}", each.message) for each in error.mistakes)
                ) from None


def from_json(body: bytes, kind: type[_Message]) -> _Message:
    """Raises InvalidRequestError."""
    if body.lstrip()[:1] != b"{":
        # protobuf's reader takes an empty array for an empty message.
        raise _mistake(f"is not a {kind.DESCRIPTOR.full_name} in JSON: it is not a JSON object")
    try:
        return Parse(body.decode(), kind(), max_recursion_depth=_DEPTH_MAX)
    except UnicodeDecodeError as error:
        raise _mistake(f"is not UTF-8: byte {error.start}") from None
    except ParseError as error:
        raise _mistake(f"is not a {kind.DESCRIPTOR.full_name} in JSON: {_line(error)}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        # What protobuf's reader lets through of values that are of no kind that it expects.
        raise _mistake(f"is not a {kind.DESCRIPTOR.full_name} in JSON: {_line(error)}") from None


def _line(error: Exception) -> str:
    # Behind it stand the names of a message's fields, in another spelling than the contract's.
    text, _, _ = str(error).partition(" Available Fields")
    return " ".join(text.split())[:300]


def _too_long(length: int, bytes_max: int) -> InvalidRequestError:
    return _mistake(f"has {length} bytes or more: send at most {bytes_max} in one (request_bytes_max)")


def _mistake(message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake("request", message))
