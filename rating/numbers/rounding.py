"""Rounding by name, on whole columns of integers.

A rounding is a division of an integer numerator by a positive divisor. The same formulas serve int64 columns
and columns of Python ints (dtype object); every intermediate is smaller than the numerator plus the divisor.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Mantissas: TypeAlias = npt.NDArray[Any]
"""int64[n], or object[n] of Python ints where int64 can't hold the values."""


class RoundingMode(StrEnum):
    """How a value between two representable ones is settled."""

    HALF_UP = "half_up"
    """To the nearest; a tie goes away from zero: 0.5 -> 1, -0.5 -> -1."""
    HALF_EVEN = "half_even"
    """To the nearest; a tie goes to the even neighbour: 0.5 -> 0, 1.5 -> 2."""
    UP = "up"
    """Away from zero: 0.1 -> 1, -0.1 -> -1."""
    DOWN = "down"
    """Toward zero: 0.9 -> 0, -0.9 -> 0."""


def divide_rounded(numerator: Mantissas, divisor: int | Mantissas, mode: RoundingMode) -> Mantissas:
    """The quotient numerator / divisor, rounded to an integer by `mode`.

    Args:
        numerator: int64[n] or object[n], any sign, |numerator| < 2**63 for int64.
        divisor: one positive int, or a column of them; for an int64 numerator it must fit int64 too
            (a scalar of any size is fine: a divisor past int64 is settled without dividing).
        mode: the named rounding.

    Returns:
        int64[n] or object[n], as the numerator. |quotient| <= |numerator|, so nothing can wrap.
    """
    if isinstance(divisor, int):
        if divisor == 1:
            return numerator.copy()
        if numerator.dtype != object and divisor > np.iinfo(np.int64).max:
            return _divide_by_huge(numerator, divisor, mode)
    floor = numerator // divisor
    remainder = numerator - floor * divisor
    increment = _increments(numerator, floor, remainder, divisor - remainder, mode)
    rounded: Mantissas = floor + increment.astype(np.int64)
    return rounded


def divide_rounded_each(
    numerator: Mantissas,
    divisor: int | Mantissas,
    modes: Sequence[RoundingMode],
    index: npt.NDArray[np.int64],
) -> Mantissas:
    """`divide_rounded` with a mode for each row: modes[index[i]]. One pass over its rows for each distinct mode."""
    quotient = np.zeros(len(numerator), dtype=numerator.dtype)
    for mode in set(modes):
        rows = np.flatnonzero(np.array([each is mode for each in modes], dtype=np.bool_)[index])
        by = divisor if isinstance(divisor, int) else divisor[rows]
        quotient[rows] = divide_rounded(numerator[rows], by, mode)
    return quotient


def _increments(
    numerator: Mantissas, floor: Mantissas, below: Mantissas, above: Mantissas, mode: RoundingMode
) -> npt.NDArray[np.bool_]:
    """Where the floor must step up by one. `below` and `above` are the distances to floor and floor + 1."""
    if mode is RoundingMode.HALF_UP:
        step = (below > above) | ((below == above) & (numerator >= 0))
    elif mode is RoundingMode.HALF_EVEN:
        step = (below > above) | ((below == above) & (floor % 2 == 1))
    elif mode is RoundingMode.UP:
        step = (below > 0) & (numerator > 0)
    else:
        step = (below > 0) & (numerator < 0)
    return np.asarray(step, dtype=np.bool_)


def _divide_by_huge(numerator: Mantissas, divisor: int, mode: RoundingMode) -> Mantissas:
    """A divisor past int64: every quotient lies strictly between -1 and 1; only its rounding is open."""
    wide = divide_rounded(numerator.astype(object), divisor, mode)
    return wide.astype(np.int64)
