"""Prices that are billed once: a set-up fee in the period in which a subscription comes to its plan, and in no other."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.catalog.documents.document import read_document
from engine.catalog.kinds.plan import Plan
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.times import datetime_us
from fields import FieldsError
from tests.support.billing_cases import service_lines
from tests.support.catalogs import versions_of

NOVEMBER, DECEMBER = (datetime(2026, month, 20, tzinfo=UTC) for month in (11, 12))
PLANS = """
plans:
  - id: team
    name: Team
    currency: USD
    prices:
      - {id: setup, model: flat, flat_amount: 100, timing: once}
      - {id: fee, model: flat, flat_amount: 30}
  - {id: plus, name: Plus, currency: USD, prices: [{id: setup, model: flat, flat_amount: 250, timing: once}]}
  - {id: care, name: Care, currency: USD, prices: [{id: training, model: flat, flat_amount: 40, timing: once}]}
customers: [{id: c, name: C}]
"""
NEWER = """
plans:
  - id: team
    name: Team
    currency: USD
    effective_from: 2026-11-05
    prices:
      - {id: setup, model: flat, flat_amount: 500, timing: once}
      - {id: fee, model: flat, flat_amount: 60}
"""


def catalog_of(subscription, newer):
    """With the second version of the plan `team`."""
    text = f"{PLANS}subscriptions: [{{customer: c, {subscription}}}]"
    first = [Versioned(each.resource, 1, 1) for each in read_document(text, "c.yaml").entries]
    second = [Versioned(each.resource, 2, 1) for each in read_document(newer, "n.yaml").entries]
    plans = [each for each in first if isinstance(each.resource, Plan)]
    others = [each for each in first if not isinstance(each.resource, Plan)]
    return Catalog.empty("t").advanced(1, versions_of([*plans, *second, *others]))


def lines(subscription, at):
    """(plan, price, day from, day to, amount) of each line of the period that contains the instant."""
    return service_lines(catalog_of(subscription, NEWER), at)


def test_it_is_in_the_first_period_and_in_no_later_one():
    """In full, beside the fee that recurs."""
    assert lines("plan: team, start: 2026-11-01", NOVEMBER) == [
        ("team", "setup", 1, 1, "100.00"),
        ("team", "fee", 1, 1, "30.00"),
    ]
    assert lines("plan: team, start: 2026-11-01", DECEMBER) == [("team", "fee", 1, 1, "30.00")]


def test_it_is_never_prorated():
    """A first period of 15 of 30 days, and a subscription that ends after ten."""
    assert lines("plan: team, start: 2026-11-16, anchor: calendar", NOVEMBER) == [
        ("team", "setup", 16, 1, "500.00"),
        ("team", "fee", 16, 1, "30.00"),
    ]
    ended = lines("plan: team, start: 2026-11-01, end: 2026-11-11", datetime(2026, 11, 9, tzinfo=UTC))
    assert ended == [("team", "setup", 1, 11, "100.00"), ("team", "fee", 1, 11, "10.00")]


def test_another_version_of_the_plan_does_not_bill_it_again():
    """Neither in the same period, nor in a later one; the fee that recurs follows the version."""
    moved = "plan: team, start: 2026-11-01, phases: [{start: 2026-11-16, plan_version: 2}]"
    assert lines(moved, NOVEMBER) == [
        ("team", "setup", 1, 16, "100.00"),
        ("team", "fee", 1, 16, "15.00"),
        ("team", "fee", 16, 1, "30.00"),
    ]
    assert lines(moved, DECEMBER) == [("team", "fee", 1, 1, "60.00")]


def test_another_plan_bills_its_own_when_the_subscription_comes_to_it():
    """In the period of the phase, in full."""
    moved = "plan: team, start: 2026-11-01, phases: [{start: 2026-12-16, plan: plus}]"
    assert lines(moved, NOVEMBER) == [("team", "setup", 1, 1, "100.00"), ("team", "fee", 1, 1, "30.00")]
    assert lines(moved, DECEMBER) == [("team", "fee", 1, 16, "14.52"), ("plus", "setup", 16, 1, "250.00")]
    assert lines(moved, datetime(2027, 1, 20, tzinfo=UTC)) == []


def test_a_subscription_that_comes_back_pays_it_again():
    """As one that comes anew: the version is the one of then. Twice in one period is once, as it is last."""
    back = "plan: team, start: 2026-11-01, phases: [{start: 2026-11-16, plan: plus}, {start: 2026-12-01, plan: team}]"
    assert lines(back, DECEMBER) == [("team", "setup", 1, 1, "500.00"), ("team", "fee", 1, 1, "60.00")]
    soon = "plan: plus, start: 2026-11-01, phases: [{start: 2026-11-11, plan: care}, {start: 2026-11-21, plan: plus}]"
    assert lines(soon, NOVEMBER) == [("plus", "setup", 1, 1, "250.00"), ("care", "training", 11, 21, "40.00")]


def test_an_add_on_bills_it_when_it_is_added():
    """So many times as there are then; more of it later cost nothing more."""
    added = "plan: team, start: 2026-11-01, phases: [{start: 2026-12-11, add_ons: {care: 2}}, {start: 2026-12-21, add_ons: {care: 3}}]"
    assert lines(added, NOVEMBER) == [("team", "setup", 1, 1, "100.00"), ("team", "fee", 1, 1, "30.00")]
    assert lines(added, DECEMBER) == [("team", "fee", 1, 1, "30.00"), ("care", "training", 11, 21, "80.00")]
    assert lines(added, datetime(2027, 1, 20, tzinfo=UTC)) == [("team", "fee", 1, 1, "30.00")]


def test_what_holds_when_it_is_due_decides_what_it_costs():
    """An override of then, a trial of then, a pause of then: later ones change nothing."""
    cheaper = "plan: team, start: 2026-11-01, overrides: {setup: {flat_amount: 70}}"
    assert ("team", "setup", 1, 1, "70.00") in lines(cheaper, NOVEMBER)
    later = (
        "plan: team, start: 2026-11-01, phases: [{start: 2026-11-11, overrides: {setup: {flat_amount: 70}}}]"
    )
    assert ("team", "setup", 1, 11, "100.00") in lines(later, NOVEMBER)
    trial = "plan: team, start: 2026-11-01, phases: [{start: 2026-11-01, trial: free}, {start: 2026-11-16}]"
    assert lines(trial, NOVEMBER) == [
        ("team", "setup", 1, 16, "0.00"),
        ("team", "fee", 1, 16, "0.00"),
        ("team", "fee", 16, 1, "15.00"),
    ]
    paused = "plan: team, start: 2026-11-01, phases: [{start: 2026-11-01, paused: true}, {start: 2026-11-16}]"
    assert lines(paused, NOVEMBER) == [("team", "fee", 16, 1, "15.00")]


def test_it_stays_what_was_billed_once_when_the_price_recurs_from_a_version_on():
    """The plan's next version has the same price each month: the fee of once stays, in full, beside its part."""
    monthly = NEWER.replace("flat_amount: 500, timing: once", "flat_amount: 10")
    moved = "plan: team, start: 2026-11-01, phases: [{start: 2026-11-16, plan_version: 2}]"
    rated = rate_charges(charges_at(catalog_of(moved, monthly), np.arange(1), datetime_us(NOVEMBER)), {})
    found = [
        (item.charge.billed.price.id, str(item.rated.amount))
        for item in rated.line_items(np.arange(len(rated)))
    ]
    assert found == [("setup", "100.00"), ("fee", "15.00"), ("fee", "30.00"), ("setup", "5.00")]


def test_a_price_that_is_billed_once_has_no_proration():
    """It says so in vain."""
    price = {"id": "setup", "model": "flat", "flat_amount": "1", "timing": "once", "proration": "day"}
    with pytest.raises(FieldsError) as refused:
        Plan.read({"id": "p", "name": "P", "currency": "USD", "prices": [price]})
    assert "prices[0].proration: does not belong to a price that is billed once" in str(refused.value)
