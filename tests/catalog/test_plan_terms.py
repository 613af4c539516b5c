"""Commitments and discounts of plans: applied, stored, exported, and refused where they can't be billed, on both databases."""

import json
from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.kinds import definition

DOCUMENT = """\
plans:
  - id: base
    name: Base
    currency: USD
    percent_off: 10
    amount_off: "2.50"
    spend_discount: {mode: volume, tiers: [{up_to: 100, percent_off: 0}, {percent_off: 5}]}
    commitments: [{amount: 40, overage_factor: "1.5", true_up: false, prices: [fee]}]
    minimum_amount: 100
    prices: [{id: fee, model: flat, flat_amount: 5}]
customers: [{id: acme, name: Acme}]
subscriptions:
  - customer: acme
    plan: base
    start: 2026-01-01
    commitments: [{amount: 500}]
    phases: [{start: 2026-02-01, commitments: []}, {start: 2026-03-01, commitments: [{amount: 9, prices: [fee]}]}]
"""
PRICES = "prices: [{id: fee, model: flat, flat_amount: 5}]"


def test_they_are_stored_and_read_back_without_a_change(apply, store):
    """What the catalog says of itself changes nothing; an empty list in a phase stays."""
    apply(DOCUMENT)
    catalog = store.snapshot("t")
    plan = catalog.plans["base"].resource
    assert [str(each.amount) for each in plan.all_commitments] == ["40", "100"]
    assert str(plan.spend_discount.tiers[0].up_to) == "100"
    subscription = catalog.subscriptions["acme:base"].resource
    assert [each.commitments and len(each.commitments) for each in subscription.phases] == [(), 1]
    sections = {}
    for each in catalog.all():
        sections.setdefault(each.resource.section, []).append(json.loads(definition(each.resource)))
    document = read_document(json.dumps(sections), "b.json")
    again = store.apply("t", document, applied_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (again.changes, again.unchanged_count) == ((), 3)


def test_a_new_commitment_is_a_new_version_of_its_plan(apply, store):
    """As every other change of a plan: those who run keep theirs."""
    apply(DOCUMENT)
    apply(DOCUMENT.replace("minimum_amount: 100", "minimum_amount: 200"))
    assert len(store.snapshot("t").plan_versions["base"].versions) == 2


def plan_with(fields):
    return f"plans: [{{id: a, name: A, currency: USD, {fields}, {PRICES}}}]"


def subscription_with(fields):
    plans = "plans: [{id: a, name: A, currency: USD, P}, {id: b, name: B, currency: JPY, P}, {id: d, name: D, currency: USD, Q}]"
    plans = plans.replace("P}", f"{PRICES}}}").replace(
        "Q}", "prices: [{id: more, model: flat, flat_amount: 1}]}"
    )
    return f"{plans}\ncustomers: [{{id: c, name: C}}]\nsubscriptions: [{{customer: c, plan: a, start: 2026-01-01, {fields}}}]"


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (plan_with("commitments: [{amount: 5}, {amount: 6}]"), "commitments[1].prices: is missing: the commitment 0"),
        (
            plan_with("commitments: [{amount: 5, prices: [fee]}, {amount: 6, prices: [fee]}]"),
            "commitments[1].prices[0]: 'fee' is in the commitment 0, too",
        ),
        (plan_with("commitments: [{amount: 5, prices: [fe]}]"), "the plan has no price 'fe'; did you mean 'fee'?"),
        (plan_with("commitments: [{amount: 5.001}]"), "must have at most 2 fractional digits in USD"),
        (plan_with("commitments: [{amount: 5, overage_factor: 1001}]"), "must be at most 1000"),
        (plan_with("commitments: [{amount: 5, overage_factor: 0.9}]"), "overage_factor: must be 1 or more, is 0.9"),
        (plan_with("minimum_amount: 0.001"), "minimum_amount: must have at most 2 fractional digits in USD"),
        (plan_with("minimum_amount: 5, commitments: [{amount: 5}]"), "does the same as the commitment 0 for all prices"),
        (plan_with("amount_off: 0.001"), "amount_off: must have at most 2 fractional digits in USD"),
        (plan_with("percent_off: 101"), "percent_off: must be at most 100"),
        (
            plan_with("spend_discount: {tiers: [{up_to: 5, percent_off: 1}]}"),
            "spend_discount.tiers[0].up_to: must be left out in the last tier",
        ),
        (
            plan_with("spend_discount: {tiers: [{percent_off: 1}, {percent_off: 2}]}"),
            "spend_discount.tiers[0].up_to: is missing: only the last tier has no end",
        ),
        (
            plan_with(
                "spend_discount: {tiers: [{up_to: 5, percent_off: 1}, {up_to: 5, percent_off: 1}, {percent_off: 2}]}"
            ),
            "spend_discount.tiers[1].up_to: must be greater than the tier before (5), is 5",
        ),
        (subscription_with("commitments: [{amount: 5.001}]"), "must have at most 2 fractional digits in USD"),
        (subscription_with("commitments: [{amount: 5, prices: [x]}]"), "commitments[0].prices[0]: the plan has no price 'x'"),
        (
            subscription_with("phases: [{start: 2026-02-01, plan: b, commitments: [{amount: 5.5}]}]"),
            "phases[0].commitments[0].amount: must have at most 0 fractional digits in JPY",
        ),
        (
            subscription_with("commitments: [{amount: 5, prices: [fee]}], phases: [{start: 2026-02-01, plan: d}]"),
            "phases[0].commitments: are still for 'fee', which the subscription has no more",
        ),
        (
            subscription_with(
                "add_ons: {d: 1}, commitments: [{amount: 5, prices: [more]}], phases: [{start: 2026-02-01, add_ons: {}}]"
            ),
            "phases[0].commitments: are still for 'more', which the subscription has no more",
        ),
        (
            subscription_with("commitments: [{amount: 5}], phases: [{start: 2026-02-01, plan: b}]"),
            "phases[0].commitments: is in JPY, the commitments of the phase before in USD",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_billed_is_refused(mistakes_of, given, mistake):
    """With its place."""
    found = mistakes_of(given)
    assert any(mistake in each for each in found), found
