"""Coupons and who redeemed them: applied, stored, and bounded, on both databases."""

import threading
from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import CatalogDocumentError
from tests.support.catalogs import catalog_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOCUMENT = """\
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 20}]}
coupons:
  - {id: launch, name: Launch, percent_off: 25, periods: 3, redemptions_max: 2, valid_from: 2026-01-01, valid_until: 2026-07-01}
  - {id: ten, name: Ten, amount_off: 10, currency: USD}
customers:
  - {id: acme, name: Acme, coupons: [{coupon: launch, start: 2026-02-01}]}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: bolt, plan: pro, start: 2026-01-01, coupons: [{coupon: launch, start: 2026-01-01}, {coupon: ten, start: 2026-03-01}]}
"""


def test_redemptions_are_columns_of_what_has_them(apply, store):
    """Of customers and of subscriptions, also after a restart's reading and a later change."""
    apply(DOCUMENT)
    catalog = store.snapshot("t")
    own, of_subscriptions = catalog.customers.redemptions, catalog.subscriptions.redemptions
    assert own.customer.to_pylist() == ["acme"]
    assert own.subscription.to_pylist() == [None]
    assert own.start_us.tolist() == [1_769_904_000_000_000]
    assert of_subscriptions.customer.to_pylist() == ["bolt", "bolt"]
    assert of_subscriptions.subscription.to_pylist() == ["bolt:pro", "bolt:pro"]
    assert of_subscriptions.coupon.to_pylist() == ["launch", "ten"]
    apply("customers: [{id: acme, name: Acme}]")
    assert len(store.snapshot("t").customers.redemptions) == 0
    assert len(catalog.customers.redemptions) == 1


@pytest.mark.parametrize(
    ("customer", "mistakes"),
    [
        (
            "{id: coil, name: C, coupons: [{coupon: launch, start: 2026-03-01}]}",
            [
                "llm.yaml:1: customers.coil.coupons[0].coupon: 'launch' may be redeemed 2 times, and would be 3 times"
            ],
        ),
        ("{id: acme, name: A, coupons: [{coupon: launch, start: 2026-03-01}]}", []),
        (
            "{id: coil, name: C, coupons: [{coupon: ten, start: 2026-01-01}, {coupon: ten, start: 2026-02-01}]}",
            ["llm.yaml:1: customers.coil.coupons[1].coupon: 'ten' is the coupon of a redemption above, too"],
        ),
        (
            "{id: coil, name: C, coupons: [{coupon: tne, start: 2026-01-01}]}",
            [
                (
                    "llm.yaml:1: customers.coil.coupons[0].coupon: there is no coupon 'tne' in this document or in the "
                    "catalog; did you mean 'ten'?"
                )
            ],
        ),
    ],
)
def test_a_redemption_is_held_against_the_catalog(apply, store, customer, mistakes):
    """Its coupon exists and isn't used up; one that moves in time counts once."""
    apply(DOCUMENT)
    document = read_document(f"customers: [{customer}]", "llm.yaml")
    found = []
    try:
        store.apply("t", document, applied_at=NOW)
    except CatalogDocumentError as error:
        found = [str(each) for each in error.mistakes]
    assert found == mistakes


def test_a_redemption_starts_while_its_coupon_is_valid(mistakes_of):
    """From, and until but not including."""
    catalog = catalog_of(
        read_document(DOCUMENT, "c.yaml").resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert mistakes_of(
        "customers:\n"
        "  - {id: acme, name: A, coupons: [{coupon: launch, start: 2026-07-01}]}\n"
        "  - {id: bolt, name: B, coupons: [{coupon: launch, start: 2025-12-31}]}\n",
        catalog,
    ) == [
        "llm.yaml:2: customers.acme.coupons[0].start: 2026-07-01 is not in the time in which 'launch' may be redeemed",
        "llm.yaml:3: customers.bolt.coupons[0].start: 2025-12-31 is not in the time in which 'launch' may be redeemed",
        "llm.yaml:3: customers.bolt.coupons[0].coupon: 'launch' may be redeemed 2 times, and would be 3 times",
    ]


def test_a_coupon_is_not_limited_below_what_is_redeemed(mistakes_of):
    catalog = catalog_of(
        read_document(DOCUMENT, "c.yaml").resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    )
    text = "coupons: [{id: launch, name: Launch, percent_off: 25, redemptions_max: 1}]"
    assert mistakes_of(text, catalog) == [
        "llm.yaml:1: coupons.launch.redemptions_max: is 1, and it is redeemed 2 times"
    ]


def test_the_prices_of_a_coupon_exist(mistakes_of):
    """In one of its plans."""
    text = DOCUMENT.replace("amount_off: 10, currency: USD", "percent_off: 5, plans: [pro], prices: [fees]")
    assert mistakes_of(text) == [
        "llm.yaml:5: coupons.ten.prices[0]: no price 'fees' is among those that its plans have; did you mean 'fee'?"
    ]


def test_two_who_apply_at_once_do_not_share_the_last_redemption(store, apply):
    """One of them is told that the coupon is used up."""
    apply(DOCUMENT.replace("redemptions_max: 2", "redemptions_max: 3"))
    documents = [
        read_document(
            f"customers: [{{id: c{n}, name: C, coupons: [{{coupon: launch, start: 2026-02-01}}]}}]", "c"
        )
        for n in range(4)
    ]
    barrier, refused = threading.Barrier(len(documents)), []

    def applies(document):
        barrier.wait()
        try:
            store.apply("t", document, applied_at=NOW)
        except CatalogDocumentError as error:
            refused.append(str(error.mistakes[0]))

    threads = [threading.Thread(target=applies, args=(each,)) for each in documents]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 3
    assert store.snapshot("t").customers.redemptions.counts["launch"] == 2
