"""Tiers carry over where the quantities of a period's parts add up, and nowhere else."""

from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import CatalogDocumentError

NOW = datetime(2026, 3, 10, tzinfo=UTC)
PRICE = "{id: calls, meter: calls, model: per_unit, unit_amount: 1, tier_proration: carry_over}"
PLAN = f"plans:\n  - {{id: p, name: P, currency: USD, prices: [{PRICE}]}}\n"


def meter(more):
    return f"meters:\n  - {{id: calls, event_type: call, {more}}}\n"


def mistakes(text, catalog=None):
    with pytest.raises(CatalogDocumentError) as caught:
        read_document(text, "c.yaml").changes(catalog or Catalog.empty("t"), NOW)
    return [str(each) for each in caught.value.mistakes]


@pytest.mark.parametrize(
    "more",
    [
        "aggregation: max, value: n",
        "aggregation: unique_count, value: n",
        "aggregation: sum, value: n, carries_over: true",
    ],
)
def test_a_level_has_nothing_to_carry_over(more):
    """It is measured anew in each part."""
    assert mistakes(meter(more) + PLAN) == [
        (
            "c.yaml:4: plans.p.prices.calls.tier_proration: carry_over needs a meter whose parts add up (count or sum, without "
            "carries_over); 'calls' is measured anew in each part: leave it out"
        )
    ]


def test_a_meter_stays_one_that_adds_up_while_a_price_carries_over():
    """Also where only an earlier version of the plan does."""
    catalog = Catalog.empty("t")
    for text in (meter("aggregation: count") + PLAN, PLAN.replace(", tier_proration: carry_over", "")):
        catalog = read_document(text, "c.yaml").changes(catalog, NOW).applied_to(catalog)
    found = mistakes(meter("aggregation: latest, value: n"), catalog)
    assert found == [
        (
            "c.yaml:2: meters.calls.aggregation: must stay one whose parts add up (count or sum, without carries_over): the price "
            "'calls' of the plan 'p' in the catalog carries its tiers over"
        )
    ]


def test_a_price_without_a_meter_has_no_tiers_to_carry_over():
    """A flat amount is prorated."""
    flat = "{id: fee, model: flat, flat_amount: 1, tier_proration: carry_over}"
    assert mistakes(PLAN.replace(PRICE, flat)) == [
        "c.yaml:2: plans.p.prices.fee.tier_proration: belongs to a price with a meter only: remove it"
    ]


def test_the_highest_is_of_a_price_with_a_quantity():
    """A flat amount has no quantity, and a meter measures its own."""
    flat = "{id: fee, model: flat, flat_amount: 1, proration: highest}"
    assert mistakes(PLAN.replace(PRICE, flat)) == [
        "c.yaml:2: plans.p.prices.fee.proration: highest belongs to a price with a quantity only: remove it"
    ]
