"""What a bench aims at beside what it measured: one form for every bench, in its table and its last line of JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """Met if the value is at most the aim, or at least with `at_least`. A value of None could not be measured."""

    name: str
    value: float | None
    aim: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.aim if self.at_least else self.value <= self.aim

    def as_json(self) -> dict[str, Any]:
        value = None if self.value is None else float(f"{self.value:.4g}")
        return {"name": self.name, "value": value, "aim": self.aim, "met": self.met}


def aims_json(aims: Sequence[Aim]) -> list[dict[str, Any]]:
    """The `aims` of a bench's last line, missed ones too."""
    return [aim.as_json() for aim in aims]


def print_aims(aims: Sequence[Aim]) -> None:
    width = max((len(aim.name) for aim in aims), default=0) + 2
    print(f"{'aims':{width}}{'is':>14}{'aim':>14}")
    for aim in aims:
        value = "not measured" if aim.value is None else f"{aim.value:,.4g}"
        wanted = f"{'>=' if aim.at_least else '<='} {aim.aim:,g}"
        print(f"{aim.name:{width}}{value:>14}{wanted:>14}  {'met' if aim.met else 'MISSED'}")
    print()
