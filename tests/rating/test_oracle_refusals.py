"""Prices that could be misread: none can be constructed, and the refusal leads to the field at fault."""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fields import FieldsError
from rating import Price, RatingError, Tier, rate
from tests.support.rating.oracle_bridge import charges_of
from tests.support.rating.oracle_random import REACHES, random_price, reach_of

TWO_TIERS = [{"up_to": "100", "unit_amount": "0.02"}, {"up_to": None, "unit_amount": "0.01"}]
PER_UNIT = {"currency": "USD", "model": "per_unit", "unit_amount": "1"}
GRADUATED = {"currency": "USD", "model": "graduated", "tiers": TWO_TIERS}
PACKAGE = {"currency": "USD", "model": "package", "package_size": "10", "package_amount": "1"}
CAPACITY = {"currency": "USD", "model": "capacity"}
MATRIX = {"currency": "USD", "model": "matrix", "dimensions": ["region", "class"]}


def tiers(*ends):
    return [{"up_to": end, "unit_amount": "1"} for end in ends]


def cells(*pairs):
    return [{"match": {"region": region, "class": kind}, "unit_amount": "1"} for region, kind in pairs]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({**GRADUATED, "tiers": tiers("100", "100", None)}, ("tiers", 1, "up_to")),
        ({**GRADUATED, "tiers": tiers("100", "50", None)}, ("tiers", 1, "up_to")),
        ({**GRADUATED, "tiers": tiers("100", "200")}, ("tiers", 1, "up_to")),
        ({**GRADUATED, "tiers": tiers(None, None)}, ("tiers", 0, "up_to")),
        ({**GRADUATED, "tiers": tiers("-5", None)}, ("tiers", 0, "up_to")),
        ({**GRADUATED, "tiers": []}, ("tiers",)),
        ({"currency": "USD", "model": "graduated"}, ("tiers",)),
        ({**PACKAGE, "package_size": "-10"}, ("package_size",)),
        ({**PACKAGE, "package_size": "0"}, ("package_size",)),
        ({**PER_UNIT, "currency": "ABC"}, ("currency",)),
        ({**PER_UNIT, "currency": "ABC", "rounding": {"digits": "2"}}, ("currency",)),
        ({"model": "per_unit", "unit_amount": "1"}, ("currency",)),
        ({**PER_UNIT, "model": "per_unti"}, ("model",)),
        ({**PER_UNIT, "rounding": [{"mode": "up"}, {"mode": "down"}]}, ("rounding",)),
        ({**PER_UNIT, "rounding": {"mode": "up", "rounding_mode": "down"}}, ("rounding", "rounding_mode")),
        ({**PER_UNIT, "rounding": {"mode": ["up", "down"]}}, ("rounding", "mode")),
        ({**MATRIX, "cells": cells(("eu", "hot"), ("us", "cold"))}, ("cells",)),
        ({**MATRIX, "cells": cells(("eu", "hot"), ("eu", "hot"))}, ("cells", 1)),
        ({**MATRIX, "cells": [{"match": {"region": "eu"}, "unit_amount": "1"}]}, ("cells", 0, "match")),
        ({**MATRIX, "dimensions": [[], "class"], "cells": cells(("eu", "hot"))}, ("dimensions",)),
        ({**CAPACITY, "tiers": [{"up_to": {}, "flat_amount": "1"}]}, ("tiers",)),
        ({**GRADUATED, "tiers": tiers("1e400", None), "block_size": "1"}, ("tiers", 0, "up_to")),
        ({**PER_UNIT, "unit_amount": 0.1}, ("unit_amount",)),
        ({**PER_UNIT, "unit_amount": "NaN"}, ("unit_amount",)),
        ({**PER_UNIT, "unit_amount": "Infinity"}, ("unit_amount",)),
        ({**PER_UNIT, "unit_amount": True}, ("unit_amount",)),
        ({**PER_UNIT, "unit_amount": "one"}, ("unit_amount",)),
        ({**PER_UNIT, "unit_amout": "1"}, ("unit_amout",)),
        ({**PER_UNIT, "tiers": TWO_TIERS}, ("tiers",)),
        ({**PER_UNIT, "percent_off": "101"}, ("percent_off",)),
        ({**PER_UNIT, "minimum_amount": "5", "maximum_amount": "4"}, ("maximum_amount",)),
        ({**PER_UNIT, "boundary": "inclusive"}, ("boundary",)),
        ({**PER_UNIT, "conversion": {"divisor": "3"}}, ("conversion", "rounding")),
        ({**PER_UNIT, "conversion": {"factor": "0"}}, ("conversion", "factor")),
    ],
)
def test_a_price_that_could_be_misread_is_refused_and_the_field_is_named(fields, path):
    """No such price can be constructed; the problem's path leads to the field at fault."""
    with pytest.raises(FieldsError) as refused:
        Price.read(fields)
    assert path in [problem.path[: len(path)] for problem in refused.value.problems]


def test_all_mistakes_of_a_price_are_told_at_once():
    """Four mistakes in four places, each with its path."""
    fields = {
        **GRADUATED,
        "currency": "ABC",
        "tiers": tiers("100", "50"),
        "percent_off": "200",
        "colour": "red",
    }
    with pytest.raises(FieldsError) as refused:
        Price.read(fields)
    paths = {problem.path for problem in refused.value.problems}
    assert {("currency",), ("tiers", 1, "up_to"), ("percent_off",), ("colour",)} <= paths


def test_a_matrix_cell_without_a_match_is_an_error_that_names_the_dimensions():
    """Never free: the error names what no cell has."""
    price = {**MATRIX, "cells": cells(("eu", "hot"), ("eu", "cold"))}
    with pytest.raises(RatingError, match=r"(?s)region.*us.*class.*hot|class.*hot.*region.*us"):
        rate(charges_of([price], [0], [{"quantity": "1", "dimensions": {"region": "us", "class": "hot"}}]))


@pytest.mark.parametrize(
    "change",
    [
        {"tiers": (Tier(up_to=Decimal(5), unit_amount=Decimal(1)),)},
        {"tiers": ()},
        {"currency": "ABC"},
        {"unit_amount": Decimal(1)},
        {"percent_off": Decimal(-1)},
        {"maximum_amount": Decimal("NaN")},
    ],
)
def test_no_road_around_the_reader_leads_to_a_broken_price(change):
    """The constructor refuses what the reader refuses, and a price can't be changed afterwards."""
    price = Price.read(GRADUATED)
    with pytest.raises(FieldsError):
        dataclasses.replace(price, **change)
    with pytest.raises(dataclasses.FrozenInstanceError):
        price.currency = "EUR"


JUNK_TEXTS = (
    "",
    " ",
    "abc",
    "-1",
    "0",
    "1e400",
    "1E-40",
    "9" * 40,
    "NaN",
    "-Infinity",
    "\uff11",
    "1_000",
    "0x10",
)
JUNK_VALUES = (
    None,
    -1,
    0,
    1.5,
    True,
    b"1",
    object(),
    ("1",),
    [],
    [[]],
    [None],
    {},
    {None: None},
    {"up_to": "x"},
)
JUNK = st.sampled_from((*JUNK_TEXTS, *JUNK_VALUES))


@given(st.randoms(use_true_random=False), st.sampled_from(REACHES), JUNK)
def test_a_field_with_anything_in_it_is_read_or_refused_and_never_breaks_the_reader(dice, reach, junk):
    """One place of a valid price is replaced by junk: the price is refused, or it is one that reads back equal."""
    fields = random_price(dice, reach_of(reach, dice))
    place = fields
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = dice.choice(keys)
        if not isinstance(place[key], dict | list) or not place[key] or dice.random() < 0.3:
            break
        place = place[key]
    place[key] = junk
    try:
        price = Price.read(fields)
    except FieldsError as refused:
        assert refused.problems  # noqa: PT017 - both outcomes are right, and each is checked
    else:
        assert Price.read(price.to_fields()) == price
