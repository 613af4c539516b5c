"""What recipients of revenue splits have: worked out by hand, and like the slow oracle over random catalogs."""

import random
import re
from collections import defaultdict
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from engine.billing.terms.settled import settled
from engine.spend.revenue_shares import RecipientTotals, applied_shares
from engine.spend.spend import spend_of
from tests.support.billing_cases import AT, catalog_of, history_of, random_case, rated
from tests.support.terms_cases import CATALOG, GRANTS, SELLER, with_credit
from tests.support.terms_oracle import MINOR, settled_by_oracle, shares_by_oracle

MARCH = datetime(2026, 3, 10, tzinfo=UTC)


def shares(splits, at=MARCH, text=CATALOG, coupons=""):
    """(split, recipient, of, share) of what acme pays."""
    text = text.replace("COUPONS", coupons).replace("OWN", "")
    catalog = catalog_of(f"{text}\nrevenue_splits:\n" + "".join(f"  - {{{each}}}\n" for each in splits))
    found = applied_shares(settled(rated(catalog, {}, at), history_of(catalog, {}, at)))
    return [
        (each.revenue_split_id, each.recipient_id, str(each.split_amount), str(each.amount)) for each in found
    ]


APPS = "id: apps, name: A, plans: [base], shares: [{recipient: author, percent: 70}]"


def test_percentages_are_of_the_invoice_and_the_platform_has_the_rest():
    """80.00 and 20.00; the euros aren't split."""
    assert shares([APPS]) == [("apps", "author", "100.00", "70.00"), ("apps", "", "100.00", "30.00")]


def test_amounts_come_before_percentages():
    """1.00 to the insurer; 99.00 are left: 0.30 to the platform and 30 % of it, 29.70, and the rest."""
    terms = "currency: USD, platform_amount: 0.30, shares: [{recipient: author, percent: 70}, {recipient: insurer, amount: 1}]"
    assert shares([f"id: apps, name: A, plans: [base], {terms}"]) == [
        ("apps", "author", "100.00", "69.00"),
        ("apps", "insurer", "100.00", "1.00"),
        ("apps", "", "100.00", "30.00"),
    ]


def test_prices_may_have_splits_of_their_own():
    """80 % of the fee to one, 1.50 and 10 % of the rest of the help desk to another; both plans by one split."""
    fee = "id: fees, name: F, plans: [base, euro], prices: [fee], shares: [{recipient: a, percent: 80}]"
    desk = "id: desk, name: D, plans: [base], prices: [help], currency: USD, shares: [{recipient: b, percent: 10, amount: 1.50}]"
    assert shares([fee, desk]) == [
        *(("fees", "a", "80.00", "64.00"), ("fees", "", "80.00", "16.00")),
        *(("desk", "b", "20.00", "3.35"), ("desk", "", "20.00", "16.65")),
        *(("fees", "a", "50.00", "40.00"), ("fees", "", "50.00", "10.00")),
    ]


@pytest.mark.parametrize(
    ("base", "of", "author", "platform"),
    [
        ("line", "90.00", "63.00", "27.00"),
        ("net", "60.00", "42.00", "18.00"),
        ("gross", "72.00", "50.40", "21.60"),
    ],
)
def test_the_amount_that_is_split_is_named(base, of, author, platform):
    """100.00 less 10 % is 90.00; credit of 30.00 leaves 60.00; 20 % tax on it makes 72.00."""
    text = CATALOG.replace("name: A,", "name: A, tax_region: AT,") + SELLER
    text += GRANTS.replace("amount: 250", "amount: 30").partition("  - {id: gift")[0]
    found = shares(
        [f"{APPS}, split_base: {base}"],
        datetime(2026, 2, 10, tzinfo=UTC),
        text,
        "{coupon: ten, start: 2026-01-01}",
    )
    assert found == [("apps", "author", of, author), ("apps", "", of, platform)]


@pytest.mark.parametrize(("month", "day", "author"), [(3, 30, "70.00"), (3, 31, "80.00")])
def test_a_split_holds_for_periods_by_their_last_instant(month, day, author):
    """The period to 31 March has the one that ends there, the next one the other."""
    later = APPS.replace("id: apps", "id: later").replace("70", "80")
    found = shares(
        [f"{APPS}, end: 2026-03-31", f"{later}, start: 2026-03-31"], datetime(2026, month, day, tzinfo=UTC)
    )
    assert found[0][1:] == ("author", "100.00", author)


def test_small_lines_are_split_together():
    """30 % of three lines of 0.05 is 0.045: 0.05; line by line it would be 0.06. Rounded down 0.04."""
    prices = ", ".join(f"{{id: p{n}, model: flat, flat_amount: 0.05}}" for n in range(3))
    text = CATALOG.replace(
        "[{id: fee, model: flat, flat_amount: 80}, {id: help, model: flat, flat_amount: 20}]", f"[{prices}]"
    ).replace(", prices: [help]", "")
    assert shares([APPS], text=text)[1] == ("apps", "", "0.15", "0.05")
    assert shares([f"{APPS}, platform_rounding: down"], text=text)[1] == ("apps", "", "0.15", "0.04")


def test_what_does_not_divide_goes_to_the_largest_remainders():
    """100.00 by 33.3333, 33.3333 and 33.3334: 33.33, 33.33 and 33.34."""
    thirds = "[{recipient: a, percent: 33.3333}, {recipient: b, percent: 33.3333}, {recipient: c, percent: 33.3334}]"
    found = shares([f"id: s, name: S, plans: [base], shares: {thirds}"])
    assert [each[3] for each in found] == ["33.33", "33.33", "33.34", "0.00"]


def test_an_invoice_of_nothing_pays_nobody():
    """All is off, and amounts are not owed."""
    terms = (
        "currency: USD, platform_amount: 1, shares: [{recipient: a, amount: 2}, {recipient: b, percent: 5}]"
    )
    text = CATALOG.replace("percent_off: 10}", "percent_off: 100}")
    found = shares(
        [f"id: s, name: S, plans: [base], {terms}"], text=text, coupons="{coupon: ten, start: 2026-01-01}"
    )
    assert [each[3] for each in found] == ["0.00", "0.00", "0.00"]


def with_splits(dice, text):
    """Splits of every kind besides: of whole plans, of some prices, one after another."""
    made = []
    for plan, currency, prices in re.findall(
        r"\{id: (p\d), name: P, currency: (\w+), prices: \[(.*)\]\}\n", text
    ):
        if dice.random() < 0.2:
            continue
        ids = [name for name in re.findall(r"\{id: (\w+)", prices) if f"{{id: {name}, m" in prices]
        cut = f"2026-0{dice.randint(1, 5)}-{dice.randint(1, 28):02}"
        few = dice.sample(ids, dice.randint(1, len(ids)))
        others = [each for each in ids if each not in few]
        scopes = {
            "whole": [""],
            "some": [f", prices: [{', '.join(few)}]"]
            + ([f", prices: [{', '.join(others)}]"] if others else []),
            "dated": [f", end: {cut}", f", start: {cut}"],
        }[dice.choice(("whole", "some", "dated"))]
        for number, scope in enumerate(scopes):
            made.append(
                f"  - {{id: {plan}-{number}, name: S, plans: [{plan}]{scope}, {split_terms_of(dice, currency)}}}\n"
            )
    return with_credit(dice, text) + ("revenue_splits:\n" + "".join(made) if made else "")


def split_terms_of(dice, currency):
    left, shares, has_amounts = 100, [], False
    for number in range(dice.randint(1, 4)):
        fields = [f"recipient: r{dice.choice((0, 3, 6)) + number % 3}-{number}"]
        percent = dice.choice((0, 5, "33.333", 50))
        if percent and float(percent) <= left:
            left -= float(percent)
            fields.append(f"percent: {percent}")
        if len(fields) == 1 or dice.random() < 0.3:
            fields.append(f"amount: {dice.choice((1, 7, 10**5))}")
            has_amounts = True
        shares.append("{" + ", ".join(fields) + "}")
    terms = [f"shares: [{', '.join(shares)}]", f"split_base: {dice.choice(('line', 'net', 'gross'))}"]
    terms.append(f"platform_rounding: {dice.choice(('half_up', 'half_even', 'up', 'down'))}")
    if dice.random() < 0.3:
        terms.append(f"platform_amount: {dice.choice((1, 30))}")
        has_amounts = True
    return ", ".join([*terms, f"currency: {currency}"] if has_amounts else terms)


def test_random_splits_divide_as_by_hand(seed):
    """Every share of every customer, the totals, and what is due stays as it is."""
    dice, split_count = random.Random(seed), 0
    for _ in range(30):
        catalog, usage = random_case(dice, with_splits)
        parts = {}
        owed = settled_by_oracle(catalog, usage, AT, parts)
        expected = shares_by_oracle(catalog, parts)
        found, history = rated(catalog, usage), history_of(catalog, usage)
        terms = settled(found, history)
        totals = RecipientTotals()
        totals.add(terms)
        sums = defaultdict(Fraction)
        for (_, currency, _, _, _, recipient), amount in expected.items():
            sums[recipient or "", currency] += Fraction(amount, 10 ** MINOR[currency])
        assert {
            (each.recipient_id, each.currency): Fraction(each.amount) for each in totals.by_amount()
        } == sums
        applied = sorted(
            (each.revenue_split_id, each.recipient_id, Fraction(each.amount))
            for each in applied_shares(terms)
        )
        assert applied == sorted(
            (split, recipient or "", Fraction(amount, 10 ** MINOR[currency]))
            for (_, currency, _, _, split, recipient), amount in expected.items()
        )
        for each in spend_of(found, history).by_amount(10**6):
            assert Fraction(each.settled.due) == owed[each.customer_id, each.currency]["due"]
        split_count += len(expected)
    assert split_count > 100
