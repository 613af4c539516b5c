"""The oracle is right on its own, by other engines' numbers and by hand, before it may judge the core."""

from fractions import Fraction

import pytest

from tests.support.rating.oracle import exactly, rate_one
from tests.support.rating.oracle_cases import cases, imported
from tests.support.rating.oracle_numbers import ZERO, allocated, rounded


def by_id(case):
    return case["id"]


def price_of(case):
    return exactly({**imported(case["price"]), "rounding": case["rounding"]})


@pytest.mark.parametrize("case", cases("price"), ids=by_id)
def test_the_oracle_agrees_with_a_price_that_another_engine_published(case):
    """A quantity, or a list of events, comes to the published total."""
    charge = {"events": case["events"]} if "events" in case else {"quantity": case["quantity"]}
    line = rate_one(price_of(case), exactly(charge), digits=2)
    assert line.amount == Fraction(case["expected_total"])


@pytest.mark.parametrize("case", cases("progressive"), ids=by_id)
def test_the_oracle_bills_a_period_in_parts_as_another_engine_published(case):
    """Each part is what the quantity so far comes to, less what is booked; the minimum counts in the last part."""
    booked = ZERO
    amounts = []
    for part, quantity in enumerate(case["cumulative_quantities"], start=1):
        final = part == len(case["cumulative_quantities"])
        charge = {**exactly({"quantity": quantity}), "booked": booked, "final": final}
        amounts.append(rate_one(price_of(case), charge, digits=2).amount)
        booked += amounts[-1]
    assert amounts == [Fraction(amount) for amount in case["expected_amounts"]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("half_up", ["0.13", "-0.13", "0.12", "-0.12", "0.14", "0.13"]),
        ("half_even", ["0.12", "-0.12", "0.12", "-0.12", "0.14", "0.13"]),
        ("up", ["0.13", "-0.13", "0.13", "-0.13", "0.14", "0.13"]),
        ("down", ["0.12", "-0.12", "0.12", "-0.12", "0.13", "0.13"]),
    ],
)
def test_each_rounding_mode_treats_a_half_a_rest_and_both_signs_as_defined(mode, expected):
    """Halves, less than halves and exact values, worked out by hand."""
    values = ["0.125", "-0.125", "0.1249", "-0.1249", "0.135", "0.13"]
    assert [rounded(Fraction(value), 2, mode) for value in values] == [Fraction(text) for text in expected]


def test_an_allocation_gives_what_is_left_to_the_largest_remainders():
    """10.00 in three equal shares: the cent left goes to the first; 1.00 as 1:2:4 leaves 14.28.., 28.57.., 57.14.."""
    assert allocated(Fraction(10), [Fraction(1)] * 3, 2) == [
        Fraction("3.34"),
        Fraction("3.33"),
        Fraction("3.33"),
    ]
    one_two_four = [Fraction(1), Fraction(2), Fraction(4)]
    assert allocated(Fraction(1), one_two_four, 2) == [Fraction("0.14"), Fraction("0.29"), Fraction("0.57")]
    assert allocated(Fraction(-1), one_two_four, 2) == [
        Fraction("-0.14"),
        Fraction("-0.29"),
        Fraction("-0.57"),
    ]
