"""What is wrong with a document's fields, all of it at once, each with its place."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_SHOWN_CHARS_MAX: Final = 60
# Looking for the name that was meant costs about 5 µs a name.
_HINT_NAMES_MAX: Final = 2_000
# As long as an id may be; what is longer is not a slip of a finger.
_HINT_CHARS_MAX: Final = 128
# Named to someone whose name is like none of them, if they are that few.
NAMES_SHOWN_MAX: Final = 12


class _Bad:
    """The type of BAD."""

    def __repr__(self) -> str:
        return "BAD"


BAD: Any = _Bad()
"""Stands where a value couldn't be read, so that its absence isn't reported on top."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, as the path of names and positions, and what must change: "<path> <message>"."""

    path: Path
    message: str

    def __str__(self) -> str:
        where = ""
        for step in self.path:
            where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else step
        return f"{where}: {self.message}" if where else self.message


class FieldsError(ValueError):
    """Fields that make no value; `problems` names every mistake, `partial` is what could be read, or BAD."""

    def __init__(self, problems: Iterable[Problem], partial: object = BAD) -> None:
        self.problems = tuple(problems)
        self.partial = partial
        super().__init__("; ".join(map(str, self.problems)))


def problems_at(place: str | int, error: ValueError) -> list[Problem]:
    """The problems of what stands at a place; the text of a plain ValueError is the problem of the place itself."""
    if isinstance(error, FieldsError):
        return [Problem((place, *each.path), each.message) for each in error.problems]
    return [Problem((place,), str(error))]


def shown(given: object) -> str:
    """A value in a message: short, on one line."""
    if isinstance(given, str):
        return repr(given) if len(given) <= _SHOWN_CHARS_MAX else f"{given[:_SHOWN_CHARS_MAX]!r}..."
    if given is None:
        return "null"
    if isinstance(given, Mapping):
        return "a mapping"
    return "a list" if isinstance(given, list | tuple) else repr(given)[:_SHOWN_CHARS_MAX]


def shape(given: object) -> str:
    """A value where another shape is wanted."""
    return f"the text {shown(given)}" if isinstance(given, str) else shown(given)


def did_you_mean(given: str, names: Collection[str]) -> str:
    """A question to append to a message, or nothing if no name is near (or there are too many to compare)."""
    if len(names) > _HINT_NAMES_MAX:
        return ""
    near = difflib.get_close_matches(given[:_HINT_CHARS_MAX], names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_field(name: str, owner: str, known: Collection[str]) -> str:
    """What is wrong with a field that its owner (a meter, a price) doesn't have."""
    hint = did_you_mean(name, known)
    if not hint and len(known) <= NAMES_SHOWN_MAX:
        hint = f": it has {', '.join(known)}"
    return f"is not a field of a {owner}{hint}"
