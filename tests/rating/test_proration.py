"""Charges for a part of their billing period: by hand, and rounded together as fractions say."""

import random
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from rating import Charges, DecimalColumn, Part, PartColumns, Price, rate
from tests.support.charge_oracle import shares_by_oracle
from tests.support.rating.oracle_numbers import rounded

SEATS = {
    "currency": "USD",
    "model": "graduated",
    "tiers": [{"up_to": "100", "unit_amount": "3.32", "flat_amount": "155.58"}, {"unit_amount": "1"}],
}
FIVE_TWELFTHS = Part(0, 5, 12)


def flat(amount, **fields):
    return {"currency": "USD", "model": "flat", "flat_amount": amount, **fields}


def rated(prices, parts, quantities=None, **columns):
    """One line for each price and part."""
    return rate(
        Charges(
            prices=[Price.read(price) for price in prices],
            price_index=np.arange(len(prices)),
            quantity=DecimalColumn.of(quantities or ["1"] * len(prices)),
            proration=PartColumns.of(parts),
            **columns,
        )
    )


def test_a_part_of_what_seats_cost_is_rounded_as_the_fraction_that_it_is():
    """Nine at 3.32 and 155.58 are 185.46; 5/12 of it are 77.275. A share of 3.32 alone, 1.38333..., has no end."""
    line = rated([SEATS], [FIVE_TWELFTHS], ["9"]).line(0)
    assert (line.amount, line.exact_amount) == (Decimal("77.28"), Decimal("77.275"))
    assert line.formula == "9 × 3.32 + 155.58 = 185.46; × 5/12 = 77.275 → 77.28 USD"
    # Tiers are those of the whole.
    assert [(tier.unit_amount, tier.amount) for tier in line.tiers] == [(Decimal("3.32"), Decimal("185.46"))]
    assert (line.part, line.stages[-1]) == (FIVE_TWELFTHS, ("proration", Decimal("77.275")))


def test_parts_that_are_rounded_together_are_added_as_fractions():
    """A third of 10.00, 10.00 and 13.015 each: 3.333... + 3.333... + 4.338333... is 11.005, a tie."""
    thirds = [Part(place, place + 1, 3) for place in range(3)]
    lines = rated([flat("10"), flat("10"), flat("13.015")], thirds).rounded_together(np.zeros(3, np.int64))
    # Whole cents 3.33, 3.33 and 4.33; two more, to the largest remainder and to the first of the equal ones.
    assert lines.amount.to_decimals() == [Decimal("3.34"), Decimal("3.33"), Decimal("4.34")]
    assert lines.line(2).formula == (
        "13.015 = 13.015; × 1/3 = 4.338333333333 in 11.005 of 3 groups → 11.01 USD; share 4.34 USD"
    )


@pytest.mark.parametrize(
    ("mode", "amount"),
    [("half_up", "0.03"), ("half_even", "0.02"), ("up", "0.03"), ("down", "0.02")],
)
def test_each_rounding_is_of_the_part(mode, amount):
    """5/12 of 0.06 are 0.025."""
    assert rated([flat("0.06", rounding={"mode": mode})], [FIVE_TWELFTHS]).amount.to_decimals() == [
        Decimal(amount)
    ]


def test_a_part_is_taken_behind_every_stage():
    """Of 120: less 25 % is 90, less 7 is 83, at most 80, at least 20; 5/12 of 80 are 33.333..."""
    price = flat("120", percent_off="25", amount_off="7", maximum_amount="80", minimum_amount="20")
    line = rated([price], [FIVE_TWELFTHS]).line(0)
    assert line.formula == (
        "120 = 120; less 25 % = 90; less 7 = 83; at most 80 = 80; at least 20 = 80; "
        "× 5/12 = 33.333333333333 → 33.33 USD"
    )


def test_a_part_is_of_tiers_that_are_rounded():
    """Three at 0.335 are 1.005, rounded 1.01; half of it is 0.505, hence 0.51."""
    price = {
        "currency": "USD",
        "model": "per_unit",
        "unit_amount": "0.335",
        "rounding": {"scope": "tier"},
    }
    line = rated([price], [Part(1, 2, 2)], ["3"]).line(0)
    assert line.formula == "(3 × 0.335 rounded) = 1.01; × 1/2 = 0.505 → 0.51 USD"


def test_what_is_booked_comes_off_the_part():
    """77.28 less 70.00."""
    line = rated([SEATS], [FIVE_TWELFTHS], ["9"], booked=DecimalColumn.of(["70"])).line(0)
    assert line.formula == (
        "9 × 3.32 + 155.58 = 185.46; × 5/12 = 77.275 → 77.28 USD; less 70.00 booked = 7.28 USD"
    )


def test_no_part_owes_nothing_and_a_whole_part_is_no_stage():
    """A part without a second, and one that is all of the period, beside one that is not said."""
    lines = rated([flat("10")] * 3, [Part(4, 4, 9), Part(0, 9, 9), None])
    assert [line.formula for line in lines.in_full()] == [
        "10 = 10; × 0 = 0 → 0.00 USD",
        "10 = 10 → 10.00 USD",
        "10 = 10 → 10.00 USD",
    ]
    assert [line.part for line in lines.in_full()] == [Part(4, 4, 9), None, None]


def test_parts_of_amounts_past_64_bits():
    """A third of 10^30 + 0.02, three times, and all of it."""
    price = {"currency": "USD", "model": "per_unit", "unit_amount": "1"}
    thirds = [*(Part(place, place + 1, 3) for place in range(3)), None]
    lines = rated([price] * 4, thirds, [f"{10**30}.02"] * 4)
    assert lines.amount.to_decimals() == [*[Decimal("3" * 30 + ".34")] * 3, Decimal(f"{10**30}.02")]
    together = lines.rounded_together(np.array([0, 0, 0, 1])).amount.to_decimals()
    assert sum(map(Fraction, together[:3])) == Fraction(10**30) + Fraction(2, 100)


def test_lines_that_are_shown_alone_keep_their_parts():
    """The third of four, and its share of the cents."""
    parts = [None, Part(0, 1, 3), Part(1, 2, 3), Part(2, 3, 3)]
    lines = rated([flat("10")] * 4, parts).rounded_together(np.array([0, 1, 1, 1]))
    (line,) = lines.part(np.array([2])).in_full()
    assert line.formula == "10 = 10; × 1/3 = 3.333333333334 in 10 of 3 groups → 10.00 USD; share 3.33 USD"


@pytest.mark.parametrize("bounds", [(-1, 1, 2), (1, 0, 2), (0, 3, 2), (0, 0, 0)])
def test_what_is_no_part_is_refused(bounds):
    """By columns as by a part alone."""
    columns = [np.array([each], dtype=np.int64) for each in bounds]
    with pytest.raises(ValueError, match="is not a part of"):
        PartColumns(*columns)


def test_parts_show_amounts_that_add_up_to_the_whole(seed):
    """However a period is cut, and whatever it costs."""
    dice = random.Random(f"{seed}-shown")
    for _ in range(100):
        total = dice.choice((7, 31, 86_400, 2_678_400))
        cuts = sorted({0, total, *(dice.randint(0, total) for _ in range(5))})
        parts = [Part(start, end, total) for start, end in pairwise(cuts)]
        amount = f"{dice.randrange(10**6)}.{dice.randrange(10**4):04}"
        exact = rated([flat(amount)] * len(parts), parts).exact_amount
        assert exact.total() == Decimal(amount), (amount, cuts)


@pytest.mark.parametrize("part", range(4))
def test_random_parts_are_rounded_together_as_fractions_say(seed, part):
    """Whole charges beside parts by seconds and days, of amounts that make ties: the total, and each share of it."""
    dice = random.Random(f"{seed}-together-{part}")
    mode = dice.choice(("half_up", "half_even", "up", "down"))
    prices, parts, charge = [], [], []
    for number in range(200):
        total = dice.choice((3, 12, 30, 2_592_000))
        for _ in range(dice.randrange(1, 5)):
            cents = dice.choice(("0.005", "10", "13.015", "0.06", f"{dice.randrange(10**5) / 1000:.3f}"))
            start, end = sorted(dice.choice((0, total // 3, total // 2, total)) for _ in range(2))
            prices.append(flat(cents, rounding={"mode": mode}))
            parts.append(dice.choice((None, Part(start, end, dice.choice((total, total + 1))))))
            charge.append(number)
    lines = rated(prices, parts).rounded_together(np.array(charge))
    exact = [
        Fraction(price["flat_amount"]) * (1 if each is None else Fraction(each.end - each.start, each.total))
        for price, each in zip(prices, parts, strict=True)
    ]
    amounts = list(map(Fraction, lines.amount.to_decimals()))
    for number in range(200):
        rows = [row for row, each in enumerate(charge) if each == number]
        total = rounded(sum(exact[row] for row in rows), 2, mode)
        expected = shares_by_oracle([exact[row] for row in rows], total, 2)
        assert [amounts[row] * 100 for row in rows] == expected, [(prices[row], parts[row]) for row in rows]
        assert all(abs(amounts[row] - exact[row]) < Fraction(1, 100) for row in rows)
        assert sum(amounts[row] for row in rows) == total
