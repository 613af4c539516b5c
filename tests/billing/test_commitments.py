"""What commitments add to a billing period: worked out by hand, and like the slow oracle over random catalogs."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.billing.terms.settled import settled
from engine.spend.applied_terms import applied_commitments
from engine.spend.spend import spend_of
from tests.support.billing_cases import (
    AT,
    catalog_of,
    history_of,
    random_case,
    rated,
    settled_sums,
    spends_at_once_and_in_pieces,
)
from tests.support.committing_catalogs import text_of
from tests.support.long_forms import numbered
from tests.support.random_commitments import with_all_terms, with_commitments
from tests.support.terms_oracle import NAMES, settled_by_oracle

APRIL = datetime(2026, 4, 10, tzinfo=UTC)


def usage_of(calls, *starts):
    return {
        ("calls", "acme", start): [((), Decimal(calls), calls, "0" * 32, 0, 0)]
        for start in starts or [datetime(2026, 4, 1, tzinfo=UTC)]
    }


def committed(terms="", own="", more="", calls=0, at=APRIL):
    """(what is due, what commitments add, [(prices, committed, spend, overage, true-up)])."""
    catalog = catalog_of(text_of(terms, own, more))
    found = rated(catalog, usage_of(calls), at)
    (spend,) = spend_of(found).by_amount(9)
    applied = [
        (" ".join(each.prices), *map(str, (each.amount, each.spend, each.overage, each.true_up)))
        for each in applied_commitments(settled(found))
    ]
    return str(spend.settled.due), str(spend.settled.commitments), applied


def test_spend_below_a_minimum_is_made_up_for():
    """80.00 of 100.00."""
    assert committed("minimum_amount: 100") == (
        "100.00",
        "20.00",
        [("", "100.00", "80.00", "0.00", "20.00")],
    )


def test_spend_beyond_a_commitment_costs_its_factor():
    """80.00 and 40.00 of calls: 20.00 beyond 100.00, half as much again."""
    found = committed("commitments: [{amount: 100, overage_factor: 1.5}]", calls=4000)
    assert found == ("130.00", "10.00", [("", "100.00", "120.00", "10.00", "0.00")])


def test_without_true_up_the_factor_alone_counts():
    assert committed("commitments: [{amount: 100, true_up: false}]")[:2] == ("80.00", "0.00")


def test_a_commitment_counts_the_prices_that_it_names():
    """Calls of 5.00 of 50.00, and the fee toward the one for all."""
    found = committed("commitments: [{amount: 50, prices: [calls]}, {amount: 90}]", calls=500)
    expected = [("calls", "50.00", "5.00", "0.00", "45.00"), ("", "90.00", "80.00", "0.00", "10.00")]
    assert found == ("140.00", "55.00", expected)


def test_the_commitments_of_a_subscription_stand_in_place_of_its_plans():
    """85.00 in place of 100.00 and of the 50.00 for calls; an empty list says nothing."""
    plan = "minimum_amount: 100, commitments: [{amount: 50, prices: [calls]}]"
    assert committed(plan, "commitments: [{amount: 85}]")[:2] == ("85.00", "5.00")
    assert committed(plan, "commitments: []")[:2] == ("150.00", "70.00")


def test_a_subscription_that_ends_commits_its_share():
    """90.00 for ten days of April's thirty are 30.00; a third of the fee is 26.67."""
    assert committed("minimum_amount: 90", "end: 2026-04-11")[:2] == ("30.00", "3.33")


def test_a_commitment_that_changes_in_a_period_is_committed_by_the_second():
    """100.00 for ten of thirty days and 250.00 for twenty: 33.33 1/3 + 166.66 2/3 = 200.00; the factor is the last one."""
    phases = "phases: [{start: 2026-04-11, commitments: [{amount: 250, overage_factor: 2}]}]"
    found = committed("minimum_amount: 100", phases)
    assert found == ("200.00", "120.00", [("", "200.00", "80.00", "0.00", "120.00")])
    # 80.00 and 130.00 of calls: 10.00 beyond, twice.
    assert committed("minimum_amount: 100", phases, calls=13000)[0] == "220.00"


def test_an_upgrade_commits_what_each_plan_does_in_its_part():
    """26.67 and 60.00 of fees toward 10 days of 90.00 and 20 of 120.00: 30.00 + 80.00."""
    found = committed(
        "minimum_amount: 90",
        "phases: [{start: 2026-04-11, plan: team}]",
        "commitments: [{amount: 120}]",
    )
    assert found == ("110.00", "23.33", [("", "110.00", "86.67", "0.00", "23.33")])


def test_of_commitments_for_other_prices_those_that_hold_last_count():
    """First calls alone, then calls and the fee: 90.00 toward 20 of 30 days of 150.00."""
    own = "commitments: [{amount: 30, prices: [calls]}], phases: [{start: 2026-04-11, commitments: [{amount: 150, prices: [calls, fee]}]}]"
    found = committed("", own, calls=1000)
    assert found == ("100.00", "10.00", [("calls fee", "100.00", "90.00", "0.00", "10.00")])


def test_what_was_spent_is_not_made_up_for_after_a_change_of_commitments():
    """230.00 are spent, whichever of the two commitments of 100.00 counts; after an upgrade the new plan's alone does."""
    phase = "phases: [{start: 2026-04-16, commitments: [{amount: 100, prices: [fee, calls]}]}]"
    assert committed("", f"commitments: [{{amount: 100}}], {phase}", calls=15000)[:2] == ("230.00", "0.00")
    # 40.00 and 45.00 of fees; half of 60.00 for the fee.
    upgrade = committed(
        "minimum_amount: 100",
        "phases: [{start: 2026-04-16, plan: team}]",
        "commitments: [{amount: 60, prices: [fee]}]",
    )
    assert upgrade == ("85.00", "0.00", [("fee", "30.00", "85.00", "0.00", "0.00")])


def test_a_commitment_for_a_price_is_told_apart_among_any_number_of_plans():
    """1,200 plans have a price of the id that one subscription commits to, and ids may be long."""
    more = "".join(
        f"  - {{id: {'p' * 90}{number}, name: P, currency: USD, prices: [{{id: fee, model: flat, flat_amount: 1}}]}}\n"
        for number in range(1200)
    )
    text = text_of("", "commitments: [{amount: 100, prices: [fee]}]").replace(
        "customers:", f"{more}customers:"
    )
    text += "".join(
        f"  - {{customer: acme, plan: {'p' * 90}{number}, start: 2026-04-01}}\n" for number in range(1200)
    )
    (spend,) = spend_of(rated(catalog_of(text), {}, APRIL)).by_amount(9)
    # 80.00 and 20.00 more, and 1.00 for each of the others.
    assert str(spend.settled.due) == "1300.00"


@pytest.mark.parametrize("phase", ["trial: free_fees", "trial: free", "paused: true"])
def test_nothing_is_committed_in_a_trial_or_a_pause(phase):
    """All of April, and its last twenty days: 90.00 commit 30.00, and the fee is 26.67."""
    whole = committed("minimum_amount: 90", f"phases: [{{start: 2026-04-01, {phase}}}]")
    assert whole == ("0.00", "0.00", [])
    assert committed("minimum_amount: 90", f"phases: [{{start: 2026-04-11, {phase}}}]")[:2] == (
        "30.00",
        "3.33",
    )


def test_a_subscription_without_a_line_owes_its_commitment():
    """A plan without prices, beside another customer."""
    text = """
plans:
  - {id: base, name: B, currency: USD, minimum_amount: 5, prices: []}
customers: [{id: acme, name: A}, {id: bolt, name: B}]
subscriptions:
  - {customer: acme, plan: base, start: 2026-04-01}
  - {customer: bolt, plan: base, start: 2026-04-01, phases: [{start: 2026-04-02, quantities: {}}]}
"""
    spends = spend_of(rated(catalog_of(text), {}, APRIL)).by_amount(9)
    assert [(each.customer_id, str(each.settled.due)) for each in spends] == [
        ("acme", "5.00"),
        ("bolt", "5.00"),
    ]


def test_commitments_come_after_coupons_and_before_credit_and_taxes():
    """80.00 less 10 % is 72.00; 28.00 are short; 5.00 of credit leave 95.00; 20 % are 19.00."""
    text = text_of("minimum_amount: 100").replace(
        "{id: acme, name: A}",
        "{id: acme, name: A, tax_region: AT, coupons: [{coupon: ten, start: 2026-04-01}]}",
    )
    text += """
coupons: [{id: ten, name: T, percent_off: 10}]
tax_regions: [{id: AT, name: Austria, rates: [{id: vat, percent: 20}]}]
credit_grants: [{id: gift, customer: acme, currency: USD, amount: 5, effective_at: 2026-04-01}]
"""
    catalog = catalog_of(text)
    (spend,) = spend_of(rated(catalog, {}, APRIL), history_of(catalog, {}, APRIL)).by_amount(9)
    found = spend.settled
    assert (str(found.discounts), str(found.after_discounts), str(found.commitments)) == (
        "8.00",
        "72.00",
        "28.00",
    )
    assert (str(found.credits), str(found.tax), str(found.due)) == ("5.00", "19.00", "114.00")


def test_credit_pays_for_the_true_ups_of_earlier_periods_first():
    """150.00 of credit: April's 80.00 and its true-up of 20.00 take 100.00, so May has 50.00 left."""
    grant = (
        "credit_grants: [{id: gift, customer: acme, currency: USD, amount: 150, effective_at: 2026-04-01}]"
    )
    catalog, may = catalog_of(text_of("minimum_amount: 100") + grant), datetime(2026, 5, 10, tzinfo=UTC)
    (spend,) = spend_of(rated(catalog, {}, may), history_of(catalog, {}, may)).by_amount(9)
    assert (str(spend.settled.credits), str(spend.settled.due)) == ("50.00", "50.00")


@pytest.mark.parametrize("part", numbered(1, 50))
def test_random_commitments_add_as_by_hand(seed, part):
    """Every customer's and everybody's sums, in columns and in fractions; also some customers at a time."""
    dice = random.Random(f"{seed}-{part}")
    for number in range(6):
        terms = with_all_terms if number % 2 else with_commitments
        catalog, usage = random_case(dice, terms)
        expected = settled_by_oracle(catalog, usage, AT)
        for spends in spends_at_once_and_in_pieces(catalog, usage):
            assert settled_sums(spends, NAMES) == expected
