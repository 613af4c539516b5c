"""A JSON object as cells of text: what an event is made of, whether it comes from a file or over HTTP.

Numbers keep their text: no binary float ever sees one. The same object gives the same cells wherever it is read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

# Digits that a number with an exponent may have when it is written out: the contract's bound for a property.
_DIGITS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Flaw:
    """A cell that has no text, or a row that has no cells: what is wrong with it."""

    message: str


Cell = str | Flaw


def json_cell(value: object) -> Cell:
    """The text of a JSON value that is neither null nor an object; numbers arrive as JsonNumber."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, JsonNumber):
        return plain_number(value.text)
    if isinstance(value, str):
        return value
    return Flaw("is a list: an event's property is one value")


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number of a JSON text, as it is written there: no binary float ever sees it."""

    text: str


def not_a_number(text: str) -> Any:  # noqa: ANN401 - what the json module wants
    """For NaN and Infinity, which JSON doesn't have and Python reads."""
    raise ValueError(f"{text} is not JSON")


def plain_number(text: str) -> str:
    """A number without an exponent; as it is if it has none, or too many digits for a property."""
    if "e" not in text and "E" not in text:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if max(abs(number.adjusted()), abs(int(number.as_tuple().exponent))) > _DIGITS_MAX:
        return text
    return format(number, "f")


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, Cell]:
    """The cells of a JSON object; those of an object in it have names with a dot. Nulls are left out."""
    return dict(_cells(value, prefix))


def repeated_name(value: Mapping[str, Any]) -> str | None:
    """A column that a JSON object has twice, as a name or by way of a dot; which of the two is meant nobody knows."""
    names = Counter(name for name, _ in _cells(value, "", nulls=True))
    return next((name for name, count in names.items() if count > 1), None)


def _cells(value: Mapping[str, Any], prefix: str, *, nulls: bool = False) -> Iterator[tuple[str, Cell]]:
    for name, item in value.pairs if isinstance(value, Repeated) else value.items():
        if isinstance(item, Mapping):
            yield from _cells(item, f"{prefix}{name}.", nulls=nulls)
        elif item is not None or nulls:
            yield prefix + name, json_cell(item)


class Repeated(dict[str, Any]):
    """A JSON object that has a name twice: as a dictionary with the last of them, and its pairs."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For the json module, which would keep the last value of a name without a word."""
    once = dict(pairs)
    return once if len(once) == len(pairs) else Repeated(pairs)
