"""Where int64 ends: the stated bound covers every intermediate, and both sides of it are exact."""

from fractions import Fraction

import numpy as np
import pytest

from rating import Charges, DecimalColumn, EventAmounts, Price, rate
from rating.kernels.plan import compile_plan
from rating.kernels.profile import analysed, scales_of
from rating.kernels.stages import Inputs, run_stages
from rating.numbers.decimals import NARROW_MAX, objects

GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "1000", "unit_amount": "0.0125", "flat_amount": "3"},
        {"up_to": "250000.5", "unit_amount": "0.0075"},
        {"up_to": None, "unit_amount": "0.001", "flat_amount": "0.5"},
    ],
}
STAGES = {"percent_off": "12.5", "amount_off": "0.25", "maximum_amount": "1e20", "minimum_amount": "1"}
PRICES = {
    "per_unit": {"model": "per_unit", "unit_amount": "0.000000000007"},
    "per_unit whole": {"model": "per_unit", "unit_amount": "3"},
    "flat": {"model": "flat", "flat_amount": "5"},
    "graduated": GRADUATED,
    "graduated in every stage": {**GRADUATED, **STAGES, "free_units": "0.125"},
    "graduated by tier": {**GRADUATED, "rounding": {"scope": "tier", "mode": "half_even"}},
    "graduated in blocks": {
        **GRADUATED,
        "block_size": "7",
        "block_scope": "tier",
        "block_rounding": "nearest",
    },
    "volume": {**GRADUATED, "model": "volume", "boundary": "lower_inclusive"},
    "package": {"model": "package", "package_size": "0.3", "package_amount": "0.07"},
    "converted": {
        "model": "per_unit",
        "unit_amount": "0.01",
        "conversion": {"divisor": "7", "rounding": {"mode": "half_up", "digits": 6}},
    },
    "multiplied": {"model": "per_unit", "unit_amount": "0.01", "conversion": {"factor": "1.000000000001"}},
    "rounded to 12 digits": {"model": "per_unit", "unit_amount": "2", "rounding": {"digits": "12"}},
    "rounded up": {**GRADUATED, **STAGES, "rounding": {"mode": "up"}},
}


def plan_of(fields, scale):
    """The plan of one price for quantities of a scale."""
    price = Price.read({"currency": "USD", **fields})
    profile = analysed(price)[0].profile
    return compile_plan(profile, scales_of(profile, scale), (price,))


class Watched(int):
    """A Python int that remembers the largest magnitude any arithmetic on it gave."""

    largest = 0


def _watch(name):
    plain = getattr(int, name)

    def operation(self, other):
        result = plain(self, int(other))
        Watched.largest = max(Watched.largest, abs(result))
        return Watched(result)

    return operation


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "floordiv", "rfloordiv", "mod", "rmod"):
    setattr(Watched, f"__{_name}__", _watch(f"__{_name}__"))


@pytest.mark.parametrize("scale", [0, 3])
@pytest.mark.parametrize("name", list(PRICES))
def test_the_stated_bound_covers_every_intermediate(name, scale):
    """Whatever the kernels compute on the way stays within what the plan foretells for the largest quantity."""
    plan = plan_of(PRICES[name], scale)
    bounds = sorted({int(value) + step for value in plan.wide.upper.flat for step in (-1, 0, 1)})
    for top in (*bounds, 10**6, 10**12, max(plan.narrow_max(), 0), 10**38):
        Watched.largest = 0
        column = objects([top])
        column[0] = Watched(top)
        run_stages(plan, plan.wide, Inputs(column))
        assert 0 < Watched.largest <= plan.magnitude_max(top)


@pytest.mark.parametrize("name", list(PRICES))
def test_the_bound_is_where_the_foretold_magnitude_leaves_int64(name):
    """The largest quantity that fits fits, and the next one doesn't."""
    plan = plan_of(PRICES[name], 3)
    bound = plan.narrow_max()
    assert plan.magnitude_max(bound) <= NARROW_MAX < plan.magnitude_max(bound + 1)


@pytest.mark.parametrize("scale", [0, 3])
@pytest.mark.parametrize("name", list(PRICES))
def test_both_paths_give_the_same_lines_at_the_bound(name, scale):
    """Right at the bound int64 serves, one past it Python ints do; each agrees with the other path."""
    plan = plan_of(PRICES[name], scale)
    bound = plan.narrow_max()
    quantities = [bound - 1, bound, 0, 1, 999, 10**6]
    narrow = run_stages(plan, plan.narrow, Inputs(np.array(quantities, dtype=np.int64)), record=True)
    wide = run_stages(plan, plan.wide, Inputs(objects(quantities)), record=True)
    assert narrow.amount.mantissa.dtype == np.int64
    assert narrow.amount.to_decimals() == wide.amount.to_decimals()
    for stage, column in narrow.stages.items():
        assert column.to_decimals() == wide.stages[stage].to_decimals()


def rated(fields, mantissas, scale):
    """The lines of quantities given as mantissas."""
    price = Price.read({"currency": "USD", **fields})
    index = np.zeros(len(mantissas), dtype=np.int64)
    return rate(Charges(prices=[price], price_index=index, quantity=DecimalColumn.of_ints(mantissas, scale)))


@pytest.mark.parametrize("past", [-1, 0, 1])
def test_charges_take_the_path_that_the_bound_tells(past):
    """One odd mantissa near the bound decides its own path and no other charge's."""
    bound = plan_of(GRADUATED, 3).narrow_max()
    lines = rated(GRADUATED, [1001, bound + past, 2001], 3)
    paths = {segment.inputs.measured.dtype.kind for segment in lines.segments}
    assert paths == ({"i", "O"} if past > 0 else {"i"})
    quantity = Fraction(bound + past, 1000)
    exact = 3 + 1000 * Fraction("0.0125") + Fraction("249000.5") * Fraction("0.0075")
    exact += Fraction("0.5") + (quantity - Fraction("250000.5")) * Fraction("0.001")
    assert Fraction(lines.line(1).exact_amount) == exact
    assert Fraction(lines.exact_amount.decimal(1)) == exact
    assert Fraction(lines.line(0).exact_amount) == 3 + Fraction("1.001") * Fraction("0.0125")


def test_quantities_of_38_digits_under_prices_of_12_fractional_digits_are_exact():
    """26 integer and 12 fractional digits; the product is checked against a fraction."""
    quantity = 12345678901234567890123456_123456789012
    line = rated({"model": "per_unit", "unit_amount": "98765432.123456789012"}, [quantity], 12).line(0)
    exact = Fraction(quantity, 10**12) * Fraction("98765432.123456789012")
    assert Fraction(line.exact_amount) == exact
    assert Fraction(line.amount) == Fraction(int(exact * 100 + Fraction(1, 2)), 100)


def test_one_huge_charge_does_not_slow_the_others_down():
    """A thousand ordinary charges keep int64 beside it, and all rows stay in order."""
    mantissas = [*range(1000), 10**30, *range(1000)]
    lines = rated({"model": "per_unit", "unit_amount": "0.01"}, mantissas, 0)
    assert sorted(len(segment.inputs.measured) for segment in lines.segments) == [1, 2000]
    assert lines.amount.mantissa.tolist() == mantissas


def test_tables_past_int64_are_rated_with_python_ints():
    """A price of 26 integer and 18 fractional digits has no int64 mantissa."""
    amount = "12345678901234567890123456.123456789012345678"
    line = rated({"model": "per_unit", "unit_amount": amount}, [3], 0).line(0)
    assert Fraction(line.exact_amount) == 3 * Fraction(amount)


def test_store_columns_of_twelve_fractional_digits_stay_on_int64():
    """Trailing zeros are no digits: five million at scale 12 is a small number."""
    lines = rated(GRADUATED, [5_000_000 * 10**12, 7 * 10**12], 12)
    assert [segment.inputs.measured.dtype.kind for segment in lines.segments] == ["i"]


@pytest.mark.parametrize("before", [NARROW_MAX - 5, NARROW_MAX, NARROW_MAX + 5, 10**30])
def test_counters_past_int64_are_exact(before):
    """An annual counter may be larger than any charge."""
    price = Price.read({"currency": "USD", "model": "per_unit", "unit_amount": "2"})
    columns = {"quantity": DecimalColumn.of([7]), "consumed_before": DecimalColumn.of([before])}
    line = rate(Charges(prices=[price], price_index=np.zeros(1, np.int64), **columns)).line(0)
    assert line.amount == 14


@pytest.mark.parametrize("amount", [1, NARROW_MAX // 3, NARROW_MAX // 3 + 1, NARROW_MAX, 10**30])
def test_the_fees_of_events_are_exact_past_int64(amount):
    """Three events whose sum leaves int64: the allowance of twice the amount leaves the third to pay 1 %."""
    fields = {
        "model": "percentage",
        "percent": "1",
        "free_amount": str(min(2 * amount, 10**26 - 1)),
        "free_events": 9,
    }
    price = Price.read({"currency": "USD", **fields})
    events = EventAmounts.of([[amount] * 3, [1, 2]])
    columns = {"quantity": DecimalColumn.of([0, 0]), "events": events}
    lines = rate(Charges(prices=[price], price_index=np.zeros(2, np.int64), **columns))
    beyond = Fraction(3 * amount) - Fraction(fields["free_amount"])
    assert Fraction(lines.line(0).exact_amount) == beyond / 100
    small = max(Fraction(0), 3 - Fraction(fields["free_amount"]))
    assert Fraction(lines.line(1).exact_amount) == small / 100


@pytest.mark.parametrize("quantity", [0, 1, 7])
def test_a_conversion_past_int64_is_exact_even_for_nothing(quantity):
    """A factor of 26 digits, and a counter of more digits than int64 can be rescaled to."""
    fields = {"model": "per_unit", "unit_amount": "1", "conversion": {"factor": "12345678901234567890123456"}}
    assert rated(fields, [quantity], 0).amount.to_decimals() == [quantity * 12345678901234567890123456]
    price = Price.read({"currency": "USD", "model": "per_unit", "unit_amount": "1"})
    columns = {"quantity": DecimalColumn.of([quantity]), "consumed_before": DecimalColumn.of(["1e-30"])}
    assert (
        rate(Charges(prices=[price], price_index=np.zeros(1, np.int64), **columns)).line(0).amount == quantity
    )
