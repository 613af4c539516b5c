"""Revenue splits: applied, stored, and refused where they would pay a price out twice, on both databases."""

from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from tests.support.catalogs import catalog_of

DOCUMENT = """\
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 20}, {id: desk, model: flat, flat_amount: 5}]}
  - {id: euro, name: Euro, currency: EUR, prices: [{id: fee, model: flat, flat_amount: 20}]}
revenue_splits:
  - {id: apps, name: Apps, plans: [pro], prices: [fee], end: 2026-07-01, shares: [{recipient: author, percent: 70}]}
"""
SHARE = "shares: [{recipient: a, percent: 5}]"
FEE = "plans: [pro], prices: [fee]"


def test_splits_are_found_by_their_plans(apply, store):
    """Also after a change; one that is archived is no more."""
    apply(DOCUMENT)
    (split,) = store.snapshot("t").revenue_splits_of["pro"]
    assert [(each.recipient_id, str(each.weight)) for each in split.split.shares] == [("author", "70")]
    assert (str(split.split.platform_percent), str(split.split.base)) == ("30", "net")
    apply(f"revenue_splits: [{{id: apps, name: Apps, plans: [euro], {SHARE}}}]")
    assert list(store.snapshot("t").revenue_splits_of) == ["euro"]
    assert list(store.snapshot("t", 1).revenue_splits_of) == ["pro"]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ("plans: [], " + SHARE, "plans: must have 1 to 200 entries"),
        (
            "plans: [por], " + SHARE,
            "there is no plan 'por' in this document or in the catalog; did you mean 'pro'?",
        ),
        ("plans: [pro], prices: [fees], " + SHARE, "no price 'fees' is among those that its plans have"),
        ("plans: [euro], shares: []", "shares: must have 1 to 100 entries"),
        (
            "plans: [euro], shares: [{recipient: a}]",
            "shares[0].percent: is missing: a share is a percentage, or an amount",
        ),
        (
            "plans: [euro], shares: [{recipient: a, percent: 60.5}, {recipient: b, percent: 40}]",
            "shares: come to 100.5 %: at most 100",
        ),
        (
            "plans: [euro], shares: [{recipient: a, percent: 5}, {recipient: a, percent: 6}]",
            "shares[1].recipient: 'a' is",
        ),
        (
            "plans: [euro], shares: [{recipient: a, amount: 5}]",
            "currency: is missing: amounts are in a currency",
        ),
        (f"plans: [euro], currency: EUR, {SHARE}", "currency: belongs to amounts"),
        (
            "plans: [euro], currency: EUR, shares: [{recipient: a, amount: 0.005}]",
            "shares[0].amount: must have at most 2 fractional digits in EUR",
        ),
        (
            f"plans: [euro], currency: EUR, platform_amount: 0.001, {SHARE}",
            "platform_amount: must have at most 2 fractional digits in EUR",
        ),
        (
            "plans: [euro], currency: USD, shares: [{recipient: a, amount: 5}]",
            "plans[0]: the plan 'euro' is in EUR, the amounts are in USD",
        ),
        (f"plans: [euro], start: 2026-01-01, end: 2026-01-01, {SHARE}", "end: must be after start"),
        (
            f"plans: [euro, pro], {SHARE}",
            "plans[1]: a price of the plan 'pro' is split by 'apps' (the catalog) at the same time: end the earlier one",
        ),
        (f"{FEE}, start: 2026-06-30, {SHARE}", "is split by 'apps' (the catalog) at the same time"),
    ],
)
def test_what_can_not_be_divided_is_refused(mistakes_of, fields, mistake):
    """With its place."""
    catalog = catalog_of_document()
    found = mistakes_of(f"revenue_splits: [{{id: new, name: N, {fields}}}]", catalog)
    assert any(mistake in each for each in found), found


@pytest.mark.parametrize("scope", [f"{FEE}, start: 2026-07-01", "plans: [pro], prices: [desk]"])
def test_splits_may_follow_each_other_and_stand_beside_each_other(apply, scope):
    apply(DOCUMENT)
    assert apply(f"revenue_splits: [{{id: new, name: N, {scope}, {SHARE}}}]") is not None


def test_splits_of_one_document_are_held_against_each_other(mistakes_of):
    """The later one is at fault; one that replaces its own earlier version is not."""
    text = f"""\
revenue_splits:
  - {{id: apps, name: A, plans: [pro], {SHARE}}}
  - {{id: more, name: M, plans: [pro], prices: [desk], {SHARE}}}
"""
    assert mistakes_of(text, catalog_of_document()) == [
        (
            "llm.yaml:3: revenue_splits.more.plans[0]: a price of the plan 'pro' is split by 'apps' (line 2) at the same "
            "time: end the earlier one by the start of the later"
        )
    ]


def test_a_plan_does_not_leave_the_currency_of_its_splits(mistakes_of):
    """Amounts in dollars would be nothing of euros."""
    catalog = catalog_of_document(
        "  - {id: fix, name: F, plans: [euro], currency: EUR, shares: [{recipient: a, amount: 1}]}\n"
    )
    text = "plans: [{id: euro, name: E, currency: USD, prices: [{id: fee, model: flat, flat_amount: 20}]}]"
    assert mistakes_of(text, catalog) == [
        "llm.yaml:1: plans.euro.currency: must be EUR: the revenue split 'fix' has amounts in it"
    ]


def catalog_of_document(more=""):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return catalog_of(read_document(DOCUMENT + more, "c.yaml").resources(Catalog.empty("t"), now))
