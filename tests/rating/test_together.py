"""The groups of a charge, rounded together: worked out by hand."""

from decimal import Decimal

import numpy as np
import pytest

from rating import Charges, DecimalColumn, Price, RatingError, rate


def _rated(quantities, prices, charge, index=None):
    charges = Charges(
        prices=prices,
        price_index=np.zeros(len(quantities), dtype=np.int64) if index is None else np.array(index),
        quantity=DecimalColumn.of(quantities),
    )
    return rate(charges).rounded_together(np.array(charge))


def _price(**fields):
    return Price.read({"currency": "USD", "model": "per_unit", "unit_amount": "0.001", **fields})


@pytest.mark.parametrize(
    ("mode", "cents"),
    [
        # 14 + 6 + 5 tenths of a cent are 25: whole cents 1, 0, 0, and the rest to 6, then 5, then 4 tenths.
        ("half_up", [1, 1, 1]),
        ("half_even", [1, 1, 0]),
        ("up", [1, 1, 1]),
        ("down", [1, 1, 0]),
    ],
)
def test_each_rounding_is_of_the_sum(mode, cents):
    """0.014, 0.006 and 0.005 are 0.025; a tie."""
    lines = _rated(["14", "6", "5"], [_price(rounding={"mode": mode})], [7, 7, 7])
    assert lines.amount.to_decimals() == [Decimal(each) / 100 for each in cents]
    assert sum(lines.amount.to_decimals()) == Decimal(sum(cents)) / 100


def test_charges_of_one_price_are_rounded_apart():
    """Two groups of 0.004 are 0.01; one alone is 0.00, and three of them have one cent."""
    lines = _rated(["4"] * 6, [_price()], [0, 0, 1, 2, 2, 2])
    assert lines.amount.to_decimals() == list(map(Decimal, ["0.01", "0.00", "0.00", "0.01", "0.00", "0.00"]))
    assert [line.together is None for line in lines.in_full()] == [False, False, True, False, False, False]


def test_shares_stay_with_their_lines_whichever_are_shown():
    """The second and the fifth of six lines."""
    lines = _rated(["1", "6", "2", "9", "7", "7"], [_price()], [0, 0, 1, 2, 2, 2])
    shown = lines.part(np.array([1, 4])).in_full()
    # 0.007 is 0.01; 0.023 is 0.02, which go to 0.009 and the first 0.007.
    assert [line.amount for line in shown] == [Decimal("0.01"), Decimal("0.01")]
    assert shown[1].formula == "7 × 0.001 = 0.007 in 0.023 of 3 groups → 0.02 USD; share 0.01 USD"


def test_a_share_of_more_digits_than_64_bits_hold():
    """10^30 and a third of a cent beside it: the amounts stay exact, and add up."""
    lines = _rated([str(10**30), "3.5", "3.5"], [_price()], [0, 0, 0])
    assert lines.amount.to_decimals() == [Decimal(10**27), Decimal("0.01"), Decimal("0.00")]


def test_the_parts_of_a_charge_may_have_prices_of_their_own():
    """0.004 at one price and 0.0045 at another are 0.0085, hence 0.01: the larger remainder has the cent."""
    lines = _rated(["4", "9"], [_price(), _price(unit_amount="0.0005")], [0, 0], index=[0, 1])
    assert lines.amount.to_decimals() == list(map(Decimal, ["0.00", "0.01"]))


@pytest.mark.parametrize(
    "other", [{"rounding": {"mode": "up"}}, {"rounding": {"digits": 3}}, {"currency": "EUR"}]
)
def test_the_groups_of_a_charge_are_rounded_alike(other):
    """Anything else is a mistake of the caller, not to be billed."""
    with pytest.raises(RatingError, match="must have one currency and one rounding"):
        _rated(["1", "2"], [_price(), _price(**other)], [0, 0], index=[0, 1])
