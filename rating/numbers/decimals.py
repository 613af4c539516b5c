"""Columns of exact decimals: an integer mantissa for each row and one decimal scale for the column.

Rules:
1. A value is mantissa / 10**scale. Nothing here is ever a binary float.
2. A narrow column holds int64 mantissas in [-NARROW_MAX, NARROW_MAX]; the minimum of int64 is excluded, so
   that a sign can always be flipped. A wide column holds Python ints (dtype object) of any size.
3. Before an operation on narrow columns its largest possible result is computed from the columns' largest
   magnitudes, in Python ints. Within NARROW_MAX the operation runs in int64; past it, on Python ints. So a
   narrow result is proven exact, never inspected afterwards, and nothing wraps.
4. A result of wide operands stays wide until `narrowed()` is asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from fields import fraction_digits
from rating.numbers.rounding import Mantissas, RoundingMode, divide_rounded

NARROW_MAX = 2**63 - 1
"""Largest magnitude of a narrow mantissa."""
SCALE_MAX = 96
"""Most fractional digits of a column: quantity (12) x price (18) x discount (20) leave ample room."""
DIGITS_MAX = 400
"""Most significant digits of one value: far past any money, small enough to refuse 1e999999999."""

Index: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice

EXACT = Context(prec=DIGITS_MAX, Emax=10**6, Emin=-(10**6), traps=[InvalidOperation, Overflow, Inexact])
"""Arithmetic of single Decimals: what it can't hold exactly it refuses. The default context rounds to 28."""


@dataclass(frozen=True, eq=False)
class DecimalColumn:
    """n exact decimals: mantissa[i] / 10**scale.

    Attributes:
        mantissa: int64[n] within ±NARROW_MAX (narrow), or object[n] of Python ints (wide). Not to be written.
        scale: fractional digits, 0..SCALE_MAX.

    Raises:
        ValueError: another dtype, more than one dimension, a scale out of range, or the minimum of int64.
    """

    mantissa: Mantissas
    scale: int

    def __post_init__(self) -> None:
        if self.mantissa.ndim != 1 or self.mantissa.dtype not in (np.int64, np.object_):
            raise ValueError(
                f"a decimal column needs int64[n] or object[n], got {self.mantissa.dtype}{self.mantissa.shape}"
            )
        if not 0 <= self.scale <= SCALE_MAX:
            raise ValueError(f"a decimal column's scale must be 0..{SCALE_MAX}, is {self.scale}")
        if self.mantissa.dtype == np.int64 and len(self.mantissa) and self.mantissa.min() < -NARROW_MAX:
            raise ValueError(
                "a narrow mantissa must be within ±(2**63 - 1): pass dtype object for wider values"
            )

    # --- making and reading -------------------------------------------------------------------------------

    @classmethod
    def of(cls, values: Iterable[Decimal | int | str]) -> Self:
        """A column of the given values at the smallest scale that holds them all; narrow when it fits.

        Raises:
            TypeError: a float or a bool.
            ValueError: NaN, an infinity, text that is not a decimal, or too many digits.
        """
        decimals = [exact_decimal(value) for value in values]
        scale = max((fraction_digits(value) for value in decimals), default=0)
        return cls.of_ints([scaled_int(value, scale) for value in decimals], scale)

    @classmethod
    def of_ints(cls, mantissas: Sequence[int], scale: int = 0) -> Self:
        """A column of the Python ints `mantissas` / 10**scale; narrow when they fit."""
        if all(-NARROW_MAX <= value <= NARROW_MAX for value in mantissas):
            return cls(np.array(mantissas, dtype=np.int64), scale)
        return cls(objects(mantissas), scale)

    @classmethod
    def proven(cls, mantissa: Mantissas, scale: int) -> "DecimalColumn":
        """A column of mantissas that are known to keep rule 2, without looking at each of them again."""
        column = object.__new__(cls)
        object.__setattr__(column, "mantissa", mantissa)
        object.__setattr__(column, "scale", scale)
        return column

    @classmethod
    def zeros(cls, length: int, scale: int = 0) -> Self:
        return cls(np.zeros(length, dtype=np.int64), scale)

    @classmethod
    def concatenate(cls, columns: Sequence["DecimalColumn"]) -> "DecimalColumn":
        """The rows of all columns in order, at the largest of their scales."""
        if not columns:
            return cls.zeros(0)
        scale = max(column.scale for column in columns)
        aligned = [column.rescale(scale) for column in columns]
        return DecimalColumn(np.concatenate([column.mantissa for column in aligned]), scale)

    @classmethod
    def scattered(
        cls, columns: Sequence["DecimalColumn"], rows: Sequence[Index], length: int
    ) -> "DecimalColumn":
        """A column of `length` rows with each part at its own rows, at the largest of their scales; 0 elsewhere."""
        scale = max((column.scale for column in columns), default=0)
        aligned = [column.rescale(scale) for column in columns]
        is_wide = any(column.is_wide for column in aligned)
        mantissa: Mantissas = np.zeros(length, dtype=object if is_wide else np.int64)
        for column, places in zip(aligned, rows, strict=True):
            mantissa[places] = column.mantissa
        return DecimalColumn(mantissa, scale)

    def __len__(self) -> int:
        return len(self.mantissa)

    @property
    def is_wide(self) -> bool:
        return self.mantissa.dtype == np.object_

    def magnitude_max(self) -> int:
        """The largest |mantissa|, as a Python int; 0 for an empty column."""
        low, high = self._extremes
        return max(high, -low)

    @cached_property
    def _extremes(self) -> tuple[int, int]:
        """The smallest and the largest mantissa, looked up once; (0, 0) for an empty column."""
        if not len(self.mantissa):
            return 0, 0
        return int(self.mantissa.min()), int(self.mantissa.max())

    def decimal(self, row: int) -> Decimal:
        return decimal_of(int(self.mantissa[row]), self.scale)

    def to_decimals(self) -> list[Decimal]:
        return [decimal_of(int(value), self.scale) for value in self.mantissa.tolist()]

    def take(self, rows: Index) -> "DecimalColumn":
        if isinstance(rows, slice) and rows == slice(None):
            return self
        return DecimalColumn.proven(self.mantissa[rows], self.scale)

    def replaced(self, rows: npt.NDArray[np.int64], values: "DecimalColumn") -> "DecimalColumn":
        """The same values but for those at `rows`; at the larger scale."""
        scale = max(self.scale, values.scale)
        ours, theirs = self.rescale(scale), values.rescale(scale)
        mantissa = (ours.widened() if theirs.is_wide else ours).mantissa.copy()
        mantissa[rows] = theirs.mantissa
        return DecimalColumn(mantissa, scale)

    def widened(self) -> "DecimalColumn":
        """The same values as Python ints."""
        return self if self.is_wide else DecimalColumn(self.mantissa.astype(object), self.scale)

    def narrowed(self) -> "DecimalColumn":
        """The same values in int64 if all of them fit; else itself."""
        if not self.is_wide or self.magnitude_max() > NARROW_MAX:
            return self
        return DecimalColumn(self.mantissa.astype(np.int64), self.scale)

    def trimmed(self) -> "DecimalColumn":
        """The same values at the smallest scale that holds them all, narrow when they fit.

        Stores hand out columns at a fixed scale of 12; whole quantities would waste 12 digits of int64.
        """
        mantissa, scale = self.mantissa, self.scale
        step = 8
        while scale and step:
            divisor = 10**step
            if step <= scale and not (mantissa[:64] % divisor).any() and not (mantissa % divisor).any():
                mantissa, scale = mantissa // 10**step, scale - step
            else:
                step //= 2
        return self.narrowed() if scale == self.scale else DecimalColumn(mantissa, scale).narrowed()

    # --- arithmetic ---------------------------------------------------------------------------------------

    def rescale(self, scale: int) -> "DecimalColumn":
        """The same values at another scale.

        Raises:
            ValueError: a smaller scale would lose digits: round instead.
        """
        if scale == self.scale:
            return self
        if scale > self.scale:
            return DecimalColumn(
                _times(self.mantissa, self.magnitude_max(), 10 ** (scale - self.scale)), scale
            )
        divisor = 10 ** (self.scale - scale)
        wide = self.widened() if divisor > NARROW_MAX else self
        if (wide.mantissa % divisor).any():
            raise ValueError(f"rescaling from {self.scale} to {scale} digits would lose digits: use round")
        return DecimalColumn(wide.mantissa // divisor, scale)

    def round(self, digits: int, mode: RoundingMode = RoundingMode.HALF_UP) -> "DecimalColumn":
        """Values rounded to `digits` fractional digits by the named mode; the result's scale is `digits`."""
        if digits >= self.scale:
            return self.rescale(digits)
        return DecimalColumn(divide_rounded(self.mantissa, 10 ** (self.scale - digits), mode), digits)

    def divided_by(self, divisor: npt.NDArray[np.int64], mode: RoundingMode) -> "DecimalColumn":
        """Row by row self / divisor, which is positive, rounded by the named mode at the scale that self has."""
        by = divisor.astype(object) if self.is_wide else divisor
        return DecimalColumn(divide_rounded(self.mantissa, by, mode), self.scale)

    def add(self, other: "DecimalColumn") -> "DecimalColumn":
        """Row by row self + other, at the larger scale. Exact in int64 while |a|max + |b|max <= NARROW_MAX."""
        left, right = _aligned(self, other)
        if left.magnitude_max() + right.magnitude_max() > NARROW_MAX:
            left = left.widened()
        return DecimalColumn(left.mantissa + right.mantissa, left.scale)

    def subtract(self, other: "DecimalColumn") -> "DecimalColumn":
        """Row by row self - other; the bound of `add`."""
        return self.add(other.negate())

    def negate(self) -> "DecimalColumn":
        return DecimalColumn(-self.mantissa, self.scale)

    def multiply(self, other: "DecimalColumn") -> "DecimalColumn":
        """Row by row self x other; scales add. Exact in int64 while |a|max x |b|max <= NARROW_MAX."""
        _check_lengths(self, other)
        left = self
        if self.magnitude_max() * other.magnitude_max() > NARROW_MAX:
            left = self.widened()
        return DecimalColumn(left.mantissa * other.mantissa, self.scale + other.scale)

    def scaled_by(self, factor: Decimal | int | str) -> "DecimalColumn":
        """Every row x one factor; the bound of `multiply`."""
        value = exact_decimal(factor)
        scale = fraction_digits(value)
        mantissa = _times(self.mantissa, self.magnitude_max(), scaled_int(value, scale))
        return DecimalColumn(mantissa, self.scale + scale)

    def compare(self, other: "DecimalColumn") -> npt.NDArray[np.int8]:
        """Row by row -1, 0 or 1 as self is less than, equal to or greater than other."""
        left, right = _aligned(self, other)
        greater = np.asarray(left.mantissa > right.mantissa, dtype=np.int8)
        less = np.asarray(left.mantissa < right.mantissa, dtype=np.int8)
        return greater - less

    def maximum(self, other: "DecimalColumn") -> "DecimalColumn":
        left, right = _aligned(self, other)
        return DecimalColumn(np.maximum(left.mantissa, right.mantissa), left.scale)

    def minimum(self, other: "DecimalColumn") -> "DecimalColumn":
        left, right = _aligned(self, other)
        return DecimalColumn(np.minimum(left.mantissa, right.mantissa), left.scale)

    def where(self, condition: npt.NDArray[np.bool_], other: "DecimalColumn") -> "DecimalColumn":
        """Row by row self where the condition holds, else other; at the larger scale."""
        left, right = _aligned(self, other)
        return DecimalColumn(np.where(condition, left.mantissa, right.mantissa), left.scale)

    # --- sums ---------------------------------------------------------------------------------------------

    def total(self) -> Decimal:
        """The exact sum of all rows."""
        return self.sum_by_group(np.zeros(len(self), dtype=np.int64), 1).decimal(0)

    def sum_by_group(self, group: npt.NDArray[np.int64], groups: int) -> "DecimalColumn":
        """Sums of the rows of each group 0..groups-1; a group without rows sums to 0.

        Exact in int64 while (rows of the largest group) x (largest magnitude) <= NARROW_MAX. Past it the
        mantissas are summed in halves of 32 bits, each exact for fewer than 2**31 rows, and joined in
        Python ints.

        Raises:
            ValueError: lengths differ, or a group id is out of range.
        """
        if len(group) != len(self):
            raise ValueError(f"{len(self)} rows need {len(self)} group ids, got {len(group)}")
        if len(group) and not (group.min() >= 0 and group.max() < groups):
            raise ValueError(f"group ids must be 0..{groups - 1}, got {group.min()}..{group.max()}")
        if self.is_wide:
            return DecimalColumn(_sums(self.mantissa, group, groups), self.scale).narrowed()
        rows_max = int(np.bincount(group, minlength=1).max()) if len(group) else 0
        if rows_max * self.magnitude_max() <= NARROW_MAX:
            return DecimalColumn(_sums(self.mantissa, group, groups), self.scale)
        if rows_max >= 2**31:
            raise ValueError("a group of 2**31 rows or more must be summed in parts")
        high = _sums(self.mantissa >> 32, group, groups).astype(object)
        low = _sums(self.mantissa & 0xFFFFFFFF, group, groups).astype(object)
        return DecimalColumn(high * 2**32 + low, self.scale).narrowed()


def exact_decimal(value: Decimal | int | str) -> Decimal:
    """The value as a finite Decimal, every digit kept.

    Raises:
        TypeError: a float or a bool.
        ValueError: NaN, an infinity, text that is not a decimal, or too many digits.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"a decimal must be a Decimal, an int or text, not {type(value).__name__}: {value!r}")
    try:
        decimal = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not a decimal: {value!r}") from None
    if not decimal.is_finite():
        raise ValueError(f"a decimal must be finite, is {value!r}")
    exponent = int(decimal.as_tuple().exponent)
    if decimal.adjusted() > DIGITS_MAX // 2 or exponent < -DIGITS_MAX // 2:
        raise ValueError(f"a decimal may have {DIGITS_MAX // 2} digits on each side of its point: {value!r}")
    return decimal


def scaled_int(value: Decimal, scale: int) -> int:
    """Value x 10**scale, which must be whole.

    Raises:
        ValueError: the value has more than `scale` fractional digits.
    """
    scaled = value.scaleb(scale, EXACT)
    mantissa = int(scaled)
    if mantissa != scaled:
        raise ValueError(f"{value} has more than {scale} fractional digits")
    return mantissa


def decimal_of(mantissa: int, scale: int) -> Decimal:
    """Mantissa / 10**scale as a Decimal with `scale` fractional digits."""
    return Decimal(mantissa).scaleb(-scale, EXACT)


def canonical(value: Decimal, digits: int = 0) -> Decimal:
    """The same value with `digits` fractional digits, or as many more as it needs: whatever column it came from."""
    return Decimal(format(value, f".{max(fraction_digits(value), digits)}f"))


def objects(values: Iterable[int]) -> Mantissas:
    """Python ints as a wide column's mantissas."""
    listed = list(values)
    column: npt.NDArray[Any] = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column


def _times(mantissa: Mantissas, magnitude_max: int, factor: int) -> Mantissas:
    """Mantissa x factor; in int64 while magnitude_max x |factor| fits, else in Python ints."""
    fits = mantissa.dtype != np.object_ and max(magnitude_max, 1) * abs(factor) <= NARROW_MAX
    left = mantissa if fits else mantissa.astype(object)
    product: Mantissas = left * factor
    return product


def _check_lengths(left: DecimalColumn, right: DecimalColumn) -> None:
    if len(left) != len(right):
        raise ValueError(f"columns of {len(left)} and {len(right)} rows don't pair up")


def _aligned(left: DecimalColumn, right: DecimalColumn) -> tuple[DecimalColumn, DecimalColumn]:
    """Both at the larger of the two scales."""
    _check_lengths(left, right)
    scale = max(left.scale, right.scale)
    return left.rescale(scale), right.rescale(scale)


def _sums(values: Mantissas, group: npt.NDArray[np.int64], groups: int) -> Mantissas:
    sums: Mantissas = np.zeros(groups, dtype=values.dtype)
    np.add.at(sums, group, values)
    return sums
