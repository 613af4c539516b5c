"""Totals in one currency: worked out by hand, and like the slow oracle over random catalogs, periods and rates."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing.terms.settled import settled
from engine.errors import InvalidRequestError
from engine.spend.reported import ReportedTotals
from tests.support.billing_cases import AT, catalog_of, history_of, random_case, rated
from tests.support.long_forms import numbered
from tests.support.rating.discount_oracle import half_up
from tests.support.terms_cases import CATALOG, with_credit
from tests.support.terms_oracle import MINOR, invoices, settled_by_oracle

RATES = """
exchange_rates:
  - {from_currency: USD, to_currency: EUR, rate: 0.9, effective_from: 2026-01-01}
  - {from_currency: USD, to_currency: EUR, rate: 0.905, effective_from: 2026-03-31}
  - {from_currency: EUR, to_currency: JPY, rate: 150.5, effective_from: 2026-01-01}
"""


def reported(to="EUR", at=datetime(2026, 3, 10, tzinfo=UTC), coupons="", text=CATALOG, rates=RATES):
    """(currency, spend, due) by original currency and of all, and the rates that were used."""
    catalog = catalog_of(text.replace("COUPONS", coupons).replace("OWN", "") + rates)
    totals, found = ReportedTotals(catalog, to), rated(catalog, {}, at)
    totals.add(found, settled(found, history_of(catalog, {}, at)))
    used = [
        (each.from_currency, str(each.rate), str(each.effective_from.date())) for each in totals.used_rates()
    ]
    return [(each.currency, str(each.amount), str(each.due)) for each in totals.totals()], used


def test_totals_are_converted_at_the_rate_of_their_periods_last_instant():
    """100.00 USD at 0.9 for the period to 31 March, at 0.905 for the one after it; euros stay."""
    assert reported() == (
        [("EUR", "50.00", "50.00"), ("USD", "90.00", "90.00"), (None, "140.00", "140.00")],
        [("USD", "0.9", "2026-01-01")],
    )
    totals, used = reported(at=datetime(2026, 3, 31, tzinfo=UTC))
    assert totals[1:] == [("USD", "90.50", "90.50"), (None, "140.50", "140.50")]
    assert used == [("USD", "0.905", "2026-03-31")]


def test_what_is_due_is_converted_beside_what_was_spent():
    """90.00 USD and 45.00 EUR are due after 10 %."""
    totals, _ = reported(coupons="{coupon: ten, start: 2026-01-01}")
    assert totals == [("EUR", "50.00", "45.00"), ("USD", "90.00", "81.00"), (None, "140.00", "126.00")]


def test_a_total_is_rounded_once():
    """Two customers with 100.00 at 0.900025: 180.005 is 180.01. Each by itself would be 90.00."""
    other = CATALOG.replace("customers:\n", "customers:\n  - {id: bolt, name: B}\n").replace(
        "subscriptions:\n", "subscriptions:\n  - {customer: bolt, plan: base, start: 2026-01-31}\n"
    )
    totals, _ = reported(text=other, rates=RATES.replace("rate: 0.9,", "rate: 0.900025,"))
    assert totals[1] == ("USD", "180.01", "180.01")


@pytest.mark.parametrize(
    ("to", "at", "pair"),
    [
        ("EUR", datetime(2026, 3, 10, tzinfo=UTC), "from USD to EUR on 2026-03-30"),
        ("JPY", datetime(2026, 3, 10, tzinfo=UTC), "from USD to JPY on 2026-03-30"),
    ],
)
def test_a_missing_rate_is_named_with_its_day(to, at, pair):
    """None was effective on the last day of the period; nothing is reported in part."""
    later = RATES.replace("rate: 0.9, effective_from: 2026-01-01", "rate: 0.9, effective_from: 2026-04-01")
    with pytest.raises(
        InvalidRequestError, match=f"no exchange rate {pair}, the last day of a billing period"
    ):
        reported(to, at, rates=later)


def test_a_catalog_without_lines_comes_to_nothing():
    """And needs no rate."""
    assert reported(at=datetime(2020, 1, 1, tzinfo=UTC), rates="") == ([(None, "0.00", "0.00")], [])


def with_rates(dice, text):
    """Rates of all pairs from long ago, and others in between."""
    entries = []
    for to in ("USD", "JPY", "KWD"):
        for currency in {"USD", "JPY", "KWD"} - {to}:
            days = {datetime(2020, 1, 1, tzinfo=UTC)}
            days |= {AT + timedelta(days=dice.randint(-40, 40)) for _ in range(dice.randint(0, 4))}
            entries += [
                f"  - {{id: {currency}-{to}-{number}, from_currency: {currency}, to_currency: {to}, "
                f"rate: {Decimal(dice.randint(1, 10**9)).scaleb(-dice.choice((0, 4, 9)))}, "
                f"effective_from: '{day.isoformat()}'}}\n"
                for number, day in enumerate(sorted(days))
            ]
    dice.shuffle(entries)
    return with_credit(dice, text) + "exchange_rates:\n" + "".join(entries)


@pytest.mark.parametrize("part", numbered(1, 20))
def test_random_totals_convert_as_by_hand(seed, part):
    """By every currency, some customers at a time; and the total adds up."""
    dice = random.Random(f"{seed}-{part}")
    for _ in range(5):
        catalog, usage = random_case(dice, with_rates)
        to = dice.choice(("USD", "JPY", "KWD"))
        expected = converted_by_oracle(catalog, usage, to)
        columns, history, totals = (
            catalog.subscription_columns,
            history_of(catalog, usage),
            ReportedTotals(catalog, to),
        )
        cuts = sorted({columns.customer_end(row) for row in range(0, len(columns), 3)} | {len(columns)})
        for first, last in zip([0, *cuts], cuts, strict=False):
            if first < last:
                found = rated(catalog, usage, rows=np.arange(first, last))
                totals.add(found, settled(found, history))
        *each, whole = totals.totals()
        assert {one.currency: (Fraction(one.amount), Fraction(one.due)) for one in each} == expected
        assert Fraction(whole.amount) == sum(Fraction(one.amount) for one in each)
        assert -whole.due.as_tuple().exponent == MINOR[to]


def converted_by_oracle(catalog, usage, to):
    """Original currency -> spend and due in another, in fractions, each rounded once."""
    by_line = {}
    settled_by_oracle(catalog, usage, AT, by_line)
    sums = {}
    for key, lines in invoices(catalog, usage, AT).items():
        _, currency, end, _ = key
        rates = [
            (each.resource.effective_from, Fraction(each.resource.rate))
            for each in catalog.of_kind("exchange_rate").values()
            if (each.resource.from_currency, each.resource.to_currency) == (currency, to)
        ]
        rate = 1 if currency == to else max(each for each in rates if each[0] < end)[1]
        amount = sum(Fraction(line["amount"] or 0) for line in lines)
        unit = 10 ** MINOR[currency]
        due = Fraction(sum(gross for *_, gross in by_line[key]), unit) if key in by_line else amount
        known = sums.get(currency, (0, 0))
        sums[currency] = known[0] + amount * rate, known[1] + due * rate
    unit = 10 ** MINOR[to]
    return {
        currency: tuple(Fraction(half_up(each * unit), unit) for each in pair)
        for currency, pair in sums.items()
    }
