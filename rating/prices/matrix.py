"""The cells of a matrix price, and what must hold between them.

1. A cell gives a value for each dimension, and no two cells give the same.
2. The cells price every combination of the values that they name, or there is a default.
3. The table over all combinations is bounded.

A cell may be BAD, or have BAD in it, where it couldn't be read, which is told already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Annotated

from fields import BAD, Pairs, Problem, Record, Text
from rating.numbers.currency import NotNegative
from rating.prices.models import COMBINATIONS_MAX, DIMENSIONS_MAX

GAPS_SHOWN = 5
"""Gaps named one by one; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Cell(Record):
    """The unit amount of a matrix price for one combination of dimension values, as pairs (name, value)."""

    match: Annotated[
        tuple[tuple[str, str], ...], Pairs(Text(), Text(bytes_max=1024, free=True), DIMENSIONS_MAX)
    ]
    unit_amount: NotNegative


def cell_problems(
    dimensions: tuple[str, ...], cells: Sequence[Cell], *, has_default: bool
) -> Iterator[Problem]:
    """Everything that is wrong between the cells; paths begin at them."""
    seen: dict[tuple[str, ...], int] = {}
    yield from _match_problems(dimensions, cells, seen)
    axes = [sorted({key[axis] for key in seen}) for axis in range(len(dimensions))]
    combinations = prod(len(axis) + 1 for axis in axes)
    if combinations > COMBINATIONS_MAX:
        yield Problem((), f"span {combinations} combinations, more than {COMBINATIONS_MAX}: split the price")
    elif len(seen) == len(cells) and not has_default:
        yield from _gap_problems(dimensions, axes, seen)


def _match_problems(
    dimensions: tuple[str, ...], cells: Sequence[Cell], seen: dict[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Rule 1; fills `seen` with the sound cells."""
    for index, cell in enumerate(cells):
        if cell is BAD or cell.match is BAD:
            continue
        match = dict(cell.match)
        if BAD in match.values():
            continue
        key = tuple(match.get(name, "") for name in dimensions)
        if set(match) != set(dimensions):
            yield Problem((index, "match"), f"must give a text for each of {', '.join(dimensions)}")
        elif key in seen:
            yield Problem((index, "match"), f"repeats cell {seen[key]}: {_named(dimensions, key)}")
        else:
            seen[key] = index


def _gap_problems(
    dimensions: tuple[str, ...], axes: list[list[str]], seen: Mapping[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Rule 2: combinations of the named values that no cell prices."""
    gaps = prod(len(axis) for axis in axes) - len(seen)
    if gaps:
        missing = islice((key for key in product(*axes) if key not in seen), GAPS_SHOWN)
        named = "; ".join(_named(dimensions, key) for key in missing)
        more = f"; and {gaps - GAPS_SHOWN} more" if gaps > GAPS_SHOWN else ""
        yield Problem(
            (), f"leave {gaps} combination(s) without a price and there is no default: {named}{more}"
        )


def _named(dimensions: tuple[str, ...], key: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(dimensions, key, strict=True))
