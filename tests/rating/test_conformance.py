"""Every number that other engines assert in their own tests, through the real rating core.

CONFORMANCE_CASES names another folder of cases in the same form; the project's copy and its README are in
tests/conformance.
"""

from decimal import Decimal

import pytest

from rating import rate
from tests.support.rating.oracle_bridge import charges_of
from tests.support.rating.oracle_cases import cases, imported


def by_id(case):
    return case["id"]


def price_of(case):
    return {"currency": case["currency"], **imported(case["price"]), "rounding": case["rounding"]}


def rated(case, charge):
    return rate(charges_of([price_of(case)], [0], [charge])).line(0)


@pytest.mark.parametrize("case", cases("price"), ids=by_id)
def test_a_price_comes_to_the_total_that_another_engine_published(case):
    """One charge: a quantity, or the amounts of events in their order."""
    events = case.get("events")
    quantity = str(sum(map(Decimal, events), Decimal(0))) if events else case["quantity"]
    line = rated(case, {"quantity": quantity, **({"events": events} if events else {})})
    assert line.amount == Decimal(case["expected_total"])
    assert line.currency == case["currency"]


@pytest.mark.parametrize("case", cases("progressive"), ids=by_id)
def test_parts_of_a_period_bill_what_another_engine_published(case):
    """Each part is rated on the quantity so far, less what is booked; the minimum counts in the last part."""
    quantities = case["cumulative_quantities"]
    booked = Decimal(0)
    amounts = []
    for part, quantity in enumerate(quantities, start=1):
        charge = {"quantity": quantity, "booked": str(booked), "final": part == len(quantities)}
        amounts.append(rated(case, charge).amount)
        booked += amounts[-1]
    assert amounts == [Decimal(amount) for amount in case["expected_amounts"]]


def test_there_are_cases_to_hold():
    """An empty or misspelt folder is a failure, not a success."""
    assert cases("price") + cases("progressive")
