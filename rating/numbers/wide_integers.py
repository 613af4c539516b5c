"""Integers of 256 bits, as a store hands them out, to columns of exact decimals.

An integer is 32 bytes, the least significant first, two's complement. What fits into 64 bits stays there: at the scale
that the store has, or at a smaller one where the digits behind it are zero. Only what fits at no scale becomes Python ints.
"""

import numpy as np
import numpy.typing as npt

from rating.numbers.decimals import NARROW_MAX, DecimalColumn, objects

WIDTH_BYTES = 32
# A divisor of 32 bits, so that a remainder and the next 32 bits fit into 64.
_STEP_DIGITS = 9
_LIMB = np.uint64(32)
_LOW = np.uint64(2**32 - 1)

Limbs = npt.NDArray[np.uint64]


def column_of_wide(integers: npt.NDArray[np.uint8], scale: int) -> DecimalColumn:
    """A column of the integers / 10**scale; narrow where all of them fit at a scale that loses nothing.

    Args:
        integers: uint8[n, 32].
        scale: fractional digits, 0..18.
    """
    words = np.ascontiguousarray(integers).view("<u8").reshape(-1, WIDTH_BYTES // 8)
    low = words[:, 0].astype(np.int64)
    # The sign in all bits above: then the lowest word is the whole integer.
    above = (low >> 63).view(np.uint64)
    if ((words[:, 1:] == above[:, None]).all(axis=1) & (low != -NARROW_MAX - 1)).all():
        return DecimalColumn(low, scale)
    return _trimmed(words, scale) or _as_python_ints(words, scale)


def _trimmed(words: Limbs, scale: int) -> DecimalColumn | None:
    """At a smaller scale; None where that loses a digit or doesn't fit either."""
    negative = words[:, -1] >> np.uint64(63) == 1
    limbs = _limbs_of_magnitudes(words, negative)
    fraction, weight = np.zeros(len(words), dtype=np.int64), 1
    digits = scale
    while digits:
        step = min(digits, _STEP_DIGITS)
        limbs, remainder = _divided(limbs, 10**step)
        fraction += remainder.astype(np.int64) * weight
        weight *= 10**step
        digits -= step
    if limbs[2:].any() or (limbs[1] >> np.uint64(31)).any():
        return None
    whole = (limbs[1] << _LIMB | limbs[0]).astype(np.int64)
    rest = DecimalColumn(fraction, scale).trimmed()
    largest = int(whole.max()) * 10**rest.scale + rest.magnitude_max()
    if largest > NARROW_MAX:
        return None
    mantissa = whole * 10**rest.scale + rest.mantissa
    return DecimalColumn(np.where(negative, -mantissa, mantissa), rest.scale)


def _limbs_of_magnitudes(words: Limbs, negative: npt.NDArray[np.bool_]) -> Limbs:
    """|integers| as [8, n] limbs of 32 bits, the least significant first."""
    halves = [part for word in words.T for part in (word & _LOW, word >> _LIMB)]
    carry = negative.astype(np.uint64)
    limbs = np.empty((len(halves), len(words)), dtype=np.uint64)
    for place, half in enumerate(halves):
        # The negative of two's complement: every bit flipped, and one more.
        total = np.where(negative, half ^ _LOW, half) + carry
        limbs[place], carry = total & _LOW, total >> _LIMB
    return limbs


def _divided(limbs: Limbs, divisor: int) -> tuple[Limbs, Limbs]:
    """(quotients, remainders) by a divisor below 2**32, as by hand: from the most significant limb down."""
    by = np.uint64(divisor)
    quotient = np.empty_like(limbs)
    remainder = np.zeros(limbs.shape[1], dtype=np.uint64)
    for place in reversed(range(len(limbs))):
        part = remainder << _LIMB | limbs[place]
        quotient[place] = part // by
        remainder = part - quotient[place] * by
    return quotient, remainder


def _as_python_ints(words: Limbs, scale: int) -> DecimalColumn:
    data = words.tobytes()
    rows = range(0, len(data), WIDTH_BYTES)
    values = (int.from_bytes(data[row : row + WIDTH_BYTES], "little", signed=True) for row in rows)
    return DecimalColumn(objects(values), scale).trimmed()
