"""Columns of exact decimals: both paths, and the bound between them."""

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from rating.numbers.decimals import NARROW_MAX, DecimalColumn
from rating.numbers.rounding import RoundingMode, divide_rounded

MODES = list(RoundingMode)


def expected_quotient(numerator: int, divisor: int, mode: RoundingMode) -> int:
    """Round a fraction by the words of each mode, sign and magnitude apart."""
    magnitude = Fraction(abs(numerator), divisor)
    whole, rest = int(magnitude), magnitude - int(magnitude)
    if mode is RoundingMode.UP:
        whole += rest > 0
    elif mode is RoundingMode.HALF_UP:
        whole += rest >= Fraction(1, 2)
    elif mode is RoundingMode.HALF_EVEN:
        whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    return whole if numerator >= 0 else -whole


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("divisor", [1, 2, 3, 10, 1000, 10**18, 2**62 + 1, 10**19, 10**40])
def test_division_rounds_by_its_name_on_both_paths(mode, divisor):
    """int64 and Python ints give the quotient that the mode's words give, at ties and at int64's ends."""
    near_ties = [k * divisor + divisor // 2 + step for k in (-3, -2, -1, 0, 1, 2) for step in (-1, 0, 1)]
    values = [0, 1, -1, NARROW_MAX, -NARROW_MAX, NARROW_MAX - 1, *near_ties]
    expected = [expected_quotient(value, divisor, mode) for value in values]
    assert divide_rounded(np.array(values, dtype=object), divisor, mode).tolist() == expected
    fitting = [value for value in values if abs(value) <= NARROW_MAX]
    narrow = divide_rounded(np.array(fitting, dtype=np.int64), divisor, mode)
    assert narrow.dtype == np.int64
    assert narrow.tolist() == [expected_quotient(value, divisor, mode) for value in fitting]


def test_a_column_keeps_every_digit_of_its_values():
    """38 digits on one row and none on another come back as they went in."""
    values = ["12345678901234567890123456.123456789012", "0", "-7", "1e3", "0.50"]
    assert DecimalColumn.of(values).to_decimals() == [Decimal(value) for value in values]


@pytest.mark.parametrize("bad", ["", "ten", "NaN", "Infinity", "1e999999999"])
def test_text_that_is_no_finite_decimal_is_refused(bad):
    """The message repeats what was read."""
    with pytest.raises(ValueError, match=r"decimal"):
        DecimalColumn.of([bad])


@pytest.mark.parametrize("bad", [0.1, True, None])
def test_a_float_never_becomes_a_quantity(bad):
    """Not even one that looks whole."""
    with pytest.raises(TypeError, match="not"):
        DecimalColumn.of([bad])


@pytest.mark.parametrize(
    ("left", "right", "is_wide"),
    [
        (NARROW_MAX - 1, 1, False),
        (NARROW_MAX, 1, True),
        (-NARROW_MAX, -1, True),
        (NARROW_MAX, NARROW_MAX, True),
    ],
)
def test_addition_takes_the_wide_path_right_past_its_bound(left, right, is_wide):
    """At the bound int64 serves; one more and Python ints do; the sum is right on both sides."""
    total = DecimalColumn.of_ints([left]).add(DecimalColumn.of_ints([right]))
    assert total.is_wide is is_wide
    assert total.mantissa.tolist() == [left + right]


@pytest.mark.parametrize(
    ("left", "right", "is_wide"),
    [
        (NARROW_MAX // 7, 7, False),
        (NARROW_MAX // 7 + 1, 7, True),
        (-(2**32), 2**31, True),
        (2**31, 2**31, False),
    ],
)
def test_multiplication_takes_the_wide_path_right_past_its_bound(left, right, is_wide):
    """At the bound int64 serves; one more and Python ints do; the product is right on both sides."""
    product = DecimalColumn.of_ints([left], 3).multiply(DecimalColumn.of_ints([right], 4))
    assert product.is_wide is is_wide
    assert (product.mantissa.tolist(), product.scale) == ([left * right], 7)
    assert DecimalColumn.of_ints([left]).scaled_by(right).mantissa.tolist() == [left * right]


def test_the_minimum_of_int64_is_no_narrow_mantissa():
    """Its sign could not be flipped."""
    with pytest.raises(ValueError, match="within"):
        DecimalColumn(np.array([-(2**63)]), 0)
    assert DecimalColumn.of_ints([-(2**63)]).negate().mantissa.tolist() == [2**63]


def test_rescaling_keeps_values_and_refuses_to_lose_digits():
    """Up multiplies, past int64 too; down only where every dropped digit is zero."""
    column = DecimalColumn.of(["922337203685477580.7", "1.5"])
    assert column.rescale(3).to_decimals() == column.to_decimals()
    assert column.rescale(3).is_wide
    assert column.rescale(3).rescale(1).narrowed().mantissa.tolist() == column.mantissa.tolist()
    with pytest.raises(ValueError, match="lose digits"):
        column.rescale(0)
    assert DecimalColumn(np.array([120_000, 3_000]), 4).trimmed().mantissa.tolist() == [120, 3]


def test_rounding_a_column_names_digits_and_mode():
    """2.5 goes away from zero, to even, or toward zero as asked."""
    column = DecimalColumn.of(["2.5", "-2.5", "2.4"])
    assert column.round(0).mantissa.tolist() == [3, -3, 2]
    assert column.round(0, RoundingMode.HALF_EVEN).mantissa.tolist() == [2, -2, 2]
    assert column.round(0, RoundingMode.DOWN).mantissa.tolist() == [2, -2, 2]
    assert column.round(0, RoundingMode.UP).mantissa.tolist() == [3, -3, 3]
    assert column.round(3).to_decimals() == column.to_decimals()


def test_comparison_aligns_scales():
    """1.50 equals 1.5, and a wide value compares with a narrow one."""
    left = DecimalColumn.of(["1.50", "-1", str(10**30)])
    right = DecimalColumn.of(["1.5", "0.001", "7"])
    assert left.compare(right).tolist() == [0, -1, 1]
    assert left.maximum(right).to_decimals() == [Decimal("1.5"), Decimal("0.001"), Decimal(10**30)]
    assert left.minimum(right).to_decimals() == [Decimal("1.5"), Decimal(-1), Decimal(7)]


@pytest.mark.parametrize("top", [10**3, NARROW_MAX // 500, NARROW_MAX, 10**40])
def test_sums_by_group_equal_plain_sums(top):
    """Random rows and groups, sums past int64 among them; the seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    values = [rng.randint(-top, top) for _ in range(2000)] + [top] * 40
    groups = [rng.randrange(7) for _ in values[:-40]] + [6] * 40
    expected = [0] * 9
    for value, group in zip(values, groups, strict=True):
        expected[group] += value
    column = DecimalColumn.of_ints(values, 2)
    assert column.sum_by_group(np.array(groups), 9).mantissa.tolist() == expected
    assert column.total() == Decimal(f"{sum(values)}e-2")


def test_group_ids_outside_their_range_are_refused():
    """A negative id would count from the end."""
    with pytest.raises(ValueError, match=r"0\.\.1"):
        DecimalColumn.of([1]).sum_by_group(np.array([-1]), 2)


def test_columns_of_different_lengths_do_not_pair():
    """No broadcast hides a missing row."""
    with pytest.raises(ValueError, match="pair"):
        DecimalColumn.of([1]).add(DecimalColumn.of([1, 2]))
