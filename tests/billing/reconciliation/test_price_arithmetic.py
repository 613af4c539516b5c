"""The second opinion on prices holds what other engines publish."""

from decimal import Decimal
from fractions import Fraction

import pytest

from engine.billing.reconciliation.price_arithmetic import NotJudgedError, exact_amount, rounded
from rating import Price
from tests.support.rating.oracle_cases import cases, imported


@pytest.mark.parametrize("case", cases("price"), ids=lambda case: case["id"])
def test_a_price_comes_to_the_total_that_another_engine_published(case):
    """All but those with terms per event, which are not judged and say so."""
    price = Price.read(
        {"currency": case["currency"], **imported(case["price"]), "rounding": case["rounding"]}
    )
    events = case.get("events")
    quantity = sum(map(Fraction, events)) if events else Fraction(case["quantity"])
    if price.needs_events:
        with pytest.raises(NotJudgedError, match="terms per event"):
            exact_amount(price, quantity, {})
        return
    found = rounded(exact_amount(price, quantity, {}), price.digits, str(price.rounding.mode))
    assert found == Fraction(Decimal(case["expected_total"]))
