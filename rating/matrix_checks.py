"""What must hold between the cells of a matrix price: known dimensions, no cell twice, no gap without default."""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from math import prod
from typing import Any

from rating.problems import BAD, Problem, Unchecked
from rating.schema import CELLS_MAX, COMBINATIONS_MAX, DIMENSIONS_MAX

GAPS_SHOWN = 5
"""Gaps named one by one; the rest are counted."""


def matrix_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of `dimensions`, `cells` and `default` of a matrix price's values."""
    dimensions, cells = values.get("dimensions"), values.get("cells")
    if not isinstance(dimensions, tuple) or BAD in dimensions:
        return
    if not 0 < len(dimensions) <= DIMENSIONS_MAX or len(set(dimensions)) < len(dimensions):
        yield Problem(
            ("dimensions",), f"must be 1 to {DIMENSIONS_MAX} different names, are {list(dimensions)}"
        )
        return
    if not isinstance(cells, tuple):
        return
    if not 0 < len(cells) <= CELLS_MAX:
        yield Problem(("cells",), f"must be 1 to {CELLS_MAX} cells, are {len(cells)}")
        return
    seen: dict[tuple[str, ...], int] = {}
    yield from _cell_problems(dimensions, cells, seen)
    axes = [sorted({key[axis] for key in seen}) for axis in range(len(dimensions))]
    combinations = prod(len(axis) + 1 for axis in axes)
    if combinations > COMBINATIONS_MAX:
        yield Problem(
            ("cells",), f"span {combinations} combinations, more than {COMBINATIONS_MAX}: split the price"
        )
    elif len(seen) == len(cells) and values.get("default") is None:
        yield from _gap_problems(dimensions, axes, seen)


def _cell_problems(
    dimensions: tuple[str, ...], cells: tuple[Unchecked, ...], seen: dict[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Problems of single cells; fills `seen` with the sound ones."""
    for index, cell in enumerate(cells):
        match = BAD if cell is BAD else (cell if isinstance(cell, Mapping) else vars(cell)).get("match")
        if match is BAD or (match and BAD in dict(match).values()):
            continue
        key = _key(match, dimensions)
        if key is None:
            yield Problem(("cells", index, "match"), f"must give a text for each of {', '.join(dimensions)}")
        elif key in seen:
            yield Problem(("cells", index, "match"), f"repeats cell {seen[key]}: {_named(dimensions, key)}")
        else:
            seen[key] = index


def _key(match: Unchecked, dimensions: tuple[str, ...]) -> tuple[str, ...] | None:
    """The cell's values in the order of the dimensions; None if it names others or isn't text."""
    named = dict(match) if match else {}
    if set(named) != set(dimensions) or not all(isinstance(value, str) for value in named.values()):
        return None
    return tuple(named[name] for name in dimensions)


def _gap_problems(
    dimensions: tuple[str, ...], axes: list[list[str]], seen: Mapping[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Combinations of the named values that no cell prices."""
    gaps = prod(len(axis) for axis in axes) - len(seen)
    if not gaps:
        return
    missing = islice((key for key in product(*axes) if key not in seen), GAPS_SHOWN)
    shown = "; ".join(_named(dimensions, key) for key in missing)
    more = f"; and {gaps - GAPS_SHOWN} more" if gaps > GAPS_SHOWN else ""
    yield Problem(
        ("cells",), f"leave {gaps} combination(s) without a price and there is no default: {shown}{more}"
    )


def _named(dimensions: tuple[str, ...], key: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(dimensions, key, strict=True))
