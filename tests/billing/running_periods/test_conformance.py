"""Every number that other engines publish of periods billed in parts, through the real path: events, invoices, lines read back.

CONFORMANCE_CASES names another folder of cases in the same form.
"""

import json
from decimal import Decimal

import pytest

from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import ClosingWorld
from tests.support.rating.oracle_cases import cases, imported


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = UsageStore.open_embedded(tmp_path_factory.mktemp("usage") / "usage")
    yield opened
    opened.close()


def catalog(given):
    """A plan and a customer of each case, of one meter."""
    plans, customers, subscriptions = [], [], []
    for number, case in enumerate(given):
        price = {"id": "usage", "meter": "calls", **imported(case["price"])}
        price["rounding"] = dict(case["rounding"])
        plans.append({"id": f"p{number}", "name": "P", "currency": case["currency"], "prices": [price]})
        customers.append({"id": f"c{number}", "name": "C"})
        subscriptions.append({"customer": f"c{number}", "plan": f"p{number}", "start": "2026-08-01"})
    meters = [{"id": "calls", "event_type": "call", "aggregation": "sum", "value": "value"}]
    return json.dumps(
        {"meters": meters, "plans": plans, "customers": customers, "subscriptions": subscriptions}
    )


def test_parts_of_a_period_bill_what_another_engine_published(tmp_path, store):
    """Each part bills what has come up since the one before, and the close of the period the rest, with its minimum."""
    given = cases("progressive")
    assert given
    world = ClosingWorld(f"sqlite:///{tmp_path / 'a.sqlite'}", store, catalog(given), "2026-08-02")
    used = [Decimal(0)] * len(given)
    for part in range(max(len(case["cumulative_quantities"]) for case in given)):
        world.at(f"2026-08-{part + 3:02}")
        for number, case in enumerate(given):
            quantities = case["cumulative_quantities"]
            if part < len(quantities):
                more = Decimal(quantities[part]) - used[number]
                if more:
                    world.use(f"c{number}", f"2026-08-{part + 2:02}", more)
                used[number] += more
            if part < len(quantities) - 1:
                world.bill_parts(customer_id=f"c{number}", regardless=True)
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    found, expected = {}, {}
    for number, case in enumerate(given):
        own = [each for each in world.standing() if each.key.customer_id == f"c{number}"]
        amounts = [each.sums["amount"] for each in own]
        # A part of nothing is no invoice.
        found[case["id"]] = [each for each in amounts[:-1] if each] + amounts[-1:]
        wanted = [Decimal(each) for each in case["expected_amounts"]]
        expected[case["id"]] = [each for each in wanted[:-1] if each] + wanted[-1:]
        lines = [line for each in own for line in world.lines(each)]
        assert sum(line["amount_minor"] for line in lines) == sum(wanted).scaleb(2)
    assert found == expected
    world.finish()
