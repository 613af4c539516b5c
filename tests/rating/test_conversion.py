"""One quantity in another unit: exact, rounded once by the name that the conversion gives."""

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from fields import FieldsError
from rating import Charges, Conversion, DecimalColumn, Price, converted, converted_column, rate
from tests.support.rating.oracle_numbers import rounded


@pytest.mark.parametrize(
    ("quantity", "conversion", "expected"),
    [
        ("1500000", {"divisor": "1048576", "rounding": {"mode": "up", "digits": 2}}, "1.44"),
        ("10", {"divisor": "3", "rounding": {"mode": "down", "digits": 12}}, "3.333333333333"),
        ("10", {"divisor": "4", "rounding": {"mode": "half_even", "digits": 0}}, "2"),
        ("14", {"divisor": "4", "rounding": {"mode": "half_even", "digits": 0}}, "4"),
        ("10", {"divisor": "4", "rounding": {"mode": "half_up", "digits": 0}}, "3"),
        # The mirror images: away from zero, to even, toward zero.
        ("-10", {"divisor": "4", "rounding": {"mode": "half_up", "digits": 0}}, "-3"),
        ("-10", {"divisor": "4", "rounding": {"mode": "half_even", "digits": 0}}, "-2"),
        ("-10", {"divisor": "4", "rounding": {"mode": "up", "digits": 0}}, "-3"),
        ("-10", {"divisor": "4", "rounding": {"mode": "down", "digits": 0}}, "-2"),
        ("0.000000000001", {"factor": "0.000000000000000001"}, "0." + "0" * 29 + "1"),
        ("2.5", {"factor": "60"}, "150"),
        ("2.5", {"factor": "0.5", "rounding": {"mode": "half_up", "digits": 1}}, "1.3"),
        ("0", {"divisor": "3", "rounding": {"mode": "up", "digits": 0}}, "0"),
        # Past the 28 digits of Python's default context.
        ("9" * 38, {"factor": "9"}, str(9 * int("9" * 38))),
        ("7" * 57, {"divisor": "7", "rounding": {"mode": "up", "digits": 3}}, "1" * 57),
    ],
)
def test_a_quantity_is_converted_exactly(quantity, conversion, expected):
    """By hand."""
    found = converted(Decimal(quantity), Conversion.read(conversion))
    assert format(found, "f") == expected


@pytest.mark.parametrize(
    ("conversion", "expected"),
    [
        (None, ["-10", "0", "9000000000000000000.5", "1500000"]),
        (
            {"divisor": "4", "rounding": {"mode": "half_up", "digits": 0}},
            ["-3", "0", "2250000000000000000", "375000"],
        ),
        (
            {"factor": "0.5", "rounding": {"mode": "up", "digits": 0}},
            ["-5", "0", "4500000000000000001", "750000"],
        ),
    ],
)
def test_a_column_is_converted_row_by_row(conversion, expected):
    """By hand; the large one needs more than 64 bits on the way: 9 x 10^18 / 4 is 2.25 x 10^18, and half of
    9 x 10^18 + 0.5 is 4.5 x 10^18 + 0.25, up to the next whole.
    """
    column = DecimalColumn.of(["-10", "0", "9000000000000000000.5", "1500000"])
    found = converted_column(column, None if conversion is None else Conversion.read(conversion))
    assert found.to_decimals() == [Decimal(each) for each in expected]


def test_random_conversions_are_as_in_fractions(seed):
    """And as a price's conversion, which takes no negative quantity."""
    dice = random.Random(seed)
    for _ in range(300):
        digits_before = 10 ** dice.randint(1, 50)
        quantity = Decimal(f"{dice.randint(-digits_before, digits_before)}e-{dice.randint(0, 12)}")
        ratio = f"{dice.randint(1, 10 ** dice.randint(1, 20))}e-{dice.randint(0, 18)}"
        mode, digits = dice.choice(("half_up", "half_even", "up", "down")), dice.randint(0, 12)
        rounding = {"mode": mode, "digits": digits}
        for fields, exact in (
            ({"factor": ratio}, Fraction(quantity) * Fraction(ratio)),
            ({"factor": ratio, "rounding": rounding}, Fraction(quantity) * Fraction(ratio)),
            ({"divisor": ratio, "rounding": rounding}, Fraction(quantity) / Fraction(ratio)),
        ):
            found = converted(quantity, Conversion.read(fields))
            expected = rounded(exact, digits, mode) if "rounding" in fields else exact
            assert Fraction(found) == expected, (quantity, fields)
            if quantity >= 0:
                assert billed(quantity.copy_abs(), fields) == Fraction(found), (quantity, fields)


def billed(quantity, conversion):
    """The quantity that a price with this conversion bills."""
    price = Price.read({"currency": "USD", "model": "per_unit", "unit_amount": "1", "conversion": conversion})
    charges = Charges(
        prices=(price,), price_index=np.zeros(1, dtype=np.int64), quantity=DecimalColumn.of([quantity])
    )
    return Fraction(rate(charges).billable_quantity.decimal(0))


def test_without_a_conversion_a_quantity_stays():
    """The very same."""
    quantity = Decimal("1.50")
    assert converted(quantity, None) is quantity


def test_a_conversion_is_written_as_it_is_read():
    """Canonical: equal conversions have equal fields."""
    one = Conversion.read({"divisor": "1e3", "rounding": {"digits": "2", "mode": "up"}})
    assert one == Conversion.read({"divisor": Decimal(1000), "rounding": {"mode": "up", "digits": 2}})
    assert one.to_fields() == {"divisor": "1000", "rounding": {"mode": "up", "digits": 2}}
    assert Conversion.read(one.to_fields()) == one
    assert Conversion.read({"factor": "0.50"}).to_fields() == {"factor": "0.5"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs either factor or divisor"),
        (
            {"factor": "1", "divisor": "2", "rounding": {"mode": "up", "digits": 0}},
            "needs either factor or divisor",
        ),
        ({"divisor": "2"}, "^rounding: is missing: a quotient may have no end"),
        ({"factor": "0"}, "^factor: must be more than 0"),
        ({"factor": "1", "digits": 2}, "^digits: is not a field of a conversion"),
        ({"factor": 0.5}, "^factor: must be written as text, not as a binary float"),
        ("x3", "must be a mapping with the fields factor, divisor, rounding, is the text 'x3'"),
        ({"factor": "2", "rounding": {"mode": "up"}}, "^rounding: needs both mode and digits"),
    ],
)
def test_what_is_no_conversion_is_refused(fields, message):
    """With its place, as in a price."""
    with pytest.raises(FieldsError, match=message):
        Conversion.read(fields)
