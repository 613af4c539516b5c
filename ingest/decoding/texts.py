"""The canonical text of a value: one for each value, whichever way it was sent.

Rules:
1. A string is its own text, an integer its digits, a bool true or false.
2. A double has the shortest form that reads back as the same double, without an exponent; a whole one below 10^16
   ends in ".0", as Python writes it.
3. A decimal has its digits with as many after the point as its type says. Zeros at the end past the 12th are
   left out: decimal(38, 18) is a common type for quantities, and a quantity has 12 at most.
4. No text is computed value by value, but for doubles that are very large or very small.
"""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# As many digits after the point as a quantity may have.
_FRACTION_DIGITS = 12


def canonical_texts(values: pa.Array) -> pa.StringArray:
    """The text of each value of an array of text, integers, decimals, doubles or bools; null stays null."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return values.dictionary_decode().cast(pa.string())
    if pa.types.is_floating(kind):
        return double_texts(values)
    if pa.types.is_decimal(kind):
        return _decimal_texts(values)
    if pa.types.is_string_view(kind):
        there, _views, *data = values.buffers()
        views = np.pad(sound_views(values), ((values.offset, 0), (0, 0)))
        buffers = [there, pa.py_buffer(views), *data]
        sound = pa.Array.from_buffers(kind, len(values), buffers, values.null_count, values.offset)
        return sound.cast(pa.string())
    return values.cast(pa.string())


def sound_views(texts: pa.Array) -> NDArray[np.uint8]:
    """The views, 16 bytes each, of an utf8_view; an empty one for null."""
    # What a null's view refers to nobody validates, yet Arrow's cast follows it, out of all buffers.
    count = 16 * len(texts)
    views = np.frombuffer(texts.buffers()[1], np.uint8, count, 16 * texts.offset).reshape(-1, 16)
    there = texts.is_valid().to_numpy(zero_copy_only=False)
    return np.where(there[:, np.newaxis], views, np.uint8(0))


def double_texts(numbers: pa.Array) -> pa.StringArray:
    """NaN and infinities are "nan", "inf" and "-inf"; null stays null."""
    texts = numbers.cast(pa.string())
    # Arrow and Python agree on the shortest digits; Arrow leaves out the fraction of a whole number.
    short = pc.invert(pc.match_substring_regex(texts, "[.en]"))
    texts = pc.if_else(short, pc.binary_join_element_wise(texts, ".0", ""), texts)
    exponents = pc.match_substring(texts, "e").fill_null(False)
    if not pc.any(exponents).as_py():
        return texts
    # Beyond 10 digits before the point or 6 zeros behind it: rare, and settled one by one.
    plain = [format(Decimal(repr(number)), "f") for number in numbers.filter(exponents).to_pylist()]
    return pc.replace_with_mask(texts, exponents, pa.array(plain, pa.string()))


def _decimal_texts(numbers: pa.Array) -> pa.StringArray:
    """Of decimals of any width whose scale is not negative; null stays null."""
    scale = numbers.type.scale
    digits = _unscaled(numbers).cast(pa.string())
    if scale == 0:
        return digits
    negative = pc.starts_with(digits, "-")
    # At least one digit before the point.
    digits = pc.ascii_lpad(pc.ascii_ltrim(digits, "-"), width=scale + 1, padding="0")
    texts = pc.binary_join_element_wise(
        pc.if_else(negative, "-", ""),
        pc.utf8_slice_codeunits(digits, 0, -scale),
        ".",
        pc.utf8_slice_codeunits(digits, -scale),
        "",
    )
    if scale <= _FRACTION_DIGITS:
        return texts
    return pc.replace_substring_regex(texts, f"([.][0-9]{{{_FRACTION_DIGITS}}}[0-9]*?)0+$", r"\1")


def _unscaled(numbers: pa.Array) -> pa.Array:
    """The same bytes read as integers. Arrow's own text of a decimal has an exponent where it is small."""
    kind = type(numbers.type)
    plain = {
        pa.Decimal32Type: pa.decimal32,
        pa.Decimal64Type: pa.decimal64,
        pa.Decimal128Type: pa.decimal128,
        pa.Decimal256Type: pa.decimal256,
    }[kind](numbers.type.precision, 0)
    return pa.Array.from_buffers(plain, len(numbers), numbers.buffers(), offset=numbers.offset)
