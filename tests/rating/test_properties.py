"""Laws that every rated line keeps, whatever the price: examples by hypothesis, which prints how to repeat one."""

import json
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle_bridge import charges_of
from oracle_charges import edge_quantities, random_charge
from oracle_formula import mistakes
from oracle_numbers import ZERO, rounded
from oracle_random import EXACT, MODELS, REACHES, random_price, reach_of, text

from rating import PriceError, RatingError, rate, read_price

COUNTED = (
    "flat",
    "per_unit",
    "graduated",
    "volume",
    "package",
    "graduated_percentage",
    "dynamic",
    "overage",
    "stairstep",
)


@st.composite
def priced(draw, models=tuple(MODELS), charges_max=6, parts=True, counters=True):
    """(the fields of a price, charges for it), by the generator that the oracle uses."""
    dice: Random = draw(st.randoms(use_true_random=False))
    reach = reach_of(draw(st.sampled_from(REACHES)), dice)
    price = random_price(dice, reach, draw(st.sampled_from(models)))
    edges = list(edge_quantities(price))
    count = draw(st.integers(1, charges_max))
    charges = [random_charge(dice, reach, price, edges, parts=parts, counters=counters) for _ in range(count)]
    return price, charges


def lines_of(price, charges):
    return rate(charges_of([price], [0] * len(charges), charges))


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


def written(value: Fraction) -> str:
    """A fraction that is a decimal, as text."""
    return text(Decimal(int(value * 10**40)).scaleb(-40, EXACT).normalize(EXACT))


@given(priced())
def test_the_tiers_of_a_line_add_up_to_its_price_stage(case):
    """The sum of the tiers' amounts is the first stage, to the last digit."""
    lines = lines_of(*case)
    for row in range(len(lines)):
        line = lines.line(row)
        assert sum((exact(tier.amount) for tier in line.tiers), ZERO) == exact(line.stages[0][1])


@given(priced(models=("graduated", "graduated_percentage"), counters=False))
def test_the_tiers_of_a_graduated_line_share_out_its_whole_quantity(case):
    """Without blocks the units inside the tiers add up to the billable quantity, each within its tier's bounds."""
    price, charges = case
    price = {name: value for name, value in price.items() if not name.startswith("block")}
    lines = lines_of(price, charges)
    for row in range(len(lines)):
        line = lines.line(row)
        assert sum((exact(tier.quantity) for tier in line.tiers), ZERO) == exact(line.billable_quantity)
        for tier in line.tiers:
            assert tier.quantity >= 0
            assert tier.up_to is None or exact(tier.quantity) <= exact(tier.up_to) - exact(tier.from_quantity)


@given(priced())
def test_a_charge_is_rated_alone_as_it_is_among_others(case):
    """One by one equals all at once, line by line, with working and formula, to the same bytes."""
    price, charges = case
    together = lines_of(price, charges)
    for row, charge in enumerate(charges):
        assert repr(lines_of(price, [charge]).line(0)) == repr(together.line(row))


@given(st.lists(priced(charges_max=3), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_charges_changes_no_line(cases, dice):
    """A shuffled batch of several prices gives the same lines in the shuffled order."""
    prices = [price for price, _ in cases]
    rows = [(index, charge) for index, (_, charges) in enumerate(cases) for charge in charges]
    shuffled = dice.sample(range(len(rows)), len(rows))
    straight = rate(charges_of(prices, *zip(*rows, strict=True)))
    mixed = rate(charges_of(prices, *zip(*(rows[row] for row in shuffled), strict=True)))
    for place, row in enumerate(shuffled):
        assert repr(mixed.line(place)) == repr(straight.line(row))


@given(priced(models=COUNTED, charges_max=5, parts=False, counters=False))
def test_the_parts_of_a_period_add_up_to_the_whole(case):
    """Billed as it grows, or shrinks, a period comes to what it comes to at once; the minimum counts at its end."""
    price, charges = case
    booked = ZERO
    for part, charge in enumerate(charges, start=1):
        line = lines_of(price, [{**charge, "booked": written(booked), "final": part == len(charges)}]).line(0)
        booked += exact(line.amount)
    assert booked == exact(lines_of(price, [charges[-1]]).line(0).amount)


@given(priced(models=("graduated", "volume", "stairstep", "package"), parts=False, counters=False))
def test_what_a_counter_on_another_clock_charges_adds_up_to_the_price_of_all_it_counted(case):
    """Invoices of a year on one annual counter: their price stages add up to that of the year, flat amounts once."""
    price, charges = case
    price = {name: value for name, value in price.items() if name not in {"free_units", "conversion"}}
    counted, charged = ZERO, ZERO
    for number, charge in enumerate(charges):
        counter = {"consumed_before": written(counted), "counter_started": number > 0}
        line = lines_of(price, [{**charge, **counter}]).line(0)
        charged += exact(line.stages[0][1])
        counted += exact(line.billable_quantity)
    year = lines_of(price, [{"quantity": written(counted)}]).line(0)
    assert charged == exact(year.stages[0][1])


ROUNDED_TIERS = {
    "currency": "USD",
    "model": "graduated",
    "tiers": [{"up_to": None, "unit_amount": "0.005"}],
    "rounding": {"scope": "tier"},
}
RUNNING = {"quantity": "1", "consumed_before": "1", "counter_started": True}


@given(priced())
@example((ROUNDED_TIERS, [RUNNING]))
def test_a_formula_read_back_holds_in_every_equation(case):
    """Terms, stages, rounding and what is booked, recomputed from the formula's text alone."""
    lines = lines_of(*case)
    for row in range(len(lines)):
        line = lines.line(row)
        assert not list(mistakes(line.formula, line.digits, line.rounding.mode)), line.formula


@given(priced())
def test_a_line_is_rounded_once_by_the_mode_and_to_the_digits_that_it_names(case):
    """Amount and exact amount differ by one named rounding and by what is booked."""
    lines = lines_of(*case)
    for row in range(len(lines)):
        line = lines.line(row)
        settled = rounded(exact(line.exact_amount), line.digits, line.rounding.mode)
        assert exact(line.amount) == settled - exact(line.booked)


@given(priced())
def test_a_price_written_as_fields_reads_back_equal(case):
    """`read_price(price.to_fields()) == price`, and its canonical fields are stable."""
    price = read_price(case[0])
    assert read_price(price.to_fields()) == price
    assert read_price(price.to_fields()).to_fields() == price.to_fields()
    assert json.loads(json.dumps(price.to_fields())) == price.to_fields()


TWO_TIERS = [{"up_to": "100", "unit_amount": "0.02"}, {"up_to": None, "unit_amount": "0.01"}]
PER_UNIT = {"currency": "USD", "model": "per_unit", "unit_amount": "1"}
GRADUATED = {"currency": "USD", "model": "graduated", "tiers": TWO_TIERS}
PACKAGE = {"currency": "USD", "model": "package", "package_size": "10", "package_amount": "1"}
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
    with pytest.raises(PriceError) as refused:
        read_price(fields)
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
    with pytest.raises(PriceError) as refused:
        read_price(fields)
    paths = {problem.path for problem in refused.value.problems}
    assert {("currency",), ("tiers", 1, "up_to"), ("percent_off",), ("colour",)} <= paths


def test_a_matrix_cell_without_a_match_is_an_error_that_names_the_dimensions():
    """Never free: the error names what no cell has."""
    price = {**MATRIX, "cells": cells(("eu", "hot"), ("eu", "cold"))}
    with pytest.raises(RatingError, match=r"(?s)region.*us.*class.*hot|class.*hot.*region.*us"):
        lines_of(price, [{"quantity": "1", "dimensions": {"region": "us", "class": "hot"}}])
