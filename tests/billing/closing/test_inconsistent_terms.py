"""A customer whose commitments don't fit together is left open and named; a close, and threshold invoices, bill everybody else.

No catalog that is taken is known to bring it about: here the period of one term is given a wrong place, or is found in no run.
"""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from engine.billing.running_periods.part_biller import WantedParts
from engine.billing.terms.commitments import committed, contracts
from engine.billing.terms.commitments.runs import Runs
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import ClosingWorld

# A unit is 1.00; 100.00 are committed over August and September.
CUSTOMERS = ("a", "b", "c", "d", "e")
CATALOG = f"""
meters:
  - {{id: calls, event_type: call, aggregation: sum, value: value}}
plans:
  - id: pro
    name: Pro
    currency: USD
    invoicing_threshold: 30
    commitments: [{{amount: 100, periods: 2, overage_factor: 2}}]
    prices: [{{id: calls, meter: calls, model: per_unit, unit_amount: 1}}]
customers: [{", ".join(f"{{id: {each}, name: N}}" for each in CUSTOMERS)}]
subscriptions: [{", ".join(f"{{customer: {each}, plan: pro, start: 2026-08-01}}" for each in CUSTOMERS)}]
"""
REASONS = {
    "position": "a term of commitments has not each of its periods once, from the first on",
    "run": "a commitment holds that begins nowhere",
}


@pytest.fixture
def world(tmp_path):
    """August is over: 40.00 of each, and 60.00 of b more."""
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-08-01")
    for each in CUSTOMERS:
        made.use(each, "2026-08-15", 40)
    made.use("b", "2026-08-16", 60)
    yield made
    made.finish()
    store.close()


def break_terms(monkeypatch, how, *customers):
    """From now on those of some customers don't fit together, in this way."""

    def broken(catalog, rows):
        ids = [catalog.subscription_columns.customer_id[int(row)].as_py() for row in rows]
        return np.isin(np.array(ids), customers)

    def misplaced(catalog, places, held, known):
        found = contracts.contract_periods(catalog, places, held, known)
        return replace(found, position=found.position + broken(catalog, places.row[held.place]))

    of = Runs.of.__func__

    def lost(cls, catalog, rows, known):
        found = of(cls, catalog, rows, known)
        return replace(found, slot=np.where(broken(catalog, found.row), -1, found.slot))

    if how == "position":
        monkeypatch.setattr(committed, "contract_periods", misplaced)
    else:
        monkeypatch.setattr(Runs, "of", classmethod(lost))


@pytest.mark.parametrize("how", REASONS)
@pytest.mark.parametrize("customers", [("c",), ("a", "e"), CUSTOMERS])
def test_a_close_leaves_them_open_and_bills_everybody_else(world, monkeypatch, how, customers):
    """40.00 each, and 100.00 of b. Mended, the same close bills the others as it would have."""
    break_terms(monkeypatch, how, *customers)
    world.at("2026-09-05")
    (step,) = world.close("2026-08-01", "2026-09-01")
    assert step.inconsistent == dict.fromkeys(customers, REASONS[how])
    assert step.open_customer_count == len(customers)
    amounts = {each: Decimal(100 if each == "b" else 40) for each in CUSTOMERS}
    billed = {each.key.customer_id: each.sums["due"] for each in world.standing()}
    assert billed == {each: amount for each, amount in amounts.items() if each not in customers}
    monkeypatch.undo()
    (step,) = world.close("2026-08-01", "2026-09-01")
    assert (step.inconsistent, step.open_customer_count) == ({}, 0)
    assert {each.key.customer_id: each.sums["due"] for each in world.standing()} == amounts


def test_threshold_invoices_leave_them_alone(world, monkeypatch):
    """On 20 August all are beyond 30.00; d can't be settled."""
    world.at("2026-08-20")
    break_terms(monkeypatch, "run", "d")
    run = world.biller.begin("t1", "tests")
    done = world.biller.bill(run, world.biller.snapshot(run), WantedParts(), np.arange(len(CUSTOMERS)))
    assert done.inconsistent == {"d": REASONS["run"]}
    assert sorted(each.key.customer_id for each in done.issued) == ["a", "b", "c", "e"]
