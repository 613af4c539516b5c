"""The stages of a line: their order, their rounding, parts of a period and counters on another clock."""

from decimal import Decimal

import numpy as np
import pytest

from rating import Charges, DecimalColumn, Price, RatingError, rate
from tests.support.rating.rating_one import rate_one

PER_UNIT = {"model": "per_unit", "unit_amount": "2"}
EVERY_STAGE = {
    **PER_UNIT,
    "conversion": {"divisor": "1000", "rounding": {"mode": "up", "digits": 0}},
    "free_units": "10",
    "percent_off": "25",
    "amount_off": "7",
    "maximum_amount": "100",
    "minimum_amount": "20",
}


@pytest.mark.parametrize(
    ("quantity", "stages"),
    [
        ("69001", ["120", "90", "83", "83", "83"]),  # 70 thousands, 60 billable
        ("10000", ["0", "0", "0", "0", "20"]),
        ("999999", ["1980", "1485", "1478", "100", "100"]),
    ],
)
def test_stages_apply_in_their_order(quantity, stages):
    """Conversion, allowance, price, percent off, amount off (never below zero), maximum, minimum."""
    line = rate_one(EVERY_STAGE, quantity)
    assert [amount for _, amount in line.stages] == [Decimal(amount) for amount in stages]
    assert [name for name, _ in line.stages] == [
        "price",
        "percent_off",
        "amount_off",
        "maximum_amount",
        "minimum_amount",
    ]


def test_the_formula_tells_the_whole_calculation():
    """Tier by tier, stage by stage, to the rounded amount."""
    tiers = [{"up_to": "10000", "unit_amount": "0.000003"}, {"up_to": None, "unit_amount": "0.000002"}]
    line = rate_one({"model": "graduated", "tiers": tiers}, "15400")
    assert line.formula == "10000 × 0.000003 + 5400 × 0.000002 = 0.0408 → 0.04 USD"
    line = rate_one(EVERY_STAGE, "69001", booked="50")
    assert line.formula == (
        "60 × 2 = 120; less 25 % = 90; less 7 = 83; at most 100 = 83; at least 20 = 83"
        " → 83.00 USD; less 50.00 booked = 33.00 USD"
    )


@pytest.mark.parametrize(
    ("mode", "amounts"),
    [
        ("half_up", ["0.02", "0.03", "0.01"]),
        ("half_even", ["0.02", "0.02", "0.01"]),
        ("up", ["0.02", "0.03", "0.02"]),
        ("down", ["0.01", "0.02", "0.01"]),
    ],
)
def test_a_line_is_rounded_once_by_its_named_mode(mode, amounts):
    """1.5, 2.5 and 1.1 cents."""
    price = {"model": "per_unit", "unit_amount": "0.001", "rounding": {"mode": mode}}
    assert [str(rate_one(price, quantity).amount) for quantity in ("15", "25", "11")] == amounts


def test_rounding_scope_tier_rounds_each_tier_and_each_flat_amount():
    """0.333 + 0.666 + 0.004 is 1.003 by line; by tier 0.33 + 0.67 + 0.00."""
    tiers = [
        {"up_to": "1", "unit_amount": "0.333"},
        {"up_to": None, "unit_amount": "0.666", "flat_amount": "0.004"},
    ]
    price = {"model": "graduated", "tiers": tiers}
    assert rate_one(price, "2").exact_amount == Decimal("1.003")
    by_tier = rate_one({**price, "rounding": {"scope": "tier"}}, "2")
    assert by_tier.exact_amount == 1
    assert [tier.amount for tier in by_tier.tiers] == [Decimal("0.33"), Decimal("0.67")]
    assert by_tier.formula == "(1 × 0.333 rounded) + (1 × 0.666 rounded) = 1 → 1.00 USD"


def test_rounding_by_tier_still_rounds_the_line():
    """A discount brings digits back: 0.33 less 50 % is 0.165."""
    price = {"model": "per_unit", "unit_amount": "0.333", "percent_off": "50", "rounding": {"scope": "tier"}}
    assert rate_one(price, "1").amount == Decimal("0.17")


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("JPY", "1"), ("USD", "1.23"), ("KWD", "1.235"), ("CLF", "1.2346"), ("UYW", "1.2346")],
)
def test_amounts_have_the_digits_of_their_currency(currency, amount):
    """1.23456 in currencies of zero, two, three and four digits."""
    assert str(rate_one({"model": "per_unit", "unit_amount": "1.23456"}, "1", currency).amount) == amount


@pytest.mark.parametrize(("quantity", "expected"), [("-5", "1"), ("0", "1"), ("5", "11")])
def test_a_negative_quantity_bills_as_zero_and_is_reported(quantity, expected):
    """What is due at zero usage stays due."""
    line = rate_one(
        {"model": "graduated", "tiers": [{"up_to": None, "unit_amount": "2", "flat_amount": "1"}]}, quantity
    )
    assert line.amount == Decimal(expected)
    assert line.negative_quantity is (quantity == "-5")
    assert line.quantity == Decimal(quantity)


def test_parts_of_a_period_add_up_to_the_whole():
    """Thirds of a cent: every part is the rounded whole so far less what is booked."""
    price = {"model": "per_unit", "unit_amount": "0.00333"}
    booked = Decimal(0)
    parts = []
    for cumulative in range(1, 11):
        line = rate_one(price, str(cumulative), booked=booked)
        parts.append(line.amount)
        booked += line.amount
    assert booked == rate_one(price, "10").amount == Decimal("0.03")
    assert set(parts) == {Decimal("0.00"), Decimal("0.01")}


def test_a_minimum_counts_in_the_last_part_only():
    """100 and nothing more, then the missing 50 at the end."""
    price = {"model": "per_unit", "unit_amount": "10", "minimum_amount": "150"}
    assert rate_one(price, "10", final=False).amount == 100
    assert rate_one(price, "10", final=True, booked="100").amount == 50


ANNUAL = {
    "model": "graduated",
    "tiers": [
        {"up_to": "100", "unit_amount": "3", "flat_amount": "50"},
        {"up_to": None, "unit_amount": "1", "flat_amount": "20"},
    ],
}


def test_annual_tiers_go_on_counting_over_monthly_lines():
    """80, 60 and 30 units: the second month enters the second tier, and every flat amount is due once."""
    months = [("0", "80", "290"), ("80", "60", "120"), ("140", "30", "30")]
    lines = [rate_one(ANNUAL, quantity, consumed_before=before) for before, quantity, _ in months]
    assert [line.amount for line in lines] == [Decimal(amount) for _, _, amount in months]
    assert sum(line.amount for line in lines) == rate_one(ANNUAL, "170").amount
    assert [(tier.index, tier.quantity, tier.flat_amount) for tier in lines[1].tiers] == [
        (0, 20, 0),
        (1, 40, 20),
    ]


def test_a_counter_that_started_at_zero_does_not_owe_its_first_flat_amount_again():
    """A month without usage opened the counter and paid for it."""
    assert rate_one(ANNUAL, "10", consumed_before="0").amount == 80
    assert rate_one(ANNUAL, "10", consumed_before="0", counter_started=True).amount == 30


def test_an_annual_volume_price_reprices_what_was_counted():
    """120 units at 1 less the 80 that cost 3 each; the entries show both."""
    price = {
        "model": "volume",
        "tiers": [{"up_to": "100", "unit_amount": "3"}, {"up_to": None, "unit_amount": "1"}],
    }
    line = rate_one(price, "40", consumed_before="80")
    assert line.amount == -120
    assert [(tier.index, tier.quantity, tier.amount) for tier in line.tiers] == [
        (1, 120, 120),
        (0, -80, -240),
    ]


def test_a_discount_leaves_a_negative_amount_alone():
    """It ends at zero from above, and lifts nothing from below."""
    price = {
        "model": "volume",
        "tiers": [{"up_to": "100", "unit_amount": "3"}, {"up_to": None, "unit_amount": "1"}],
    }
    assert rate_one({**price, "amount_off": "5"}, "40", consumed_before="80").amount == -120


@pytest.mark.parametrize(
    ("conversion", "quantity", "billable"),
    [
        ({"factor": "0.001"}, "1234", "1.234"),
        ({"factor": "0.001", "rounding": {"mode": "up", "digits": 0}}, "1234", "2"),
        ({"factor": "60", "rounding": {"mode": "down", "digits": 1}}, "0.123", "7.3"),
        ({"divisor": "3", "rounding": {"mode": "half_up", "digits": 3}}, "2", "0.667"),
        ({"divisor": "1073741824", "rounding": {"mode": "half_even", "digits": 6}}, "1610612736", "1.5"),
    ],
)
def test_a_unit_conversion_has_its_own_rounding(conversion, quantity, billable):
    """Bytes to gibibytes, seconds to minutes."""
    line = rate_one({**PER_UNIT, "conversion": conversion}, quantity)
    assert line.billable_quantity == Decimal(billable)
    assert line.exact_amount == 2 * Decimal(billable)


def test_many_prices_are_rated_in_one_call():
    """Different models, scales and currencies side by side keep their rows."""
    prices = [
        Price.read({"currency": "USD", **PER_UNIT}),
        Price.read({"currency": "JPY", "model": "flat", "flat_amount": "100"}),
        Price.read({"currency": "CLF", "model": "per_unit", "unit_amount": "0.000000000001"}),
        Price.read({"currency": "USD", **ANNUAL}),
        Price.read({"currency": "USD", **PER_UNIT, "unit_amount": "3"}),
    ]
    index = np.array([4, 0, 3, 2, 1, 0, 3])
    quantity = DecimalColumn.of(["1.5", "2", "101", str(10**25), "7", "-1", "0"])
    lines = rate(Charges(prices=prices, price_index=index, quantity=quantity))
    expected = ["4.5", "4", "371", "10000000000000", "100", "0", "50"]
    assert lines.amount.to_decimals() == [Decimal(amount) for amount in expected]
    assert [lines.line(row).amount for row in range(7)] == [Decimal(amount) for amount in expected]
    assert lines.negative_quantity.tolist() == [False] * 5 + [True, False]
    assert [lines.line(row).currency for row in range(7)] == ["USD", "USD", "USD", "CLF", "JPY", "USD", "USD"]
    parts = lines.breakdown()
    assert np.diff(parts.offsets).tolist() == [1, 1, 2, 1, 1, 1, 1]
    line_of_entry = np.repeat(np.arange(7), np.diff(parts.offsets))
    assert parts.amount.sum_by_group(line_of_entry, 7).to_decimals() == lines.stage("price").to_decimals()


def test_one_price_given_twice_is_rated_twice_alike():
    """Prices needn't be distinct, and a tier keeps its index."""
    price = Price.read({"currency": "USD", **ANNUAL})
    index = np.array([0, 1])
    lines = rate(Charges(prices=[price, price], price_index=index, quantity=DecimalColumn.of([150, 150])))
    assert lines.line(0) == lines.line(1)
    assert lines.breakdown().tier.tolist() == [0, 1, 0, 1]


def test_every_stage_is_a_column():
    """A price without a stage shows what its earlier stages left."""
    prices = [Price.read({"currency": "USD", **PER_UNIT, **more}) for more in ({}, {"percent_off": "50"})]
    lines = rate(Charges(prices=prices, price_index=np.array([0, 1]), quantity=DecimalColumn.of([5, 5])))
    assert lines.stage("price").to_decimals() == [10, 10]
    assert lines.stage("percent_off").to_decimals() == [10, 5]
    assert lines.stage("minimum_amount").to_decimals() == lines.exact_amount.to_decimals() == [10, 5]


def test_no_charges_make_no_lines():
    """An empty period is not a special case for the caller."""
    price = Price.read({"currency": "USD", **PER_UNIT})
    lines = rate(Charges(prices=[price], price_index=np.zeros(0, np.int64), quantity=DecimalColumn.zeros(0)))
    assert (len(lines), lines.amount.to_decimals(), len(lines.breakdown().tier)) == (0, [], 0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"price_index": np.array([0, 1])}, "price_index must be 0"),
        ({"price_index": np.array([0, -1])}, "price_index must be 0"),
        ({"price_index": np.array([0.0, 0.0])}, "int64"),
        ({"booked": DecimalColumn.of([1])}, "booked has 1 rows"),
        ({"carried": DecimalColumn.of([1, -1])}, "0 or more"),
        (
            {"carried": DecimalColumn.of([1, 1]), "consumed_before": DecimalColumn.of([1, 1])},
            "can't both be given",
        ),
        ({"consumed_before": DecimalColumn.of([1, -1])}, "0 or more"),
        ({"quantity": DecimalColumn.of([1, "1e-37"])}, "quantity has 37 fractional digits"),
    ],
)
def test_charges_that_do_not_fit_together_are_refused(columns, words):
    """The message names the column."""
    price = Price.read({"currency": "USD", **PER_UNIT})
    whole = {"prices": [price], "price_index": np.zeros(2, np.int64), "quantity": DecimalColumn.of([1, 2])}
    with pytest.raises(RatingError, match=words):
        Charges(**{**whole, **columns})


GRADED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "100", "unit_amount": "0.10", "flat_amount": "5"},
        {"up_to": None, "unit_amount": "0.05", "flat_amount": "2"},
    ],
}


@pytest.mark.parametrize(
    ("carried", "quantity", "amount", "formula"),
    [
        # The first tier's 5 is due in each part, the second's 2 where it is entered.
        ("0", "80", "13.00", "80 × 0.1 + 5 = 13 → 13.00 USD"),
        ("80", "40", "10.00", "20 × 0.1 + 5 + 20 × 0.05 + 2 = 10 → 10.00 USD"),
        ("120", "40", "7.00", "0 × 0.1 + 5 + 40 × 0.05 = 7 → 7.00 USD"),
        ("80", "0", "5.00", "0 × 0.1 + 5 = 5 → 5.00 USD"),
    ],
)
def test_what_is_carried_over_fills_the_tiers_first(carried, quantity, amount, formula):
    """By hand, unit by unit."""
    line = rate_one(GRADED, quantity, carried=carried)
    assert (str(line.amount), line.formula) == (amount, formula)
    assert line.carried_quantity == Decimal(carried)


@pytest.mark.parametrize(
    ("model", "fields", "carried", "quantity", "billable", "amount"),
    [
        # Included: 100 less 70 leaves 30 of 50; all of it gone; none of it gone.
        ("overage", {"unit_amount": "2", "included_units": "100"}, "70", "50", "20", "40.00"),
        ("overage", {"unit_amount": "2", "included_units": "100"}, "170", "50", "50", "100.00"),
        ("overage", {"unit_amount": "2", "included_units": "100"}, "0", "50", "0", "0.00"),
        # 1,500 fill two packages of 1,000; 300 more are in the second, 600 more begin a third.
        ("package", {"package_size": "1000", "package_amount": "4"}, "1500", "300", "300", "0.00"),
        ("package", {"package_size": "1000", "package_amount": "4"}, "1500", "600", "600", "4.00"),
        # 1 % of what is beyond 100: of 50 after 80 these are 30.
        ("percentage", {"percent": "1", "free_amount": "100"}, "80", "50", "30", "0.30"),
        # 90 and 20 s are 1.5 and 0.33 min, rounded up 2 of both together: nothing is left for the second.
        (
            "per_unit",
            {"unit_amount": "3", "conversion": {"divisor": "60", "rounding": {"mode": "up", "digits": 0}}},
            "90",
            "20",
            "0",
            "0.00",
        ),
        ("stairstep", {"tiers": [{"up_to": "10", "flat_amount": "5"}, {"up_to": None, "flat_amount": "9"}]}, "8", "4", "4", "9.00"),
    ],
)  # fmt: skip
def test_every_model_goes_on_behind_what_is_carried_over(model, fields, carried, quantity, billable, amount):
    """Allowances, packages and conversions count all so far."""
    line = rate_one({"model": model, **fields}, quantity, carried=carried)
    assert (str(line.billable_quantity), str(line.amount)) == (billable, amount)


def test_prices_of_events_carry_nothing_over():
    """Their allowance is used up event by event, which a quantity doesn't tell."""
    price = {"model": "percentage", "percent": "1", "free_events": 2}
    with pytest.raises(RatingError, match="carries nothing over"):
        rate_one(price, "10", events=["10"], carried="5")
