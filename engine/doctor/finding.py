"""What one check found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import MeterlineError


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`about`: which part. `todo` is empty where all is well, or where `what` says it."""

    level: Level
    about: str
    what: str
    todo: str = ""


def ok(about: str, what: str) -> Finding:
    return Finding(Level.OK, about, what)


def warning(about: str, what: str, todo: str) -> Finding:
    return Finding(Level.WARNING, about, what, todo)


def wrong(about: str, what: str, todo: str = "") -> Finding:
    return Finding(Level.WRONG, about, what, todo)


def told(about: str, check: Iterable[Finding]) -> Iterator[Finding]:
    """The findings of a check; an error that ends it is its last one."""
    try:
        yield from check
    except MeterlineError as error:
        yield wrong(about, str(error))
