"""The oracle's arithmetic: fractions, the rounding modes by their definitions, and largest remainders.

Rules:
1. Every number is a `fractions.Fraction`; nothing is ever approximated.
2. Rounding is to a multiple of 10**-digits: `half_up` is half away from zero, `half_even` sends a half
   to the even neighbour, `up` is away from zero, `down` is toward zero.
3. An allocation hands each share the floor of its quota and the rest, one smallest unit each, to the
   largest remainders; equal remainders go to the earlier share. A negative total is the mirror image.
"""

from collections.abc import Sequence
from fractions import Fraction

ZERO = Fraction(0)


def rounded(value: Fraction, digits: int, mode: str) -> Fraction:
    """`value` at `digits` decimal digits under `mode`."""
    unit = Fraction(10) ** digits
    scaled = abs(value) * unit
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    half = (2 * rest > scaled.denominator) - (2 * rest < scaled.denominator)  # -1 below, 0 at, 1 above
    if mode == "half_up":
        away = half >= 0
    elif mode == "half_even":
        away = half > 0 or (half == 0 and whole % 2 == 1)
    elif mode == "up":
        away = rest > 0
    elif mode == "down":
        away = False
    else:
        raise ValueError(f"no such rounding mode: {mode}")
    magnitude = (whole + away) / unit
    return -magnitude if value < 0 else magnitude


def whole_multiples(quantity: Fraction, size: Fraction, mode: str) -> int:
    """How many packages of `size` hold a non-negative `quantity`, rounded by `mode` (up, down, nearest)."""
    by = {"up": "up", "down": "down", "nearest": "half_up"}[mode]
    return int(rounded(quantity / size, 0, by))


def allocated(total: Fraction, weights: Sequence[Fraction], digits: int) -> list[Fraction]:
    """`total`, a multiple of 10**-digits, in shares proportional to `weights` that add up to it exactly."""
    unit = Fraction(1, 10**digits)
    whole = sum(weights, ZERO)
    quotas = [abs(total) / unit * weight / whole for weight in weights]
    shares = [quota.numerator // quota.denominator for quota in quotas]
    left = int(abs(total) / unit) - sum(shares)
    by_remainder = sorted(range(len(quotas)), key=lambda i: (shares[i] - quotas[i], i))
    for i in by_remainder[:left]:
        shares[i] += 1
    sign = -1 if total < 0 else 1
    return [sign * share * unit for share in shares]
