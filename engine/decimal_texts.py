"""Columns of decimals from columns of text or of Arrow's decimals and back, without a Python object for what 64 bits hold.

A quantity is read exactly as a meter reads one: at most 26 integer and 12 fractional digits, no exponent.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import FieldMistake, InvalidRequestError
from ingest import QUANTITY_PATTERN
from rating import DecimalColumn, minor_unit_digits

Int64s: TypeAlias = npt.NDArray[np.int64]
Texts: TypeAlias = Any
"""A pyarrow array of strings; pyarrow ships no types."""

_INTEGER_DIGITS_MAX, _FRACTION_DIGITS_MAX = 26, 12
# The largest power of ten that int64 holds.
_SCALE_MAX = 18
_DECIMAL128_DIGITS = 38


def decimals(texts: Texts, rows: Int64s, where: Callable[[int], str]) -> DecimalColumn:
    """Texts as exact decimals, by the rule above; `rows` decides which of several mistakes comes first.

    Raises:
        InvalidRequestError: the first text that is not a quantity, at `where` of its place.
    """
    trimmed = combined(pc.utf8_trim_whitespace(texts))
    is_quantity = np.asarray(pc.match_substring_regex(trimmed, QUANTITY_PATTERN)).astype(np.bool_)
    if not is_quantity.all():
        bad = np.flatnonzero(~is_quantity)
        first = int(bad[np.argmin(rows[bad])])
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise InvalidRequestError(FieldMistake(where(first), f"{_fault(trimmed[first].as_py())}{more}"))
    if not len(trimmed):
        return DecimalColumn.zeros(0)
    point = pc.find_substring(trimmed, ".")
    digits = pc.subtract(pc.subtract(pc.binary_length(trimmed), point), 1)
    scale = int(pc.max(pc.if_else(pc.less(point, 0), 0, digits)).as_py())
    return decimal128_column(pc.cast(trimmed, pa.decimal128(_INTEGER_DIGITS_MAX + scale, scale)), scale)


def decimal128_column(array: Texts, scale: int) -> DecimalColumn:
    """A decimal128 array without nulls as a column: int64 if all mantissas fit, else Python ints."""
    halves = np.frombuffer(array.buffers()[1], dtype=np.int64)[2 * array.offset :][: 2 * len(array)]
    low, high = halves[0::2], halves[1::2]
    if not len(low) or ((high == low >> 63).all() and low.min() > np.iinfo(np.int64).min):
        return DecimalColumn(low.copy(), scale)
    wide = high.astype(object) * 2**64 + low.astype(np.uint64).astype(object)
    return DecimalColumn(wide, scale)


def decimal128_array(column: DecimalColumn) -> Texts:
    """A column as decimal128 with all the digits that there is room for: the way back of `decimal128_column`.

    Raises:
        ValueError: a value has more than 38 digits.
    """
    of = pa.decimal128(_DECIMAL128_DIGITS, column.scale)
    if not column.is_wide:
        high = column.mantissa >> 63
        halves = np.empty(2 * len(column), dtype=np.int64)
        halves[0::2], halves[1::2] = column.mantissa, high
        return pa.Array.from_buffers(of, len(column), [None, pa.py_buffer(halves)])
    if column.magnitude_max() >= 10**_DECIMAL128_DIGITS:
        raise ValueError(f"an amount has more than {_DECIMAL128_DIGITS} digits")
    return pa.array(column.to_decimals(), type=of)


def currency_texts(amounts: Texts, currency: Texts) -> Texts:
    """Amounts in units of their currencies, decimal128, each with its currency's digits: "12.00", "300". Further digits are zeros."""
    scale = amounts.type.scale
    fixed = fixed_texts(DecimalColumn(decimal128_column(combined(amounts), 0).mantissa, scale))
    encoded = combined(currency).dictionary_encode()
    by_digits: dict[int, list[str]] = {}
    for each in encoded.dictionary.to_pylist():
        by_digits.setdefault(minor_unit_digits(each), []).append(each)
    texts = fixed
    for digits, currencies in by_digits.items():
        cut = scale - digits + (digits == 0)
        own = pc.utf8_slice_codeunits(fixed, 0, -cut) if cut else fixed
        is_own = pc.is_in(combined(currency), value_set=pa.array(currencies, pa.string()))
        texts = pc.if_else(is_own, own, texts)
    return texts


def exact_sums(rows: Texts, by: list[str], names: list[str]) -> Texts:
    """The sums of columns of decimal128 for each distinct key, in the order in which keys come first. Arrow's own sum of decimal128
    wraps silently: these are summed in twice the width.

    Raises:
        ValueError: a sum has more than 38 digits.
    """
    scales = [rows.schema.field(name).type.scale for name in names]
    wide = rows.select([*by, *names])
    for name, scale in zip(names, scales, strict=True):
        place = wide.schema.get_field_index(name)
        wide = wide.set_column(place, name, wide[name].cast(pa.decimal256(76, scale)))
    found = wide.group_by(by, use_threads=False).aggregate([(name, "sum") for name in names])
    sums = [
        found[f"{name}_sum"].cast(pa.decimal128(_DECIMAL128_DIGITS, scale))
        for name, scale in zip(names, scales, strict=True)
    ]
    return pa.table([*(found[name] for name in by), *sums], names=[*by, *names])


def _fault(text: str) -> str:
    """Why a text is not a quantity."""
    if not text:
        return "is empty"
    whole, _, fraction = text.lstrip("+-").partition(".")
    if (whole + fraction).isdecimal() and whole.isascii() and fraction.isascii():
        if len(whole) > _INTEGER_DIGITS_MAX:
            return f"has {len(whole)} digits before the point; at most {_INTEGER_DIGITS_MAX} are allowed"
        if len(fraction) > _FRACTION_DIGITS_MAX:
            return f"has {len(fraction)} digits after the point; at most {_FRACTION_DIGITS_MAX} are allowed"
    shown = text if len(text) <= 64 else f"{text[:61]}..."
    return f"{shown!r} is not a decimal number such as 1482229 or 0.25 (digits and a point, no exponent)"


def combined(array: Texts) -> Texts:
    """A chunked array as one array."""
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def fixed_texts(column: DecimalColumn) -> Texts:
    """Plain digits with all of the column's fractional digits: "12.00"."""
    scale = column.scale
    if column.is_wide or scale > _SCALE_MAX:
        return pa.array([format(value, "f") for value in column.to_decimals()], type=pa.string())
    if scale == 0:
        return pc.cast(pa.array(column.mantissa), pa.string())
    whole, fraction = np.divmod(np.abs(column.mantissa), 10**scale)
    return pc.binary_join_element_wise(
        pc.if_else(pa.array(column.mantissa < 0), "-", ""),
        pc.cast(pa.array(whole), pa.string()),
        ".",
        pc.utf8_lpad(pc.cast(pa.array(fraction), pa.string()), scale, "0"),
        "",
    )


def plain_texts(column: DecimalColumn) -> Texts:
    """Plain digits without needless zeros: "12", "0.5"."""
    texts = fixed_texts(column)
    return pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".") if column.scale else texts
