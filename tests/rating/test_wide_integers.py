"""Integers of 256 bits to columns: every value as it is, narrow where 64 bits hold all of them."""

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from rating import column_of_wide


def column(values, scale=12):
    data = b"".join(value.to_bytes(32, "little", signed=True) for value in values)
    return column_of_wide(np.frombuffer(data, dtype=np.uint8).reshape(-1, 32), scale)


@pytest.mark.parametrize(
    ("values", "scale", "is_wide"),
    [
        # Within 64 bits as they are.
        ([0, 1, -1, 2**63 - 1, -(2**63) + 1], 12, False),
        # The minimum of int64 is not narrow, and has 12 digits behind the point.
        ([-(2**63)], 12, True),
        # Ten million and more with whole units: past 64 bits with 12 digits, within without.
        ([10**7 * 10**12, -(10**18) * 10**12, 0], 0, False),
        ([(10**15 + 1) * 10**12, 25 * 10**10], 2, False),
        # One of them needs all of its digits, or more than 64 bits.
        ([10**7 * 10**12, 1], 12, True),
        ([2**63 * 10**12], 0, True),
        ([(2**63 - 1) * 10**12], 0, False),
        ([2**255 - 1, -(2**255)], 12, True),
    ],
)
def test_a_column_is_narrow_where_some_scale_lets_it_be(values, scale, is_wide):
    """And says what the store said."""
    found = column(values)
    assert (found.is_wide, found.scale) == (is_wide, scale)
    with_digits = [Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -12)) for value in values]
    assert found.to_decimals() == with_digits


def test_random_integers_stay_what_they_are(seed):
    """Of every size, with and without zeros at the end."""
    dice = random.Random(seed)
    for _ in range(300):
        sizes = dice.sample([1, 30, 60, 64, 65, 100, 128, 129, 200, 255], dice.randint(1, 3))
        values = [
            dice.randint(-(2 ** (bits := dice.choice(sizes)) - 1), 2**bits - 1) // 10**zeros * 10**zeros
            for zeros in (dice.choice([0, 0, 3, 12]) for _ in range(dice.randint(1, 8)))
        ]
        for scale in (0, 6, 12, 18):
            found = column(values, scale)
            assert [Fraction(int(each), 10**found.scale) * 10**scale for each in found.mantissa] == values


def test_no_integers_make_an_empty_column():
    """Of the store's scale."""
    assert len(column([])) == 0
