"""Features and limits of plans: applied, stored, exported, versioned, and refused with their place, on both databases."""

import json
from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.kinds import catalog_schema, definition

DOCUMENT = """\
meters: [{id: calls, event_type: call, aggregation: count}, {id: bytes, event_type: call, aggregation: sum, value: bytes}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: [{id: fee, model: flat, flat_amount: 5}]
    features: {sso: true, support: gold, seats: 25, exports: false}
    limits:
      - {id: api_calls, meter: calls, quantity: "1000.50"}
      - {id: budget, amount: 500, enforcement: soft, when_unreachable: closed}
  - id: more
    name: More
    currency: USD
    prices: []
    features: {exports: true}
    limits: [{id: api_calls, meter: calls, quantity: 10}]
customers: [{id: acme, name: Acme}]
subscriptions:
  - customer: acme
    plan: pro
    start: 2026-01-01
    add_ons: {more: 2}
    features: {sso: false}
    limits: {api_calls: {quantity: 2000, enforcement: soft}}
    phases: [{start: 2026-02-01, limits: {}}]
"""


def test_they_are_stored_and_read_back_without_a_change(apply, store):
    """What the catalog says of itself changes nothing; an empty mapping in a phase stays."""
    apply(DOCUMENT)
    catalog = store.snapshot("t")
    plan = catalog.plans["pro"].resource
    assert dict(plan.features) == {"sso": True, "support": "gold", "seats": "25", "exports": False}
    assert [(each.id, str(each.bound), each.is_hard) for each in plan.limits] == [
        ("api_calls", "1000.5", True),
        ("budget", "500", False),
    ]
    assert [each.opens_when_unreachable for each in plan.limits] == [False, False]
    subscription = catalog.subscriptions["acme:pro"].resource
    assert [each.limits for each in subscription.phases] == [{}]
    sections = {}
    for each in catalog.all():
        sections.setdefault(each.resource.section, []).append(json.loads(definition(each.resource)))
    document = read_document(json.dumps(sections), "b.json")
    again = store.apply("t", document, applied_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (again.changes, again.unchanged_count) == ((), 6)


def test_another_limit_is_another_version_of_its_plan(apply, store):
    """As every other change of a plan: those who run keep theirs."""
    apply(DOCUMENT)
    apply(DOCUMENT.replace("amount: 500", "amount: 600"))
    assert len(store.snapshot("t").plan_versions["pro"].versions) == 2


def test_editors_know_them():
    """The JSON Schema has every field, and the words of each choice."""
    known = catalog_schema()["definitions"]
    assert set(known["PlanLimit"]["properties"]) == {
        *("id", "meter", "quantity", "amount", "enforcement", "when_unreachable"),
    }
    assert "'enum': ['hard', 'soft']" in str(known["PlanLimit"]["properties"]["enforcement"])
    assert {"features", "limits"} <= set(known["Plan"]["properties"])
    assert {"features", "limits"} <= set(known["Subscription"]["properties"])
    assert {"features", "limits"} <= set(known["SubscriptionPhase"]["properties"])


def changed(before, after):
    assert before in DOCUMENT
    return DOCUMENT.replace(before, after, 1)


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (
            changed("{id: api_calls, meter: calls, quantity: 10}", "{id: api_calls}"),
            "limits nothing: give meter and quantity, or amount for a limit of spend",
        ),
        (
            changed('quantity: "1000.50"', "amount: 5"),
            "plans.pro.limits.api_calls.amount: does not belong to the limit of a meter: give its quantity",
        ),
        (
            changed(', quantity: "1000.50"', ""),
            "plans.pro.limits.api_calls.quantity: is missing: how much of the meter",
        ),
        (changed("meter: calls, quantity: 10}", "quantity: 10}"), "limits.api_calls.meter: is missing"),
        (
            changed("amount: 500, enf", "amount: 500, quantity: 4, enf"),
            "limits.budget.quantity: does not belong to a limit of spend",
        ),
        (
            changed("amount: 500", "amount: 5.001"),
            "limits.budget.amount: must have at most 2 fractional digits in USD",
        ),
        (changed("amount: 500", "amount: -5"), "limits.budget.amount: must be 0 or more, is -5"),
        (
            changed("enforcement: soft, w", "enforcement: sofd, w"),
            "must be one of hard, soft, is 'sofd'; did you mean",
        ),
        (changed("closed", "close"), "limits.budget.when_unreachable: must be one of open, closed"),
        (
            changed("api_calls, meter: calls, quantity: 10", "other, meter: cals, quantity: 10"),
            "there is no meter 'cals'",
        ),
        (changed("id: budget", "id: api_calls"), "'api_calls' is the id of a limit above, too"),
        (changed("id: budget", "id: sso"), "'sso' is a feature of the plan, too"),
        (
            changed("support: gold", "support: [gold]"),
            "plans.pro.features.support: must be true, false or a text",
        ),
        (
            changed("api_calls: {quantity: 2000", "api_cals: {quantity: 2000"),
            "limit 'api_cals'; did you mean 'api_calls'?",
        ),
        (
            changed("enforcement: soft}}", "enforcement: loose}}"),
            "subscriptions.acme:pro.limits.api_calls.enforcement: must be one of hard, soft",
        ),
        (
            changed("quantity: 2000, ", "amount: 20, "),
            "limits.api_calls.amount: does not belong to the limit of a meter",
        ),
        (changed("quantity: 2000, ", "meter: bytes, "), "limits.api_calls.meter: is not a field of a limit"),
        (
            changed("features: {sso: false}", "features: {ssso: false}"),
            "no plan has a feature 'ssso'; did you mean 'sso'?",
        ),
        (
            changed("limits: [{id: api_calls, meter: calls", "limits: [{id: api_calls, meter: bytes"),
            "subscriptions.acme:pro.add_ons.more: the limit 'api_calls' is of something else than that of the plan 'pro'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given, mistake, mistakes_of):
    """One mistake each."""
    (found,) = mistakes_of(given)
    assert mistake in found


def test_a_plan_that_follows_drops_what_was_said_of_the_one_before(apply, store):
    """As overrides of prices do; a phase on the same plan keeps it."""
    apply(
        """
meters: [{id: calls, event_type: call, aggregation: count}]
plans:
  - {id: a, name: A, currency: USD, prices: [], features: {sso: true}, limits: [{id: x, meter: calls, quantity: 1}]}
  - {id: b, name: B, currency: USD, prices: [], limits: [{id: x, meter: calls, quantity: 2}]}
customers: [{id: acme, name: Acme}]
subscriptions:
  - {customer: acme, plan: a, start: 2026-01-01, limits: {x: {quantity: 9}},
     phases: [{start: 2026-02-01, paused: true}, {start: 2026-03-01, plan: b}]}
"""
    )
    terms = store.snapshot("t").subscription_columns.terms
    # Beside those of the two plans alone: from the start on, while it is paused.
    said = [text for text in terms if '"limits"' in text]
    assert len(said) == 2
    assert all('"plan":"a"' in text for text in said)
    assert [text for text in terms if '"plan":"b"' in text] == ['{"plan":"b"}']
