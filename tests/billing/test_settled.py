"""What lines come to after coupons and taxes: worked out by hand, and like the slow oracle over random catalogs."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.billing.terms.settled import settled
from engine.spend.applied_terms import applied_credits, applied_discounts, applied_taxes
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
from tests.support.terms_cases import CATALOG, GRANTS, SELLER, with_credit
from tests.support.terms_oracle import NAMES, settled_by_oracle


def due(coupons="", own="", at=datetime(2026, 3, 10, tzinfo=UTC)):
    """What acme owes by currency."""
    text = CATALOG.replace("COUPONS", coupons).replace("OWN", own)
    spends = spend_of(rated(catalog_of(text), {}, at)).by_amount(10)
    return {each.currency: str(each.settled.due) for each in spends}


def test_without_coupons_what_is_due_are_the_lines():
    """80 + 20, and 50; a catalog that has coupons nobody redeemed looks the same."""
    assert due() == {"USD": "100.00", "EUR": "50.00"}


def test_a_percentage_of_the_customer_is_off_each_invoice():
    assert due("{coupon: ten, start: 2026-01-01}") == {"USD": "90.00", "EUR": "45.00"}


def test_a_percentage_comes_before_an_amount():
    """100 less 10 % is 90, less 30 is 60. An amount in dollars is nothing off euros."""
    both = "{coupon: thirty, start: 2026-01-01}, {coupon: ten, start: 2026-02-01}"
    assert due(both) == {"USD": "60.00", "EUR": "45.00"}


def test_a_coupon_of_a_subscription_is_off_its_lines_alone():
    assert due(own="{coupon: ten, start: 2026-01-31}") == {"USD": "90.00", "EUR": "50.00"}


def test_a_coupon_is_off_the_prices_that_it_names():
    assert due("{coupon: helping, start: 2026-01-31}") == {"USD": "80.00", "EUR": "50.00"}


@pytest.mark.parametrize(
    ("month", "day", "dollars"),
    [(2, 10, "50.00"), (3, 10, "50.00"), (3, 31, "50.00"), (4, 29, "50.00"), (4, 30, "100.00")],
)
def test_a_coupon_lasts_its_periods(month, day, dollars):
    """Three from 31 January on: to 28 February, to 31 March, to 30 April; not the one that begins there."""
    at = datetime(2026, month, day, tzinfo=UTC)
    assert due("{coupon: quarter, start: 2026-01-31}", at=at)["USD"] == dollars


def test_a_coupon_begins_with_the_period_that_contains_its_start():
    """Redeemed on the last instant of a period, and on the first one after it."""
    assert due("{coupon: ten, start: 2026-03-30T23:59:59.999999Z}")["USD"] == "90.00"
    assert due("{coupon: ten, start: 2026-03-31}")["USD"] == "100.00"


def test_a_subscription_that_comes_later_does_not_have_a_coupon_anew():
    """Redeemed in August, its three periods are over before the subscription begins."""
    assert due("{coupon: quarter, start: 2025-08-31}")["USD"] == "100.00"
    # Counted on the subscription's months, the period of 30 November is the first of three.
    assert due("{coupon: quarter, start: 2025-12-01}", at=datetime(2026, 2, 1, tzinfo=UTC))["USD"] == "50.00"


def test_each_coupon_tells_what_it_took():
    """By invoice, percentages first."""
    text = CATALOG.replace("COUPONS", "{coupon: ten, start: 2026-01-31}")
    text = text.replace("OWN", "{coupon: thirty, start: 2026-01-31}")
    applied = applied_discounts(settled(rated(catalog_of(text), {}, datetime(2026, 3, 10, tzinfo=UTC))))
    found = [(each.coupon_id, each.subscription_id, each.currency, each.amount) for each in applied]
    assert found == [
        ("ten", "", "USD", Decimal("10.00")),
        ("thirty", "acme:base", "USD", Decimal("30.00")),
        ("ten", "", "EUR", Decimal("5.00")),
    ]
    assert {each.period.start for each in applied} == {datetime(2026, 2, 28, tzinfo=UTC)}


def taxed(customer, coupons="", at=datetime(2026, 3, 10, tzinfo=UTC), seller=SELLER):
    """The dollars that acme owes, and the taxes in them."""
    text = CATALOG.replace("COUPONS", coupons).replace("OWN", "").replace("name: A,", f"name: A, {customer},")
    found = settled(rated(catalog_of(text + seller), {}, at))
    (spend,) = [
        each
        for each in spend_of(rated(catalog_of(text + seller), {}, at)).by_amount(9)
        if each.currency == "USD"
    ]
    taxes = [
        (each.tax_id, str(each.taxable_amount), str(each.amount), each.reverse_charge)
        for each in applied_taxes(found)
        if each.currency == "USD"
    ]
    return str(spend.settled.due), taxes


def test_two_taxes_of_a_region_are_on_top():
    """5 % and 7 % of 80.00 and of 20.00."""
    assert taxed("tax_region: BC") == (
        "112.00",
        [("gst", "100.00", "5.00", False), ("pst", "100.00", "7.00", False)],
    )


def test_a_compound_tax_is_on_the_tax_before_it():
    """9.975 % of 84.00 is 8.379, of 21.00 is 2.094...: 8.38 and 2.09."""
    due, (_, qst) = taxed("tax_region: QC")
    assert (due, qst) == ("115.47", ("qst", "105.00", "10.47", False))


def test_a_price_that_contains_a_tax_does_not_become_dearer():
    """24 % in 80.00 is 15.48, in 20.00 is 3.87."""
    assert taxed("tax_region: GR") == ("100.00", [("vat", "80.65", "19.35", False)])


@pytest.mark.parametrize(("day", "due"), [(30, "116.00"), (31, "119.00")])
def test_the_rate_is_that_of_the_periods_last_instant(day, due):
    """16 % to the period that ends on 31 March, 19 % after it."""
    assert taxed("tax_region: DE", at=datetime(2026, 3, day, tzinfo=UTC))[0] == due


def test_what_is_taxed_is_what_coupons_leave():
    """20 % of 90.00."""
    assert taxed("tax_region: AT", "{coupon: ten, start: 2026-01-01}")[0] == "108.00"


def test_a_customer_with_a_vat_id_of_another_country_of_the_union_owes_the_tax():
    """Not with one of its seller's country or none; nor where the seller has no region; nor if its own is another's."""
    vat_id = "tax_ids: [{type: eu_vat, value: ATU13585627}]"
    assert taxed(f"tax_region: AT, {vat_id}") == ("100.00", [("vat", "100.00", "0.00", True)])
    assert taxed("tax_region: AT")[0] == "120.00"
    assert taxed("tax_region: AT, tax_ids: [{type: eu_vat, value: DE136695976}]")[0] == "120.00"
    assert taxed("tax_region: DE, tax_ids: [{type: eu_vat, value: DE136695976}]")[0] == "116.00"
    assert taxed(f"tax_region: AT, {vat_id}", seller=SELLER.replace(", tax_region: DE", ""))[0] == "120.00"
    # Greek VAT ids begin with EL. What prices contain stays in them, or is taken out.
    greek = "tax_region: GR, tax_ids: [{type: eu_vat, value: EL 094259216}]"
    assert taxed(greek) == ("100.00", [("vat", "100.00", "0.00", True)])
    stripped = SELLER.replace("tax_region: DE}", "tax_region: DE, inclusive_reverse_charge: strip}")
    assert taxed(greek, seller=stripped) == ("80.65", [("vat", "80.65", "0.00", True)])


def test_an_exempt_customer_pays_no_tax():
    assert taxed("tax_region: BC, tax_exempt: true") == ("100.00", [])


def credited(at, grants=GRANTS, coupons="", more=""):
    """The dollars that acme owes, and what is drawn of each grant and left of it."""
    text = CATALOG.replace("COUPONS", coupons).replace("OWN", "") + more + grants
    catalog = catalog_of(text)
    found, history = rated(catalog, {}, at), history_of(catalog, {}, at)
    (spend,) = [each for each in spend_of(found, history).by_amount(9) if each.currency == "USD"]
    drawn = {
        each.credit_grant_id: (str(each.amount), str(each.balance))
        for each in applied_credits(settled(found, history))
    }
    return str(spend.settled.due), drawn


@pytest.mark.parametrize(
    ("month", "day", "due", "drawn"),
    [
        # To 28 February: 100.00 of 250.00.
        (2, 10, "0.00", {"paid": ("100.00", "150.00")}),
        # To 31 March: the gift expires first and pays first: 30.00, and 70.00 of 150.00.
        (3, 10, "0.00", {"paid": ("70.00", "80.00"), "gift": ("30.00", "0.00")}),
        # To 30 April: the 80.00 that are left.
        (4, 10, "20.00", {"paid": ("80.00", "0.00")}),
        (5, 10, "100.00", {"paid": ("0.00", "0.00")}),
    ],
)
def test_credit_is_drawn_period_after_period(month, day, due, drawn):
    """What is left of a grant follows from all periods since its start."""
    assert credited(datetime(2026, month, day, tzinfo=UTC)) == (due, drawn)


def test_a_grant_of_every_month_is_anew_each_month():
    """40.00 a month, which don't gather; with two months each, the second time half of the first is left."""
    monthly = """
credit_grants:
  - {id: monthly, customer: acme, currency: USD, amount: 40, effective_at: 2026-01-31, recurs_months: 1}
"""
    march = datetime(2026, 3, 10, tzinfo=UTC)
    assert credited(march, monthly) == ("60.00", {"monthly": ("40.00", "0.00")})
    # 150.00 from 31 January to 31 March, and from 28 February to 30 April: 100.00 and 50.00 of the first, 50.00 of the second.
    lasting = monthly.replace("amount: 40", "amount: 150, lasts_months: 2")
    due, _ = credited(march, lasting)
    assert due == "0.00"
    found = credited(datetime(2026, 4, 10, tzinfo=UTC), lasting)
    # The second time has 100.00 left of 150.00 in April, and is used before the third.
    assert found == ("0.00", {"monthly": ("0.00", "150.00")})


def test_credit_pays_for_the_prices_that_it_names():
    """15.00 for help in the desk of 20.00."""
    help_only = (
        GRANTS.replace("amount: 250", "amount: 15, prices: [help]")
        .replace("amount: 30", "amount: 1, currency: EUR")
        .replace("customer: acme, currency: USD, amount: 1,", "customer: acme, amount: 1,")
    )
    due, drawn = credited(datetime(2026, 2, 10, tzinfo=UTC), help_only)
    assert (due, drawn["paid"]) == ("85.00", ("15.00", "0.00"))


def test_credit_comes_after_coupons_and_before_taxes_unless_said_otherwise():
    """90.00 after the coupon, 60.00 after 30.00 of credit, 72.00 with 20 %; or 108.00 less 30.00."""
    grants = GRANTS.replace("amount: 250", "amount: 30")
    more = (
        SELLER.replace("sellers:", "sellers: []\nunused:").partition("unused")[0].replace("sellers: []", "")
    )
    for order, expected in (("before_tax", "72.00"), ("after_tax", "78.00")):
        seller = f"{more}sellers:\n  - {{id: us, name: Us, credits_apply: {order}}}\n"
        text = CATALOG.replace("name: A,", "name: A, tax_region: AT,")
        text = (
            text.replace("COUPONS", "{coupon: ten, start: 2026-01-01}").replace("OWN", "") + seller + grants
        )
        catalog, at = catalog_of(text), datetime(2026, 2, 10, tzinfo=UTC)
        spends = spend_of(rated(catalog, {}, at), history_of(catalog, {}, at)).by_amount(9)
        assert [str(each.settled.due) for each in spends if each.currency == "USD"] == [expected], order


def test_credit_needs_the_history():
    """An answer without it would give credit twice."""
    text = CATALOG.replace("COUPONS", "").replace("OWN", "") + GRANTS
    with pytest.raises(ValueError, match="history"):
        settled(rated(catalog_of(text), {}, datetime(2026, 2, 10, tzinfo=UTC)))


def test_random_catalogs_settle_as_by_hand(seed):
    """Every customer's and everybody's sums, in columns and in fractions; also some customers at a time."""
    dice = random.Random(seed)
    for _ in range(40):
        catalog, usage = random_case(dice, with_credit)
        expected = settled_by_oracle(catalog, usage, AT)
        for spends in spends_at_once_and_in_pieces(catalog, usage):
            assert settled_sums(spends, NAMES) == expected
            for total in spends.totals():
                own = [sums for (_, currency), sums in expected.items() if currency == total.currency]
                assert Fraction(total.settled.due) == sum(each["due"] for each in own)
