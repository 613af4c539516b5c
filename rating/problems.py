"""What is wrong with a price, all of it at once, each with the place of the mistake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
Unchecked: TypeAlias = Any
"""A value whose type is still to be judged, or BAD."""

BAD: object = object()
"""Stands in for a value that couldn't be read, so that its absence isn't reported on top."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, as the path of field names and list positions, and what must change."""

    path: Path
    message: str

    def __str__(self) -> str:
        where = ""
        for step in self.path:
            where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else step
        return f"{where}: {self.message}" if where else self.message


class PriceError(ValueError):
    """A price can't be constructed; `problems` names every mistake."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))
