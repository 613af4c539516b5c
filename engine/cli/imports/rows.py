"""A file's rows as text, whatever its format: what the readers make and the mapping takes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

# A longer line or element is no event: an event within the contract's limits has some 80 kB at most.
ROW_BYTES_MAX = 1024 * 1024
# Digits that a number with an exponent may have when it is written out: the contract's bound for a property.
_DIGITS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Flaw:
    """A cell that has no text, or a row that has no cells: what is wrong with it."""

    message: str


Cell = str | Flaw


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the first has 1; a header is none), its cells by column without those that are empty or
    null, or why it can't be read; the row as it was, for the rejects file; and the id that was made for it when it was
    rejected, if it comes from such a file.
    """

    number: int
    cells: Mapping[str, Cell] | Flaw
    original: object
    made_id: str | None = None


class RowSource(Protocol):
    """A file that is being read, once, from its beginning, with a bounded part of it in memory."""

    @property
    def columns(self) -> list[str] | None:
        """The columns of every row; None if each row has its own."""

    @property
    def takes_back(self) -> bool:
        """Whether the rows come from a rejects file."""

    def rows(self) -> Iterator[Row]: ...

    def progress(self) -> tuple[int, int]:
        """How much has been read, of how much (bytes or rows)."""


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
    raise ValueError(f"{text} is no JSON")


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
