"""Tokens of pages: where a listing goes on, and the snapshot that its pages share. The one way in which they are made.

A token is the listing's name (what it was asked for) and some numbers and texts, in JSON and base64. It is not a secret, and
what is in it is checked like any other input.
"""

import base64
import binascii
import hashlib
import json
from typing import TypeVar

from google.protobuf.message import Message

from engine.errors import FieldMistake, InvalidRequestError
from engine.times import INSTANT_US_MAX

Part = TypeVar("Part", int, str)


def sealed(listing: str, *parts: int | str) -> str:
    """The token of a place in a listing."""
    return base64.urlsafe_b64encode(json.dumps([listing, *parts]).encode()).decode()


def question_digest(request: Message) -> str:
    """What identifies a request, whatever page of its answer it asks for: the name of its listing."""
    question = type(request)()
    question.CopyFrom(request)
    question.ClearField("page_size")
    question.ClearField("page_token")
    return hashlib.sha256(question.SerializeToString(deterministic=True)).hexdigest()[:32]


def opened(token: str, listing: str, *kinds: type[int] | type[str]) -> tuple[int | str, ...]:
    """The parts of a token, each of its kind: a number from 0 to INSTANT_US_MAX, or a text in UTF-8.

    Raises:
        InvalidRequestError: it was not given out for this listing.
    """
    try:
        of_listing, *parts = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        fit = len(parts) == len(kinds) and all(map(_is_part, parts, kinds))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise bad_token() from error
    if not fit or of_listing != listing:
        raise bad_token()
    return tuple(parts)


def _is_part(part: object, kind: type[int] | type[str]) -> bool:
    if isinstance(part, str):
        # A lone surrogate is not a text that a store could be asked with.
        part.encode()
        return kind is str
    return kind is int and type(part) is int and 0 <= part <= INSTANT_US_MAX


def opened_at(token: str, listing: str, newest_us: int) -> tuple[int, int]:
    """The watermark of a listing, and how many were listed; the newest and none without a token.

    Raises:
        InvalidRequestError: it was not given out for this listing.
    """
    if not token:
        return newest_us, 0
    as_of_us, skip = opened(token, listing, int, int)
    if int(as_of_us) > newest_us:
        raise bad_token()
    return int(as_of_us), int(skip)


def checked_size(asked: int, default: int, size_max: int) -> int:
    """How many a page may have.

    Raises:
        InvalidRequestError: more than `size_max`.
    """
    if asked > size_max:
        raise InvalidRequestError(FieldMistake("page_size", f"is {asked}: ask for at most {size_max}"))
    return asked or default


def bad_token() -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "page_token",
            "is not one that this engine gave out for this listing: start anew without it, or ask as before",
        )
    )
