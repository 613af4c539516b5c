"""What each model charges, by amounts worked out by hand."""

from decimal import Decimal

import numpy as np
import pytest

from rating import Dimension, RatingError
from tests.support.rating.rating_one import rate_one, rated


def tiers(*steps: str) -> list[dict]:
    """Tiers from "up_to unit flat" texts; a dash leaves a value out."""
    names = ("up_to", "unit_amount", "flat_amount")
    return [
        {name: value for name, value in zip(names, step.split(), strict=False) if value != "-"}
        for step in steps
    ]


GRADUATED = {"model": "graduated", "tiers": tiers("10 5 100", "20 4 7", "- 3 1")}


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("0", "100"),  # the first tier is always entered
        ("10", "150"),  # 100 + 10 x 5
        ("10.5", "159"),  # 150 + 7 + 0.5 x 4
        ("20", "197"),  # 150 + 7 + 40
        ("22", "204"),  # 197 + 1 + 2 x 3
    ],
)
def test_graduated_charges_each_unit_in_its_tier(quantity, amount):
    """A flat amount is due once, when its tier is entered."""
    assert rate_one(GRADUATED, quantity).amount == Decimal(amount)


@pytest.mark.parametrize(("quantity", "amount"), [("10", "157"), ("9.999999999999", "150.00"), ("20", "198")])
def test_a_lower_inclusive_bound_belongs_to_the_next_tier(quantity, amount):
    """At ten the second tier's flat amount of 7 is due, at twenty the third's of 1."""
    assert rate_one({**GRADUATED, "boundary": "lower_inclusive"}, quantity).amount == Decimal(amount)


@pytest.mark.parametrize(("quantity", "amount"), [("0", "100"), ("10", "150"), ("11", "51"), ("30", "91")])
def test_volume_charges_everything_in_one_tier(quantity, amount):
    """100 + 10 x 5, then 7 + 11 x 4, then 1 + 30 x 3."""
    assert rate_one({**GRADUATED, "model": "volume"}, quantity).amount == Decimal(amount)


@pytest.mark.parametrize(("quantity", "amount"), [("0", "1"), ("5", "1"), ("5.1", "2"), ("99", "2")])
def test_stairstep_charges_the_flat_amount_of_its_tier(quantity, amount):
    """The quantity only picks the step."""
    assert rate_one({"model": "stairstep", "tiers": tiers("5 - 1", "- - 2")}, quantity).amount == Decimal(
        amount
    )


@pytest.mark.parametrize(
    ("rounding", "quantity", "packages"),
    [
        ("up", "0", 0),
        ("up", "0.1", 1),
        ("up", "10", 1),
        ("up", "10.000000000001", 2),
        ("down", "19.9", 1),
        ("nearest", "14.9", 1),
        ("nearest", "15", 2),
    ],
)
def test_packages_are_whole(rounding, quantity, packages):
    """Rounded up, down or to the nearest, a half up; none at zero."""
    price = {"model": "package", "package_size": "10", "package_amount": "3", "package_rounding": rounding}
    line = rate_one(price, quantity)
    assert line.amount == 3 * packages
    assert line.tiers[0].quantity == packages


BLOCKS = {"model": "graduated", "tiers": tiers("10 5", "- 2"), "block_size": "5"}


@pytest.mark.parametrize(
    ("scope", "rounding", "quantity", "amount"),
    [
        ("total", "up", "11", "12"),  # 3 blocks: 2 in the first tier, 1 in the second
        ("total", "down", "11", "10"),
        ("tier", "up", "11", "12"),
        ("tier", "up", "3", "5"),
        ("tier", "nearest", "12.5", "12"),  # 2 blocks, then half a block, which is one
        ("tier", "nearest", "12.4", "10"),
    ],
)
def test_tiers_are_priced_in_blocks(scope, rounding, quantity, amount):
    """Five units a block: counted on the total, or inside each tier; unit_amount is the amount of a block."""
    price = {**BLOCKS, "block_scope": scope, "block_rounding": rounding}
    assert rate_one(price, quantity).amount == Decimal(amount)


def test_blocks_inside_tiers_may_straddle_bounds():
    """Seven units are two blocks of five in the first tier, and one unit more is a block of the second."""
    price = {"model": "graduated", "tiers": tiers("7 5", "- 2"), "block_size": "5", "block_scope": "tier"}
    assert rate_one(price, "8").amount == 12


def test_overage_is_free_up_to_the_included_units():
    """1,300 used, 1,000 included, 300 at a cent."""
    price = {"model": "overage", "unit_amount": "0.01", "included_units": "1000"}
    assert [rate_one(price, quantity).amount for quantity in ("1000", "1300")] == [0, 3]
    assert rate_one(price, "1300").billable_quantity == 300


def test_dynamic_marks_up_the_amount_of_the_events():
    """Ten dollars carried by events at 1.33333 come to 13.3333."""
    line = rate_one({"model": "dynamic", "multiplier": "1.33333"}, "10")
    assert (line.exact_amount, line.amount) == (Decimal("13.3333"), Decimal("13.33"))


def test_graduated_percentage_takes_each_share_in_its_tier():
    """1 % of 100 and 2 % of the other 50, and the second tier's flat amount."""
    steps = [{"up_to": "100", "percent": "1"}, {"up_to": None, "percent": "2", "flat_amount": "10"}]
    assert rate_one({"model": "graduated_percentage", "tiers": steps}, "150").amount == 12


PERCENTAGE = {"model": "percentage", "percent": "1", "fixed_amount_per_event": "0.5"}


@pytest.mark.parametrize(
    ("terms", "events", "amount"),
    [
        ({}, [], "0"),
        ({}, ["100", "50"], "2.5"),  # 1 + 0.5 + 2 x 0.5
        ({"free_events": "1"}, ["100", "50"], "1"),
        ({"free_amount": "100"}, ["100", "50"], "1"),  # used up exactly by the first
        ({"free_amount": "120"}, ["100", "50"], "0.8"),  # 1 % of 30 beyond, and the fee in full
        ({"free_amount": "120", "free_events": "1"}, ["100", "50"], "1"),  # the events end it first
        (
            {"free_amount": "20", "free_events": "9"},
            ["30", "50"],
            "1.6",
        ),  # the amount ends it in the first event
        ({"free_amount": "0", "free_events": "9"}, ["30"], "0.8"),  # nothing is free from the start
        ({"minimum_per_event": "2"}, ["100", "500"], "7.5"),
        ({"maximum_per_event": "3"}, ["100", "500"], "4.5"),
        ({"maximum_per_event": "0"}, ["100", "500"], "0"),
        ({"free_events": "1", "minimum_per_event": "2"}, ["1", "1"], "2"),  # no minimum for a free event
    ],
)
def test_percentage_counts_event_by_event(terms, events, amount):
    """One percent and half a dollar an event, with every kind of allowance and bound."""
    assert rate_one({**PERCENTAGE, **terms}, events=events).amount == Decimal(amount)


def test_a_negative_event_bills_as_zero_and_is_reported():
    """A refund has no fee and uses nothing of the allowance."""
    line = rate_one({**PERCENTAGE, "free_events": "1"}, "50", events=["-100", "50", "100"])
    assert (line.amount, line.negative_quantity) == (Decimal("1.5"), True)


def test_the_fees_of_a_line_can_be_seen_event_by_event():
    """One free event, a refund, one at the minimum and one at 1 % and half a dollar: they add up to the line."""
    price = {**PERCENTAGE, "free_events": "1", "minimum_per_event": "0.75"}
    lines = rated(price, events=["100", "-7", "10", "50"])
    fees = [(event.amount, event.fee) for event in lines.events(0)]
    assert fees == [(100, 0), (-7, 0), (10, Decimal("0.75")), (50, 1)]
    assert lines.line(0).exact_amount == Decimal("1.75")
    assert rated({"model": "per_unit", "unit_amount": "1"}).events(0) == ()


def test_percentage_without_terms_per_event_needs_only_the_sum():
    """1.3 % of what goes beyond the free 250."""
    assert rate_one({"model": "percentage", "percent": "1.3", "free_amount": "250"}, "800").amount == Decimal(
        "7.15"
    )


def test_percentage_with_terms_per_event_needs_the_events():
    """Their sum alone can't be rated, and isn't guessed."""
    with pytest.raises(RatingError, match=r"Charges\.events"):
        rate_one(PERCENTAGE, "100")


MATRIX = {
    "model": "matrix",
    "dimensions": ["region", "size"],
    "cells": [
        {"match": {"region": region, "size": size}, "unit_amount": amount}
        for region, size, amount in (("eu", "s", "1"), ("eu", "l", "2"), ("us", "s", "3"), ("us", "l", "4"))
    ],
}


def test_a_matrix_prices_by_its_dimensions():
    """Every cell at its own amount; the line tells which."""
    for index, (region, size) in enumerate((("eu", "s"), ("eu", "l"), ("us", "s"), ("us", "l"))):
        line = rate_one(MATRIX, "10", dimensions={"size": size, "region": region})
        assert line.amount == 10 * (index + 1)
        assert line.tiers[0].index == index


@pytest.mark.parametrize("region", ["mars", None])
def test_a_matrix_without_a_cell_is_an_error_that_names_the_dimensions(region):
    """Never free; with a default the default's amount."""
    with pytest.raises(RatingError, match=rf"region={region or 'none'}, size=s"):
        rate_one(MATRIX, "10", dimensions={"size": "s", "region": region})
    assert rate_one({**MATRIX, "default": "9"}, "10", dimensions={"size": "s", "region": region}).amount == 90


def test_a_matrix_needs_its_dimensions_columns():
    """The missing one is named."""
    with pytest.raises(RatingError, match="dimension region"):
        rate_one(MATRIX, "10", dimensions={"size": "s"})


CAPACITY = {
    "model": "capacity",
    "tiers": [
        {"up_to": {"seats": "5", "storage": "100"}, "flat_amount": "10"},
        {"up_to": {"seats": "50", "storage": "500"}, "flat_amount": "80"},
        {"up_to": None, "flat_amount": "300"},
    ],
}


@pytest.mark.parametrize(
    ("seats", "storage", "amount"),
    [
        ("0", "0", 10),
        ("5", "100", 10),
        ("6", "1", 80),
        ("1", "500.5", 300),
        ("51", "0", 300),
        ("-3", "0", 10),
    ],
)
def test_capacity_charges_the_highest_tier_that_any_unit_reaches(seats, storage, amount):
    """Six seats lift a small store to the second tier."""
    assert rate_one(CAPACITY, quantities={"seats": seats, "storage": storage}).amount == amount


@pytest.mark.parametrize("code", [-2, 1])
def test_a_dimension_code_without_a_value_is_refused(code):
    """Neither counted from the end nor taken for another value."""
    with pytest.raises(RatingError, match=r"-1\.\.0"):
        Dimension(np.array([code]), ("eu",))


def test_capacity_needs_the_quantity_of_each_unit():
    """The missing one is named."""
    with pytest.raises(RatingError, match="storage"):
        rate_one(CAPACITY, quantities={"seats": "1"})


def test_a_schedule_may_have_as_many_tiers_as_it_is_allowed():
    """128 tiers of one unit each, at 1, 2, 3...: all of them entered cost 128 x 129 / 2."""
    steps = tiers(*(f"{number} {number}" for number in range(1, 128)), "- 128")
    price = {"model": "graduated", "tiers": steps}
    assert rate_one(price, "128").amount == 128 * 129 // 2
    assert [tier.index for tier in rate_one(price, "127.5").tiers] == list(range(128))
    assert rate_one({**price, "model": "volume"}, "127.5").amount == Decimal("127.5") * 128
