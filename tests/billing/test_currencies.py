"""Bills in several currencies of one plan, worked out by hand; random histories in two are in test_histories."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.billing.running_periods.invoicing_thresholds import thresholds_at
from engine.catalog.kinds.customer import Customer
from engine.catalog.snapshots.versions import Versioned
from engine.entitlements.entitled import entitled_at
from engine.spend.spend import spend_of
from engine.times import datetime_us
from tests.support.billing_cases import catalog_of, history_of, rated
from tests.support.catalogs import versions_of

AT = datetime(2026, 4, 10, tzinfo=UTC)
CATALOG = """
meters: [{id: calls, event_type: call, aggregation: count}]
plans:
  - id: base
    name: B
    currency: USD
    amount_off: 5
    minimum_amount: 100
    invoicing_threshold: 50
    limits: [{id: cap, amount: 500}]
    prices: [{id: fee, model: flat, flat_amount: 80}, {id: seat, model: per_unit, unit_amount: "7.25", quantity: 2}]
    currencies:
      JPY:
        prices: {fee: {flat_amount: 12000}, seat: {unit_amount: "1080.3"}}
        amount_off: 700
        minimum_amount: 15000
        invoicing_threshold: 7000
        limits: {cap: 75000}
  - id: more
    name: M
    currency: USD
    prices: [{id: extra, model: flat, flat_amount: 10}]
    currencies: {JPY: {prices: {extra: {flat_amount: 1500}}}}
customers: [{id: acme, name: A, currency: JPY}, {id: bolt, name: B}]
subscriptions:
"""


def spends(subscriptions):
    """(customer, currency) -> (its lines, off, added by commitments, due)."""
    catalog = catalog_of(CATALOG + subscriptions)
    return {
        (each.customer_id, each.currency): (
            str(each.amount),
            *(str(getattr(each.settled, name)) for name in ("discounts", "commitments", "due")),
        )
        for each in spend_of(rated(catalog, {}, AT)).by_amount(9)
    }


def test_each_is_billed_in_the_currency_of_its_customer_or_in_its_own():
    """In yen 12,000 + 2 x 1,080.3 = 14,160.6: lines of 12,000 and 2,161, less 700 are 13,461, and 1,539 up to 15,000. In dollars
    80.00 + 14.50 - 5.00 = 89.50, and 10.50 up to 100.00.
    """
    found = spends(
        "  - {customer: acme, plan: base, start: 2026-04-01}\n  - {customer: bolt, plan: base, start: 2026-04-01}"
    )
    assert found == {
        ("acme", "JPY"): ("14161", "700", "1539", "15000"),
        ("bolt", "USD"): ("94.50", "5.00", "10.50", "100.00"),
    }


def test_a_subscription_of_its_own_currency_stands_beside_one_in_its_customers():
    """One customer, two bills: 10.00 dollars, and yen as above."""
    found = spends(
        "  - {customer: acme, plan: base, start: 2026-04-01}\n"
        "  - {customer: acme, plan: more, currency: USD, start: 2026-04-01}"
    )
    assert found == {
        ("acme", "JPY"): ("14161", "700", "1539", "15000"),
        ("acme", "USD"): ("10.00", "0.00", "0.00", "10.00"),
    }


def test_phases_and_add_ons_are_in_the_same_currency():
    """Half a month of each: 6,000 and 1,080.3, which is 1,080, with 2,250 of three add-ons; then 750 of the other plan."""
    found = spends(
        "  - {customer: acme, plan: base, start: 2026-04-01, add_ons: {more: 3}, "
        "phases: [{start: 2026-04-16, plan: more, add_ons: {}}]}"
    )
    assert set(found) == {("acme", "JPY")}
    assert found["acme", "JPY"][0] == "10080"


@pytest.mark.parametrize(("customer", "cap", "threshold"), [("acme", "75000", 7000), ("bolt", "500", 5000)])
def test_limits_and_thresholds_are_amounts_of_that_currency(customer, cap, threshold):
    """A threshold of 50.00 dollars is 5,000 cents, one of 7,000 yen has no smaller unit."""
    catalog = catalog_of(f"{CATALOG}  - {{customer: {customer}, plan: base, start: 2026-04-01}}")
    currency = {"acme": "JPY", "bolt": "USD"}[customer]
    (held,) = entitled_at(catalog, customer, datetime_us(AT)).limits
    assert (str(held.limit.bound), held.currency) == (cap, currency)
    (found,) = thresholds_at(catalog, np.arange(1), datetime_us(AT)).values()
    assert (found.amount_minor, found.currency) == (threshold, currency)


def test_terms_in_a_currency_are_kept_once_for_all_who_have_them():
    """A thousand customers in yen on one plan come to one text of terms more."""
    customers = "".join(f", {{id: c{number}, name: C, currency: JPY}}" for number in range(1_000))
    text = CATALOG.replace("{id: bolt, name: B}]", f"{{id: bolt, name: B}}{customers}]")
    text += "".join(
        f"  - {{customer: c{number}, plan: base, start: 2026-04-01}}\n" for number in range(1_000)
    )
    columns = catalog_of(text + "  - {customer: bolt, plan: base, start: 2026-04-01}").subscription_columns
    assert sorted(columns.terms) == ['{"currency":"JPY","plan":"base"}', '{"plan":"base"}']
    assert np.bincount(columns.step_terms).tolist() in ([1, 1_000], [1_000, 1])


def test_a_term_that_only_another_currency_has_is_derived_from_its_earlier_periods():
    """9,000 yen over two months, of which April is the second: 1,500 in March and 1,500 in April leave 6,000."""
    text = """
plans:
  - id: base
    name: B
    currency: USD
    commitments: [{amount: 100}]
    prices: [{id: fee, model: flat, flat_amount: 10}]
    currencies: {JPY: {prices: {fee: {flat_amount: 1500}}, commitments: [{amount: 9000, periods: 2}]}}
customers: [{id: acme, name: A, currency: JPY}]
subscriptions:
"""
    catalog = catalog_of(f"{text}  - {{customer: acme, plan: base, start: 2026-03-01}}")
    (spend,) = spend_of(rated(catalog, {}, AT), history_of(catalog, {}, AT)).by_amount(9)
    assert (str(spend.amount), str(spend.settled.commitments)) == ("1500", "6000")


def test_columns_of_two_catalogs_whose_customers_differ_are_kept_both():
    """A job that rates at a revision, and readers of the next one."""
    before = catalog_of(f"{CATALOG}  - {{customer: acme, plan: base, start: 2026-04-01}}")
    renamed = Customer.read({"id": "acme", "name": "Other", "currency": "JPY"})
    after = before.advanced(2, versions_of([Versioned(renamed, 2, 2)]))
    found = [each.subscription_columns for each in (before, after, before, after)]
    assert found[0] is found[2]
    assert found[1] is found[3]
