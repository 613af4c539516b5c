"""Shares that add up: largest-remainder rounding over groups.

Rules:
1. A share is its exact value rounded toward zero, plus at most one unit in the direction that is left over, so
   no share is a whole unit away from its exact value, and a share that is exact stays.
2. The units left over go to the largest remainders; equal remainders go to the lower row first.
3. Mirrored inputs give mirrored shares: a refund of an invoice is split as the invoice was.
4. The shares of a group add up to its total, or the call raises.

Rows that could pass int64 are settled on Python ints apart from the others, group by group, so that one huge
group doesn't slow the rest. O(n) but for ranking the rows of groups with units left over, O(m log m).
"""

import numpy as np
import numpy.typing as npt

from rating.numbers.decimals import NARROW_MAX, DecimalColumn
from rating.numbers.rounding import Mantissas, RoundingMode, divide_rounded

Rows = npt.NDArray[np.int64]


class AllocationError(ValueError):
    """A total that can't be shared out: the weights are negative or all zero, or the total isn't near the shares."""


def allocate(total: DecimalColumn, weight: DecimalColumn, group: Rows) -> DecimalColumn:
    """Each group's total, shared out in proportion to its rows' weights.

    Args:
        total: G totals, any sign; one unit is 1 / 10**total.scale (at scale 0, minor units).
        weight: n weights, none negative; only their proportions count.
        group: int64[n] in 0..G-1, in any order.

    Returns:
        n shares at the scale of `total`. Those of a group add up to its total exactly.

    Raises:
        AllocationError: a negative weight, or a group with a total but without a positive weight.
        ValueError: lengths that differ, or a group id out of range.
    """
    weights = weight.sum_by_group(group, len(total))
    if len(weight) and weight.mantissa.min() < 0:
        row = int(np.argmax(weight.mantissa < 0))
        raise AllocationError(f"weights must not be negative, row {row} has {weight.decimal(row)}")
    stranded = (weights.mantissa == 0) & (total.mantissa != 0)
    if stranded.any():
        row = int(np.argmax(stranded))
        raise AllocationError(f"group {row} has {total.decimal(row)} to allocate and no weight above 0")
    shares = np.zeros(len(weight), dtype=object if total.is_wide else np.int64)
    for rows, part in _by_bound(total, weight, group):
        numerator = part.take(group[rows]).multiply(weight.take(rows))
        divisor = weights.widened() if numerator.is_wide else weights
        one_at_least = np.maximum(divisor.mantissa, 1)
        shares[rows] = _rounded_shares(numerator.mantissa, one_at_least, group[rows], part)
    return DecimalColumn(shares, total.scale)


def round_to_total(
    numerator: DecimalColumn, denominator: Mantissas, group: Rows, total: DecimalColumn
) -> DecimalColumn:
    """Exact shares of any sign, rounded so that each group's add up to its total.

    Args:
        numerator: n shares times the denominator of their group, at the scale of `total`.
        denominator: G positive integers, int64 or object.
        group: int64[n] in 0..G-1, in any order.
        total: G totals, each the sum of its exact shares rounded to a whole unit by any mode.

    Returns:
        n shares at the scale of `total`.

    Raises:
        AllocationError: a total that is a unit or more away from the sum of its shares.
        ValueError: lengths that differ.
    """
    if len(numerator) != len(group) or len(denominator) != len(total) or numerator.scale != total.scale:
        raise ValueError("shares need a group each, groups a denominator each, and both one scale")
    shares = _rounded_shares(numerator.mantissa, denominator, group, total)
    return DecimalColumn(shares, total.scale)


def _by_bound(total: DecimalColumn, weight: DecimalColumn, group: Rows) -> list[tuple[Rows, DecimalColumn]]:
    """Rows and totals in parts: groups whose products stay in int64, and those whose products may not."""
    every = np.arange(len(group), dtype=np.int64)
    if total.is_wide or weight.is_wide or total.magnitude_max() * weight.magnitude_max() <= NARROW_MAX:
        return [(every, total)]
    past = np.abs(total.mantissa)[group] > NARROW_MAX // np.maximum(weight.mantissa, 1)
    huge = np.zeros(len(total), dtype=np.bool_)
    huge[group[past]] = True
    narrow = DecimalColumn(np.where(huge, 0, total.mantissa), total.scale)
    wide = DecimalColumn(np.where(huge, total.mantissa, 0), total.scale)
    return [(every[~huge[group]], narrow), (every[huge[group]], wide.widened())]


def _rounded_shares(
    numerator: Mantissas, denominator: Mantissas, group: Rows, total: DecimalColumn
) -> Mantissas:
    divisor = denominator[group]
    if divisor.dtype == np.object_:
        numerator = numerator.astype(object)
    shares = divide_rounded(numerator, divisor, RoundingMode.DOWN)
    remainder = numerator - shares * divisor
    sums = DecimalColumn(shares, total.scale).sum_by_group(group, len(total))
    left = total.subtract(sums).mantissa
    beyond = np.abs(left) > len(group)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise AllocationError(f"group {row}: its total is {left[row]} units away from its rounded shares")
    stepped: Mantissas = shares + _largest_remainders(remainder, left.astype(np.int64), group)
    return stepped


def _largest_remainders(remainder: Mantissas, units: Rows, group: Rows) -> Rows:
    """+1 or -1 for the |units| rows of each group with the largest remainders in that direction, 0 elsewhere.

    Raises:
        AllocationError: a group has more units left than rows with a remainder in their direction.
    """
    toward = np.sign(units)[group]
    candidates = np.flatnonzero(toward * remainder > 0)
    order = _descending_in_groups(np.abs(remainder[candidates]), group[candidates])
    ranked = candidates[order]
    ranked_group = group[ranked]
    first = np.flatnonzero(np.r_[True, ranked_group[1:] != ranked_group[:-1]][: len(ranked_group)])
    count = np.diff(np.r_[first, len(ranked)])
    rank = np.arange(len(ranked)) - np.repeat(first, count)
    chosen = ranked[rank < np.abs(units)[ranked_group]]
    stepped = np.zeros(len(group), dtype=np.int64)
    stepped[chosen] = toward[chosen]
    missing = units.copy()
    np.subtract.at(missing, group[chosen], toward[chosen])
    if missing.any():
        row = int(np.argmax(missing != 0))
        raise AllocationError(f"group {row}: its total is {missing[row]} units away from its shares")
    return stepped


def _descending_in_groups(key: Mantissas, group: Rows) -> Rows:
    """The order of rows by group, then by key from the largest, then by row."""
    if not len(key):
        return np.zeros(0, dtype=np.int64)
    span = int(key.max()) + 1
    if (int(group.max()) + 1) * span <= NARROW_MAX:
        packed = group * span + (span - 1 - key).astype(np.int64)
        return np.argsort(packed, kind="stable")
    if key.dtype != np.object_:
        return np.lexsort((-key, group))
    by_key = np.argsort(-key, kind="stable")
    return by_key[np.argsort(group[by_key], kind="stable")]
