"""What plans take off their subscriptions' lines, worked out by hand; random ones are in test_commitments."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.billing.terms.settled import settled
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.versions import Versioned
from engine.spend.applied_terms import applied_discounts
from engine.spend.spend import spend_of
from tests.support.billing_cases import catalog_of, rated
from tests.support.catalogs import versions_of

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: count}
plans:
  - {id: base, name: B, currency: USD, TERMS prices: [{id: fee, model: flat, flat_amount: 80}, {id: help, model: flat, flat_amount: "19.99"}]}
  - {id: more, name: M, currency: USD, percent_off: 50, prices: [{id: extra, model: flat, flat_amount: 10}]}
customers: [{id: acme, name: A}]
subscriptions:
  - {customer: acme, plan: base, start: 2026-04-01 OWN}
"""
AT = datetime(2026, 4, 10, tzinfo=UTC)


def discounted(terms, own="", text=CATALOG, at=AT):
    """(what is off, what is due), and who took how much."""
    text = text.replace("TERMS", f"{terms}," if terms else "").replace("OWN", f", {own}" if own else "")
    found = rated(catalog_of(text), {}, at)
    (spend,) = spend_of(found).by_amount(9)
    applied = [(each.plan_id, each.coupon_id, str(each.amount)) for each in applied_discounts(settled(found))]
    return str(spend.settled.discounts), str(spend.settled.due), applied


def test_a_percentage_of_a_plan_is_off_all_its_lines():
    """25 % of 99.99 is 24.9975: 25.00."""
    assert discounted("percent_off: 25") == ("25.00", "74.99", [("base", "", "25.00")])


def test_an_amount_comes_after_the_percentage_and_never_below_nothing():
    """99.99 less half is 49.99, 50.00 being half rounded; 30.00 of that, and then all of it."""
    assert discounted("percent_off: 50, amount_off: 30")[:2] == ("80.00", "19.99")
    assert discounted("percent_off: 50, amount_off: 100")[:2] == ("99.99", "0.00")


@pytest.mark.parametrize(
    ("mode", "off"),
    [
        # 5 % of 50.00 and 10 % of 49.99: 2.50 + 4.999.
        ("graduated", "7.50"),
        # 10 % of 99.99.
        ("volume", "10.00"),
    ],
)
def test_a_spend_discount_takes_its_tiers_percentages(mode, off):
    tiers = "[{up_to: 50, percent_off: 5}, {percent_off: 10}]"
    assert discounted(f"spend_discount: {{mode: {mode}, tiers: {tiers}}}")[0] == off


def test_spend_at_a_bound_is_in_the_tier_that_it_ends():
    """99.99 up to 99.99 has 5 %, which is 4.9995; one cent lower has 10 %."""
    for bound, off in (("99.99", "5.00"), ("99.98", "10.00")):
        tiers = f"[{{up_to: {bound}, percent_off: 5}}, {{percent_off: 10}}]"
        assert discounted(f"spend_discount: {{mode: volume, tiers: {tiers}}}")[0] == off


def test_amounts_and_bounds_count_for_a_part_of_the_period():
    """Ten days of thirty: 26.67 and 6.66 are 33.33. A third of 30.00 is off; 23.33 left: 10.00 at 0 %, 13.33 at 10 %."""
    spend = "spend_discount: {tiers: [{up_to: 30, percent_off: 0}, {percent_off: 10}]}"
    assert discounted("amount_off: 30", "end: 2026-04-11")[0] == "10.00"
    assert discounted(f"amount_off: 30, {spend}", "end: 2026-04-11")[:2] == ("11.33", "22.00")


def test_an_add_on_has_the_discount_of_its_plan():
    """Half of twice 10.00, and 10 % of 99.99."""
    found = discounted("percent_off: 10", "add_ons: {more: 2}")
    assert found == ("20.00", "99.99", [("base", "", "10.00"), ("more", "", "10.00")])


def test_discounts_of_plans_come_before_coupons():
    """99.99 less 10.00 is 89.99; 50 % of that is 44.995: 45.00."""
    text = CATALOG.replace(
        "{id: acme, name: A}", "{id: acme, name: A, coupons: [{coupon: half, start: 2026-04-01}]}"
    )
    text += "coupons: [{id: half, name: H, percent_off: 50}]"
    found = discounted("amount_off: 10", text=text)
    assert found == ("55.00", "44.99", [("base", "", "10.00"), ("", "half", "45.00")])


def test_each_version_of_a_plan_takes_off_in_its_part():
    """Ten days at 10 % off, twenty at half: of 33.33 is 3.33, of 66.66 is 33.33."""
    first = CATALOG.replace("TERMS", "percent_off: 10,").replace("OWN", "")
    catalog = catalog_of(first)
    second = first.replace("percent_off: 10", "effective_from: 2026-04-05, percent_off: 50")
    second = second.replace(
        "start: 2026-04-01 }", "start: 2026-04-01, phases: [{start: 2026-04-11, plan_version: 2}]}"
    )
    resources = read_document(second, "c.yaml").resources(catalog, datetime(2026, 1, 2, tzinfo=UTC))
    catalog = catalog.advanced(
        2, versions_of(Versioned(each, 2, 2) for each in resources if each.kind in ("plan", "subscription"))
    )
    (spend,) = spend_of(rated(catalog, {}, AT)).by_amount(9)
    assert Decimal(spend.settled.discounts) == Decimal("36.66")
