"""Prices are constructed whole or not at all, and every mistake is named at its place."""

import json
import pickle
from decimal import Decimal

import pytest

from fields import FieldsError
from rating import Cell, Model, Price, Rounding, Tier

PER_UNIT = {"currency": "USD", "model": "per_unit", "unit_amount": "0.1"}
TIERS = [{"up_to": "100", "unit_amount": "2"}, {"up_to": None, "unit_amount": "1", "flat_amount": "5"}]


def problems_of(fields) -> dict[tuple, str]:
    """The problems of fields that make no price, by path."""
    with pytest.raises(FieldsError) as caught:
        Price.read(fields)
    assert len({problem.path for problem in caught.value.problems}) == len(caught.value.problems)
    return {problem.path: problem.message for problem in caught.value.problems}


EVERY_MODEL = {
    "flat": {"flat_amount": "10", "timing": "in_advance"},
    "per_unit": {"unit_amount": "0.000000000001", "free_units": "3"},
    "graduated": {"tiers": TIERS, "boundary": "lower_inclusive"},
    "volume": {"tiers": TIERS, "block_size": "10", "block_rounding": "down", "block_scope": "total"},
    "package": {"package_size": "7", "package_amount": "3", "package_rounding": "nearest"},
    "percentage": {"percent": "1.3", "fixed_amount_per_event": "2", "free_events": "3", "free_amount": "9"},
    "graduated_percentage": {"tiers": [{"up_to": None, "percent": "2.5"}]},
    "dynamic": {"multiplier": "1.5"},
    "matrix": {
        "dimensions": ["region", "size"],
        "cells": [{"match": {"size": "s", "region": "eu"}, "unit_amount": "1"}],
        "default": "2",
    },
    "overage": {"unit_amount": "1", "included_units": "100"},
    "stairstep": {"tiers": [{"up_to": "5", "flat_amount": "1"}, {"flat_amount": "2"}]},
    "capacity": {
        "tiers": [
            {"up_to": {"seats": "5", "gb": "9"}, "flat_amount": "1"},
            {"up_to": None, "flat_amount": "2"},
        ]
    },
}
COMMON = {
    "percent_off": "12.5",
    "amount_off": "1",
    "maximum_amount": "1000",
    "minimum_amount": "10",
    "rounding": {"mode": "half_even", "scope": "tier", "digits": "3"},
}


@pytest.mark.parametrize("model", list(Model))
def test_every_model_reads_writes_and_reads_again(model):
    """The canonical fields are JSON, hold decimals as text, and make an equal price with the same fields."""
    price = Price.read({"currency": "EUR", "model": str(model), **EVERY_MODEL[model], **COMMON})
    fields = price.to_fields()
    again = Price.read(json.loads(json.dumps(fields)))
    assert again == price
    assert again.to_fields() == fields


def test_a_unit_conversion_survives_the_round_trip():
    """Bytes to gibibytes, rounded up to two digits."""
    conversion = {"divisor": "1073741824", "rounding": {"mode": "up", "digits": 2}}
    price = Price.read({**PER_UNIT, "conversion": conversion})
    assert price.to_fields()["conversion"] == conversion
    assert Price.read(price.to_fields()) == price


def test_equal_prices_have_equal_fields_however_they_are_written():
    """1.50, 15e-1 and a Decimal are one amount."""
    spelt = [Price.read({**PER_UNIT, "unit_amount": amount}) for amount in ("1.50", "15e-1", Decimal("1.5"))]
    assert {json.dumps(price.to_fields()) for price in spelt} == {json.dumps(spelt[0].to_fields())}
    assert spelt[0].to_fields()["unit_amount"] == "1.5"


def test_all_mistakes_come_at_once():
    """A schedule out of order, a float, a stranger, a field of another model, a closed end: five at once."""
    tiers = [
        {"up_to": "100", "unit_amount": "1"},
        {"up_to": "50", "unit_amount": 0.5},
        {"up_to": "70", "unit_amount": "1"},
    ]
    found = problems_of(
        {"currency": "USD", "model": "graduated", "tiers": tiers, "colour": "red", "package_size": "3"}
    )
    assert set(found) == {
        ("tiers", 1, "unit_amount"),
        ("tiers", 1, "up_to"),
        ("tiers", 2, "up_to"),
        ("colour",),
        ("package_size",),
    }
    assert found["tiers", 1, "up_to"] == "must be greater than the tier before (100), is 50"
    assert "float" in found["tiers", 1, "unit_amount"]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"currency": None}, ("currency",), "missing"),
        ({"currency": "DOLLAR"}, ("currency",), "ISO 4217"),
        ({"currency": "XAU"}, ("currency",), "no minor unit"),
        ({"model": None}, ("model",), "missing"),
        ({"model": "per-unit"}, ("model",), "one of flat"),
        ({"unit_amount": None}, ("unit_amount",), "missing"),
        ({"unit_amount": "-1"}, ("unit_amount",), "0 or more"),
        ({"unit_amount": "NaN"}, ("unit_amount",), "decimal"),
        ({"unit_amount": "1_000"}, ("unit_amount",), "decimal"),
        ({"unit_amount": True}, ("unit_amount",), "decimal"),
        ({"unit_amount": "0." + "0" * 18 + "1"}, ("unit_amount",), "18 after the point"),
        ({"unit_amount": "1" + "0" * 26}, ("unit_amount",), "26 digits before"),
        ({"unit_amount": "1e999"}, ("unit_amount",), "26 digits before"),
        ({"percent_off": "101"}, ("percent_off",), "at most 100"),
        ({"minimum_amount": "5", "maximum_amount": "3"}, ("maximum_amount",), "below minimum_amount"),
        ({"rounding": {"mode": "half_down"}}, ("rounding", "mode"), "half_up"),
        ({"rounding": {"digits": "13"}}, ("rounding", "digits"), "0 to 12"),
        ({"rounding": "up"}, ("rounding",), "mapping"),
        (
            {"rounding": {"color": "1"}},
            ("rounding", "color"),
            "is not a field of a rounding: it has mode, scope",
        ),
        ({"conversion": {"divisor": "3"}}, ("conversion", "rounding"), "no end"),
        ({"conversion": {"factor": "0"}}, ("conversion", "factor"), "more than 0"),
        (
            {"conversion": {"factor": "1", "divisor": "1", "rounding": {"mode": "up", "digits": "1"}}},
            ("conversion",),
            "either",
        ),
        ({"conversion": {"factor": "1", "rounding": {"mode": "up"}}}, ("conversion", "rounding"), "both"),
        ({"block_size": "5"}, ("block_size",), "not taken by a per_unit price"),
        ({"tiers": TIERS}, ("tiers",), "not taken by a per_unit price"),
    ],
)
def test_a_mistake_is_named_at_its_place(change, path, words):
    """One wrong field: one problem, with its path and what to do."""
    found = problems_of({**PER_UNIT, **change})
    assert list(found) == [path]
    assert words in found[path]


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"model": "graduated", "tiers": []}, ("tiers",), "1 to 128"),
        ({"model": "graduated", "tiers": "cheap"}, ("tiers",), "list"),
        (
            {"model": "graduated", "tiers": [{"up_to": None}]},
            ("tiers", 0),
            "needs unit_amount or flat_amount",
        ),
        ({"model": "graduated", "tiers": [*TIERS[:1]]}, ("tiers", 0, "up_to"), "last tier has no end"),
        ({"model": "volume", "tiers": [TIERS[1], TIERS[1]]}, ("tiers", 0, "up_to"), "only the last"),
        (
            {"model": "volume", "tiers": [{"up_to": "0", "unit_amount": "1"}, TIERS[1]]},
            ("tiers", 0, "up_to"),
            "more than 0",
        ),
        (
            {"model": "stairstep", "tiers": TIERS[1:]},
            ("tiers", 0, "unit_amount"),
            "not taken by a tier of a stairstep",
        ),
        ({"model": "graduated_percentage", "tiers": [{"flat_amount": "1"}]}, ("tiers", 0), "needs percent"),
        (
            {"model": "volume", "block_size": "30", "tiers": TIERS},
            ("tiers", 0, "up_to"),
            "whole blocks of 30",
        ),
        ({"model": "volume", "block_scope": "tier", "tiers": TIERS}, ("block_scope",), "needs block_size"),
        ({"model": "package", "package_size": "0", "package_amount": "1"}, ("package_size",), "more than 0"),
        ({"model": "percentage", "percent": "1", "free_events": "1.5"}, ("free_events",), "whole number"),
        (
            {"model": "percentage", "percent": "1", "fixed_amount_per_event": "1", "free_units": "5"},
            ("free_units",),
            "event by event",
        ),
        (
            {"model": "capacity", "tiers": [{"up_to": "5", "flat_amount": "1"}, {"flat_amount": "2"}]},
            ("tiers", 0, "up_to"),
            "bound for each unit",
        ),
        (
            {
                "model": "capacity",
                "tiers": [
                    {"up_to": {"seats": "5"}, "flat_amount": "1"},
                    {"up_to": {"seats": "4"}, "flat_amount": "1"},
                    {"flat_amount": "2"},
                ],
            },
            ("tiers", 1, "up_to", "seats"),
            "greater than the tier before (5)",
        ),
    ],
)
def test_a_broken_schedule_is_refused(fields, path, words):
    """A schedule that leaves a quantity without a price, or with two, is never constructed."""
    found = problems_of({"currency": "USD", **fields})
    assert words in found[path]


def cell(region: str, size: str, amount: str = "1") -> dict:
    """One cell of a two-dimensional matrix."""
    return {"match": {"region": region, "size": size}, "unit_amount": amount}


def matrix(*cells, **more) -> dict:
    """The fields of a matrix price."""
    return {
        "currency": "USD",
        "model": "matrix",
        "dimensions": ["region", "size"],
        "cells": list(cells),
        **more,
    }


def test_a_matrix_with_gaps_needs_a_default():
    """The gaps are named; with a default the same cells make a price."""
    cells = [cell("eu", "s"), cell("us", "l")]
    message = problems_of(matrix(*cells))["cells",]
    assert "2 combination(s)" in message
    assert "region=eu, size=l" in message
    assert Price.read(matrix(*cells, default="0")).default == 0


def test_a_matrix_spans_a_bounded_table():
    """A thousand values on each of two axes, with a default for all but a thousand cells, is one too many."""
    cells = [cell(f"region {place}", f"size {place}") for place in range(1000)]
    assert "1002001 combinations" in problems_of(matrix(*cells, default="1"))["cells",]
    assert len(Price.read(matrix(*cells[:999], default="1")).cells) == 999


def test_a_matrix_cell_is_priced_once_and_names_every_dimension():
    """A repeated cell, a missing dimension, a stranger and a bad amount are each named."""
    broken = {"match": {"region": "eu"}, "unit_amount": "1"}
    found = problems_of(
        matrix(cell("eu", "s"), cell("eu", "s"), broken, cell("eu", "l", "-1"), {"match": {}})
    )
    assert "repeats cell 0" in found["cells", 1, "match"]
    assert "region, size" in found["cells", 2, "match"]
    assert "0 or more" in found["cells", 3, "unit_amount"]
    assert "missing" in found["cells", 4, "unit_amount"]


@pytest.mark.parametrize(
    "fields",
    [
        {"unit_amount": 0.5},
        {"unit_amount": Decimal("NaN")},
        {"unit_amount": Decimal(-1)},
        {},
        {"unit_amount": Decimal(1), "tiers": (Tier(),)},
        {"unit_amount": Decimal(1), "rounding": None},
        {"unit_amount": Decimal(1), "model": "per_unit"},
        {"model": Model.GRADUATED, "tiers": [Tier(unit_amount=Decimal(1))]},
        {"model": Model.CAPACITY, "tiers": (Tier(up_to=Decimal(5), flat_amount=Decimal(1)),)},
    ],
)
def test_the_constructor_refuses_what_reading_refuses(fields):
    """There is no way around the checks."""
    with pytest.raises(FieldsError):
        Price(**{"currency": "USD", "model": Model.PER_UNIT, **fields})


@pytest.mark.parametrize(
    ("part", "fields", "place"),
    [
        (Rounding, {"digits": -1}, "digits"),
        (Tier, {"up_to": "5", "unit_amount": Decimal(1)}, "up_to"),
        (Tier, {"up_to": (("seats", Decimal(0)),), "flat_amount": Decimal(1)}, "up_to"),
        (Cell, {"match": (("a", "x"),), "unit_amount": None}, "unit_amount"),
        (Cell, {"match": "a", "unit_amount": Decimal(1)}, "match"),
    ],
)
def test_a_part_of_a_price_is_refused_by_itself(part, fields, place):
    """It needs no price around it to be wrong."""
    with pytest.raises(FieldsError) as caught:
        part(**fields)
    assert [problem.path[0] for problem in caught.value.problems] == [place]


def test_a_price_does_not_change():
    """Frozen: a rated line can point to it for ever."""
    price = Price.read(PER_UNIT)
    with pytest.raises(AttributeError):
        price.unit_amount = Decimal(0)


def test_equal_prices_are_one_key_also_after_a_journey():
    """The hash follows the values, and a pickled price takes none along to another process."""
    price, same = Price.read(PER_UNIT), Price.read({**PER_UNIT, "unit_amount": "0.10"})
    assert hash(price) == hash(same)
    arrived = pickle.loads(pickle.dumps(price))
    assert "_hash" not in vars(arrived)
    assert arrived == price
    assert {price: "kept"}[arrived] == "kept"


@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4)])
def test_a_price_knows_the_minor_unit_of_its_currency(currency, digits):
    """By ISO 4217, unless the rounding names its own digits."""
    assert Price.read({**PER_UNIT, "currency": currency}).digits == digits
    assert Price.read({**PER_UNIT, "currency": currency, "rounding": {"digits": "1"}}).digits == 1


def test_gold_can_be_priced_when_its_digits_are_named():
    """XAU has no minor unit in ISO 4217."""
    assert Price.read({**PER_UNIT, "currency": "XAU", "rounding": {"digits": "6"}}).digits == 6
