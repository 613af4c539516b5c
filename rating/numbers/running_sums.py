"""Sums that run along the rows of a group, exact."""

import numpy as np
import numpy.typing as npt

from rating.numbers.decimals import NARROW_MAX, DecimalColumn


def sums_before(column: DecimalColumn, group: npt.NDArray[np.int64]) -> DecimalColumn:
    """Of each row the sum of the rows of its group that stand before it; 0 for the first.

    Exact in int64 while (rows) x (largest magnitude) <= NARROW_MAX, past it in Python ints. `group`: int64[n].
    """
    if len(column) * column.magnitude_max() > NARROW_MAX:
        column = column.widened()
    order = np.argsort(group, kind="stable")
    values, sorted_group = column.mantissa[order], group[order]
    before = np.cumsum(values) - values
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = sorted_group[1:] != sorted_group[:-1]
    of_first = before[begins][np.cumsum(begins) - 1]
    found = np.empty_like(values)
    found[order] = before - of_first
    return DecimalColumn(found, column.scale).narrowed()
