"""Which part of its billing period each charge is for, as columns, and what the part takes of an exact amount.

Rules:
1. A part [start, end) of a whole of `total` takes (end - start) / total of the amount. That is a fraction of whole numbers, and
   is rounded once, to the digits of the currency: no decimal stands in between, which could miss a tie.
2. Charges that are rounded together have one denominator, the least that each of their totals divides: so their sum is exact, too.
3. What is shown of a part is a decimal: the amount up to its end less the amount up to its start, each rounded once to DIGITS
   digits (half up). What adjoining parts show adds up to the whole.
4. A column stays in int64 where its largest amount, times the largest total or denominator, is proven to fit; else it is of
   Python ints. What is shown always is, since its digits alone take 40 bits: it is worked out for lines that are looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import Self

import numpy as np
import numpy.typing as npt

from rating.numbers.decimals import NARROW_MAX, DecimalColumn, objects
from rating.numbers.rounding import Mantissas, RoundingMode, divide_rounded
from rating.prices.proration import DIGITS, Part

_WHOLE = Part(0, 1, 1)


@dataclass(frozen=True, eq=False)
class PartColumns:
    """n parts [start, end) of `total`: int64[n] each, 0 <= start <= end <= total, total > 0.

    Raises:
        ValueError: one is none.
    """

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        rises = (self.start >= 0) & (self.start <= self.end) & (self.end <= self.total) & (self.total > 0)
        if not rises.all():
            row = int(np.argmin(rises))
            raise ValueError(
                f"row {row}: [{self.start[row]}, {self.end[row]}) is not a part of {self.total[row]}"
            )

    @classmethod
    def of(cls, parts: Iterable[Part | None]) -> Self:
        """From one part for each charge; None: it is for the whole."""
        rows = [(part.start, part.end, part.total) for part in (each or _WHOLE for each in parts)]
        return cls(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def is_part(self) -> npt.NDArray[np.bool_]:
        """bool[n]: False for what is whole."""
        return np.asarray((self.start != 0) | (self.end != self.total), dtype=np.bool_)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "PartColumns":
        return PartColumns(self.start[rows], self.end[rows], self.total[rows])

    def part(self, row: int) -> Part | None:
        """One of them; None for what is whole."""
        if not self.is_part[row]:
            return None
        return Part(int(self.start[row]), int(self.end[row]), int(self.total[row]))

    def rounded(self, whole: DecimalColumn, digits: int, mode: RoundingMode) -> DecimalColumn:
        """Each part of n amounts, rounded to the digits of the currency (rule 1)."""
        whole = whole.rescale(max(whole.scale, digits))
        unit = 10 ** (whole.scale - digits)
        fits = (whole.magnitude_max() + unit) * int(self.total.max(initial=1)) <= NARROW_MAX
        divisor = (self.total if fits else self.total.astype(object)) * unit
        rounded = divide_rounded(self._lengths_of(whole, fits=fits), divisor, mode)
        return DecimalColumn(rounded, digits).narrowed()

    def shown(self, whole: DecimalColumn) -> DecimalColumn:
        """Each part of n amounts, as it is shown (rule 3)."""
        scale = max(whole.scale, DIGITS)
        shown = self._until(self.end, whole, scale) - self._until(self.start, whole, scale)
        return DecimalColumn(shown, scale).narrowed()

    def over_common(
        self, whole: DecimalColumn, group: npt.NDArray[np.int64], groups: int
    ) -> tuple[DecimalColumn, Mantissas]:
        """The parts of n amounts as numerators, and the denominator of each group 0..groups-1 (rule 2)."""
        common = self._common_totals(group, groups)
        fits = (whole.magnitude_max() + 1) * int(common.max(initial=1)) <= NARROW_MAX
        common = common.astype(np.int64 if fits else object)
        numerator = self._lengths_of(whole, fits=fits) * (common[group] // self.total)
        return DecimalColumn(numerator, whole.scale), common

    def _common_totals(self, group: npt.NDArray[np.int64], groups: int) -> Mantissas:
        """Of each group the least number that all its totals divide."""
        common: Mantissas = np.ones(groups, dtype=np.int64)
        np.maximum.at(common, group, self.total)
        if (common[group] % self.total).any():
            common = objects([1] * groups)
            for place, total in zip(group.tolist(), self.total.tolist(), strict=True):
                common[place] = lcm(common[place], total)
        return common

    def _lengths_of(self, whole: DecimalColumn, *, fits: bool) -> Mantissas:
        """Each amount times the length of its part; in int64 if that is proven to fit."""
        lengths: Mantissas = (whole if fits else whole.widened()).mantissa * (self.end - self.start)
        return lengths

    def _until(self, end: npt.NDArray[np.int64], whole: DecimalColumn, scale: int) -> Mantissas:
        """What is due up to an end: to DIGITS digits, at the end of the whole all of it."""
        amount = whole.widened().mantissa
        divisor = self.total.astype(object) * 10**whole.scale
        share = divide_rounded(amount * end * 10**DIGITS, divisor, RoundingMode.HALF_UP)
        every: Mantissas = amount * 10 ** (scale - whole.scale)
        return np.where(end == self.total, every, share * 10 ** (scale - DIGITS))


def shown_quotient(numerator: DecimalColumn, denominator: Mantissas) -> DecimalColumn:
    """Numerator / denominator for people: what has no end is rounded half up to DIGITS digits, or as many as numerators have."""
    scale = max(numerator.scale, DIGITS)
    widened = numerator.widened().rescale(scale).mantissa
    return DecimalColumn(divide_rounded(widened, denominator, RoundingMode.HALF_UP), scale).narrowed()
