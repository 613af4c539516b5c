"""Charges and usage to rated columns: the same lines and sums as one at a time, and what is worked out by hand."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.catalog.snapshots.snapshot import Catalog
from engine.spend.spend import joined, spend_of
from engine.times import datetime_us
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from tests.support.billing_cases import (
    AT,
    CATALOG,
    catalog_of,
    plan,
    random_case,
    rated,
    service_lines,
    subscriptions,
)
from tests.support.charge_oracle import lines_by_oracle, sums_by_oracle


def said(item):
    """What a line item says, as the oracle puts it."""
    line = item.rated
    return {
        "id": item.line_item_id,
        "customer": item.charge.subscription.customer,
        "subscription": item.charge.subscription.id,
        "plan": item.charge.billed.plan.id,
        "price": item.charge.billed.price.id,
        "period": item.charge.period,
        "dimensions": dict(item.dimensions),
        "quantity": item.quantity,
        "amount": None if line is None else line.amount,
        "exact_amount": None if line is None else line.exact_amount,
        "formula": None if line is None else line.formula,
        "counts": (
            item.event_count,
            item.event_digest,
            item.unreadable_event_count,
            item.missing_value_event_count,
        ),
        "currency": item.charge.billed.effective.currency,
    }


def test_columns_say_what_one_line_at_a_time_says(seed):
    """Random plans, currencies, anchors and usage; all lines, some lines, some subscriptions, and the sums."""
    dice = random.Random(seed)
    for _ in range(60):
        catalog, usage = random_case(dice)
        expected = list(lines_by_oracle(catalog, usage, AT))
        found = rated(catalog, usage)
        assert list(map(said, found.line_items(np.arange(len(found))))) == expected
        some = np.flatnonzero([dice.random() < 0.3 for _ in expected])
        assert list(map(said, found.line_items(some))) == [expected[line] for line in some]
        flagged = [line for line in expected if line["amount"] is None]
        assert list(map(said, found.unrateable_lines(10**6))) == flagged
        rows = np.flatnonzero([dice.random() < 0.5 for _ in range(len(catalog.subscription_columns))])
        chosen = set(catalog.subscription_columns.subscription_id.take(rows).to_pylist())
        part = rated(catalog, usage, rows=rows)
        part_expected = [line for line in expected if line["subscription"] in chosen]
        assert list(map(said, part.line_items(np.arange(len(part))))) == part_expected
        check_sums(catalog, usage, expected)


def check_sums(catalog, usage, expected):
    """Of all customers at once, and of some at a time."""
    sums = sums_by_oracle(expected)
    columns = catalog.subscription_columns
    cuts = sorted({columns.customer_end(row) for row in range(0, len(columns), 3)} | {len(columns)})
    rows = [np.arange(first, last) for first, last in zip([0, *cuts], cuts, strict=False)]
    for spends in (
        spend_of(rated(catalog, usage)),
        joined(spend_of(rated(catalog, usage, rows=each)) for each in rows),
    ):
        found = spends.by_amount(10**6)
        assert {
            (each.customer_id, each.currency): (
                Fraction(each.amount),
                each.line_item_count,
                each.event_count,
                each.incomplete,
            )
            for each in found
        } == sums
        order = [(each.currency, -Fraction(each.amount), each.customer_id) for each in found]
        assert order == sorted(order)
        firsts = [
            next(each for each in found if each.currency == name) for name in sorted({c for _, c in sums})
        ]
        assert spends.by_amount(1) == firsts
        for total in spends.totals():
            own = [value for (_, currency), value in sums.items() if currency == total.currency]
            assert Fraction(total.amount) == sum(value[0] for value in own)
            assert (total.line_item_count, total.event_count) == (
                sum(value[1] for value in own),
                sum(value[2] for value in own),
            )
            assert total.incomplete == any(value[3] for value in own)
        assert [each.currency for each in spends.totals()] == sorted({currency for _, currency in sums})


def test_a_sum_past_64_bits_is_exact():
    """10^24 units at 0.0004 less 5 percent are 3.8 x 10^20 dollars; twice, and 9.99: more cents than 64 bits hold."""
    text = CATALOG + plan("big", "USD", ["fee", "by_place"])
    catalog = catalog_of(text + subscriptions({"customer": "c", "plan": "big", "start": "2026-03-01"}))
    start = datetime(2026, 3, 1, tzinfo=UTC)
    groups = [((("region", region),), Decimal(10**24), 1, "0" * 32, 0, 0) for region in ("eu", "us")]
    found = spend_of(rated(catalog, {("by_place", "c", start): groups}))
    (spend,) = found.by_amount(1)
    assert spend.amount == Decimal("760000000000000000009.99")


def test_groups_of_less_than_a_cent_come_to_what_they_come_to_together():
    """1,500 groups of one unit at 0.004 are 6.00: 600 of them have a cent, the first 600, as all remainders are equal."""
    text = CATALOG.replace("group_by: [region, class]", "group_by: [region]")
    text += '  - {id: tiny, name: T, currency: USD, prices: [{id: tiny, meter: by_place, model: per_unit, unit_amount: "0.004"}]}\n'
    catalog = catalog_of(text + subscriptions({"customer": "c", "plan": "tiny", "start": "2026-03-01"}))
    charges = charges_at(catalog, np.arange(1), datetime_us(AT))
    groups = [GroupUsage("", (f"r{n:04}",), 0, Decimal(1), 1, "0" * 32, 0, 0) for n in range(1_500)]
    found = rate_charges(charges, {"by_place": UsageColumns.of_groups([0] * 1_500, groups, 1)})
    (spend,) = spend_of(found).by_amount(1)
    assert (spend.amount, spend.line_item_count) == (Decimal("6.00"), 1_500)
    lines = found.line_items(np.arange(1_500))
    assert [item.rated.amount for item in lines] == [Decimal("0.01")] * 600 + [Decimal("0.00")] * 900
    assert {item.rated.exact_amount for item in lines} == {Decimal("0.004")}
    assert lines[0].rated.formula == "1 × 0.004 = 0.004 in 6 of 1500 groups → 6.00 USD; share 0.01 USD"


def test_groups_of_one_price_may_each_stand_alone():
    """With round_each_group 1,500 groups of 0.004 come to 0.00, and each says 0.00 of itself."""
    text = CATALOG + plan("alone", "USD", ["each_place"])
    catalog = catalog_of(text + subscriptions({"customer": "c", "plan": "alone", "start": "2026-03-01"}))
    start = datetime(2026, 3, 1, tzinfo=UTC)
    groups = [((("region", region),), Decimal(1), 1, "0" * 32, 0, 0) for region in ("eu", "us", "ws")]
    found = rated(catalog, {("by_place", "c", start): groups})
    lines = found.line_items(np.arange(3))
    assert [item.rated.formula for item in lines] == ["1 × 0.0035 = 0.0035 → 0.00 USD"] * 3
    assert spend_of(found).by_amount(1)[0].amount == Decimal("0.00")


def test_a_customer_with_two_subscriptions_of_one_period_is_rated_for_both():
    """Both plans meter the same calls: 250 calls are 3 packages of 0.05 in each, and 9.99 in the first."""
    text = CATALOG + plan("a", "USD", ["fee", "calls"]) + plan("b", "USD", ["calls"])
    both = [{"customer": "c", "plan": name, "start": "2026-03-01"} for name in ("a", "b")]
    catalog = catalog_of(text + subscriptions(*both))
    usage = {("calls", "c", datetime(2026, 3, 1, tzinfo=UTC)): [((), Decimal(250), 250, "0" * 32, 0, 0)]}
    found = rated(catalog, usage)
    lines = [
        (item.charge.subscription.id, item.rated.amount) for item in found.line_items(np.arange(len(found)))
    ]
    assert lines == [
        ("c:a", Decimal("9.99")),
        ("c:a", Decimal("0.15")),
        ("c:b", Decimal("0.15")),
    ]
    (spend,) = spend_of(found).by_amount(1)
    assert (spend.amount, spend.line_item_count, spend.event_count) == (Decimal("10.29"), 3, 500)


def test_a_plan_without_prices_and_an_ended_subscription_make_no_line():
    """And no sum; an empty catalog neither."""
    fields = [
        {"customer": "c", "plan": "none", "start": "2026-03-01"},
        {"customer": "d", "plan": "fee", "start": "2026-01-01", "end": "2026-02-01"},
    ]
    catalog = catalog_of(CATALOG + plan("fee", "USD", ["fee"]) + subscriptions(*fields))
    for each in (catalog, Catalog.empty("t")):
        found = rated(each, {})
        assert len(found) == 0
        assert spend_of(found).by_amount(10) == spend_of(found).totals() == []


@pytest.mark.parametrize("region", ["eu", "mars"])
def test_a_region_without_a_cell_is_a_line_without_an_amount(region):
    """5 in eu at 0.02 are 0.10; 5 on mars are a line that says why, and the total of 0.30 of the others stands."""
    text = CATALOG + plan("cells", "USD", ["by_region"])
    catalog = catalog_of(text + subscriptions({"customer": "c", "plan": "cells", "start": "2026-03-01"}))
    groups = [
        ((("region", each),), Decimal(quantity), 1, "0" * 32, 0, 0)
        for each, quantity in sorted([(region, 5), ("us", 10)])
    ]
    found = rated(catalog, {("by_place", "c", datetime(2026, 3, 1, tzinfo=UTC)): groups})
    lines = {item.dimensions["region"]: item for item in found.line_items(np.arange(len(found)))}
    assert lines["us"].rated.amount == Decimal("0.30")
    (spend,) = spend_of(found).by_amount(1)
    if region == "eu":
        assert lines["eu"].rated.amount == Decimal("0.10")
        assert (spend.amount, spend.incomplete) == (Decimal("0.40"), False)
    else:
        assert lines["mars"].rated is None
        assert lines["mars"].unrateable_reason.endswith("region=mars")
        assert (spend.amount, spend.line_item_count, spend.incomplete) == (Decimal("0.30"), 1, True)


SEATS = """
plans:
  - id: team
    name: Team
    currency: USD
    billing_period: PERIOD
    prices: [{id: seats, quantity: 9, MODEL}]
customers: [{id: c, name: C}]
subscriptions: [{customer: c, plan: team, SUBSCRIPTION}]
"""


def test_a_part_of_a_week_of_seats_is_exact_to_the_cent():
    """Nine at 3.32 and 155.58 are 185.46; 70 of 168 hours of it are 77.275, a tie that no share of 3.32 alone meets."""
    tiers = "[{up_to: 100, unit_amount: 3.32, flat_amount: 155.58}, {unit_amount: 1}]"
    text = SEATS.replace("PERIOD", "week").replace("MODEL", f"model: graduated, tiers: {tiers}")
    catalog = catalog_of(text.replace("SUBSCRIPTION", "start: 2026-11-16, end: '2026-11-18T22:00:00Z'"))
    at_us = datetime_us(datetime(2026, 11, 17, tzinfo=UTC))
    (item,) = rate_charges(charges_at(catalog, np.arange(1), at_us), {}).line_items(np.arange(1))
    assert item.rated.formula == "9 × 3.32 + 155.58 = 185.46; × 5/12 = 77.275 → 77.28 USD"


def test_parts_of_other_quantities_are_added_exactly_before_they_are_rounded():
    """10 of 30 days of 2,000 x 0.005, of 1,000 x 0.01 and of 2,603 x 0.005: a third of 33.015 is 11.005, hence 11.01."""
    phases = ", ".join(
        f"{{start: 2026-11-{day}, quantities: {{seats: {count}}}, overrides: {{seats: {{unit_amount: {unit}}}}}}}"
        for day, count, unit in (("01", 2000, "0.005"), (11, 1000, "0.01"), (21, 2603, "0.005"))
    )
    text = SEATS.replace("PERIOD", "month").replace("MODEL", "model: per_unit, unit_amount: 1")
    catalog = catalog_of(text.replace("SUBSCRIPTION", f"start: 2026-11-01, phases: [{phases}]"))
    # The first two are equal: of the two cents more one is the last one's, one the first one's.
    assert [line[2:] for line in service_lines(catalog, datetime(2026, 11, 20, tzinfo=UTC))] == [
        (1, 11, "3.34"),
        (11, 21, "3.33"),
        (21, 1, "4.34"),
    ]
