"""Tokens of pages that share one watermark: where a listing goes on, and what it lists."""

import base64
import binascii
import json

from engine.errors import FieldMistake, InvalidRequestError
from engine.times import INSTANT_US_MAX


def encode(as_of_us: int, skip: int, listed: str) -> str:
    """`listed` is what the listing was asked for: a token goes on with that alone."""
    return base64.urlsafe_b64encode(json.dumps([as_of_us, skip, listed]).encode()).decode()


def decode(token: str, listed: str, newest_us: int) -> tuple[int, int]:
    """The watermark of the listing, and how many were listed; the newest and none without a token.

    Raises:
        InvalidRequestError: it was not given out for this listing.
    """
    if not token:
        return newest_us, 0
    try:
        as_of_us, skip, was_listed = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise _bad_token() from error
    numbers = all(type(each) is int and 0 <= each <= INSTANT_US_MAX for each in (as_of_us, skip))
    if not numbers or was_listed != listed or as_of_us > newest_us:
        raise _bad_token()
    return as_of_us, skip


def checked_size(asked: int, default: int, size_max: int) -> int:
    """How many a page may have.

    Raises:
        InvalidRequestError: more than `size_max`.
    """
    if asked > size_max:
        raise InvalidRequestError(FieldMistake("page_size", f"is {asked}: ask for at most {size_max}"))
    return asked or default


def _bad_token() -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "page_token",
            "is not one that this engine gave out for this listing: start the listing anew without it",
        )
    )
