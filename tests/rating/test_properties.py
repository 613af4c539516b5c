"""Laws that every rated line keeps, whatever the price: examples by hypothesis, which prints how to repeat one."""

import json
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from rating import DecimalColumn, Price, RoundingMode, rate
from rating.numbers.allocate import allocate
from tests.support.rating.oracle_bridge import charges_of, fractions
from tests.support.rating.oracle_charges import edge_quantities, random_charge
from tests.support.rating.oracle_formula import mistakes
from tests.support.rating.oracle_numbers import ZERO, allocated, rounded
from tests.support.rating.oracle_random import EXACT, MODELS, REACHES, random_price, reach_of, text

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
def priced(draw, models=tuple(MODELS), charges_max=6, parts=True, counters=True, carries=False):
    """(the fields of a price, charges for it), by the generator that the oracle uses."""
    dice: Random = draw(st.randoms(use_true_random=False))
    reach = reach_of(draw(st.sampled_from(REACHES)), dice)
    price = random_price(dice, reach, draw(st.sampled_from(models)))
    edges = list(edge_quantities(price))
    count = draw(st.integers(1, charges_max))
    charges = [
        random_charge(dice, reach, price, edges, parts=parts, counters=counters, carries=carries)
        for _ in range(count)
    ]
    return price, charges


def lines_of(price, charges):
    return rate(charges_of([price], [0] * len(charges), charges))


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


def written(value: Fraction) -> str:
    """A fraction that is a decimal, as text."""
    return text(Decimal(int(value * 10**40)).scaleb(-40, EXACT).normalize(EXACT))


@given(priced() | priced(counters=False, carries=True))
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


@given(priced() | priced(counters=False, carries=True))
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
    """`Price.read(price.to_fields()) == price`, and its canonical fields are stable."""
    price = Price.read(case[0])
    assert Price.read(price.to_fields()) == price
    assert Price.read(price.to_fields()).to_fields() == price.to_fields()
    assert json.loads(json.dumps(price.to_fields())) == price.to_fields()


NEAR_64_BITS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.builds(
        lambda power, off, sign: sign * (2**power + off),
        st.integers(30, 64),
        st.integers(-2, 2),
        st.sampled_from((1, -1)),
    ),
    st.integers(-(10**38), 10**38),
)
COLUMNS = st.lists(st.tuples(NEAR_64_BITS, NEAR_64_BITS), min_size=1, max_size=6)


@given(COLUMNS, st.integers(0, 12), st.integers(0, 12))
def test_arithmetic_of_columns_is_exact_on_both_sides_of_64_bits(pairs, scale_left, scale_right):
    """Add, subtract, multiply, compare and sum against fractions; nothing wraps."""
    left = DecimalColumn.of_ints([pair[0] for pair in pairs], scale_left)
    right = DecimalColumn.of_ints([pair[1] for pair in pairs], scale_right)
    both = [(Fraction(a, 10**scale_left), Fraction(b, 10**scale_right)) for a, b in pairs]
    assert fractions(left.add(right)) == [a + b for a, b in both]
    assert fractions(left.subtract(right)) == [a - b for a, b in both]
    assert fractions(left.multiply(right)) == [a * b for a, b in both]
    assert left.compare(right).tolist() == [(a > b) - (a < b) for a, b in both]
    group = np.arange(len(pairs)) % 2
    sums = [
        sum((a for (a, _), own in zip(both, group, strict=True) if own == number), ZERO)
        for number in range(2)
    ]
    assert fractions(left.sum_by_group(group, 2)) == sums


@given(
    st.lists(NEAR_64_BITS, min_size=1, max_size=6),
    st.integers(0, 12),
    st.integers(0, 14),
    st.sampled_from(RoundingMode),
)
def test_a_column_rounds_as_the_oracle_does_on_both_sides_of_64_bits(mantissas, scale, digits, mode):
    """Every mode, to fewer and to more digits than there are."""
    column = DecimalColumn.of_ints(mantissas, scale)
    expected = [rounded(Fraction(mantissa, 10**scale), digits, mode) for mantissa in mantissas]
    assert fractions(column.round(digits, mode)) == expected


@given(NEAR_64_BITS, st.lists(st.integers(0, 10**20), min_size=1, max_size=6).filter(any))
def test_an_allocation_adds_up_and_goes_by_the_largest_remainder(total, weights):
    """The shares are the oracle's, and add up to the total, refunds too."""
    one = np.zeros(len(weights), dtype=np.int64)
    shares = fractions(allocate(DecimalColumn.of_ints([total]), DecimalColumn.of_ints(weights), one))
    assert sum(shares, ZERO) == total
    assert shares == allocated(Fraction(total), list(map(Fraction, weights)), 0)
