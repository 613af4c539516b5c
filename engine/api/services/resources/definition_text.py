"""The fields of a resource as the text of a JSON object: exact, and each once."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from engine.catalog import limits
from engine.errors import FieldMistake, InvalidRequestError


def read_fields(text: str, place: str) -> dict[str, Any]:
    """The fields that a JSON object has, numbers as they are written; `place`: of the text in a request.

    Raises:
        InvalidRequestError: it is none.
    """
    if len(text.encode()) > limits.DOCUMENT_BYTES_MAX:
        raise _mistake(place, f"has more than {limits.DOCUMENT_BYTES_MAX} bytes")
    try:
        fields = json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_number,
            object_pairs_hook=_each_once,
        )
    except (ValueError, RecursionError) as error:
        raise _mistake(place, f"is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise _mistake(place, "must be a JSON object with the fields of the resource")
    return fields


def _mistake(place: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(place, message))


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


def _each_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"{name!r} is given twice")
        fields[name] = value
    return fields
