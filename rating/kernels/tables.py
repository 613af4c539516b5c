"""The integer tables of schedules that are rated in one pass, and how kernels pick from them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rating.numbers.decimals import NARROW_MAX
from rating.numbers.rounding import Mantissas


@dataclass(frozen=True)
class Tables:
    """Mantissas of R schedules: object arrays of Python ints, or int64 after `narrowed()`.

    With T tiers `upper` is [T-1, R]; `lower`, `unit`, `flat`, `base` and `affine` are [T, R]; the rest are [R].
    `lower` is where a tier starts to count: its bound if cumulative, else 0. `base` is owed at that point, the
    tier's flat amount included. Inside a tier: amount = base + unit x (quantity - lower), which without blocks
    and tier rounding is affine + unit x quantity.
    """

    upper: Mantissas
    lower: Mantissas
    unit: Mantissas
    flat: Mantissas
    base: Mantissas
    affine: Mantissas
    allowance: Mantissas
    block_size: Mantissas
    percent_kept: Mantissas
    amount_off: Mantissas
    maximum: Mantissas
    minimum: Mantissas

    @cached_property
    def largest(self) -> Mapping[str, int]:
        """The largest magnitude in each table."""
        columns = {field.name: getattr(self, field.name).ravel() for field in fields(self)}
        return {name: int(np.abs(column).max()) if len(column) else 0 for name, column in columns.items()}

    def narrowed(self) -> "Tables | None":
        """The tables in int64; None if an entry doesn't fit.

        A maximum past int64 caps nothing that int64 holds, so the largest int64 stands in for it.
        """
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        columns["maximum"] = np.minimum(self.maximum, NARROW_MAX)
        if any(self.largest[name] > NARROW_MAX for name in columns if name != "maximum"):
            return None
        return Tables(**{name: column.astype(np.int64) for name, column in columns.items()})


def pick(
    table: Mantissas, tier: npt.NDArray[np.intp] | None, schedule: npt.NDArray[np.int64] | None
) -> Mantissas:
    """Entries of a [T, R] table, or of a [R] table where `tier` is None.

    Args:
        table: the table.
        tier: [n] tier of each charge; None where there is one tier only.
        schedule: [n] schedule of each charge; None where there is one schedule only.

    Returns:
        A column [n], or the one entry there is.
    """
    if tier is None:
        only: Mantissas = table if table.ndim == 1 else table[0]
        entry: Mantissas = only[0] if schedule is None else only.take(schedule)
        return entry
    column: Mantissas = (
        table[:, 0].take(tier) if schedule is None else table.ravel().take(tier * table.shape[1] + schedule)
    )
    return column
