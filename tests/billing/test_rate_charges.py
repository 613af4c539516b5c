"""Charges and usage to rated columns: the same lines and sums as one at a time, and what is worked out by hand."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.catalog.document import read_document
from engine.catalog.snapshot import Catalog
from engine.catalog.versions import Versioned, Versions
from engine.spend.spend import joined, spend_of
from engine.times import datetime_us
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from tests.support.charge_oracle import lines_by_oracle, sums_by_oracle

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
PRICES = {
    "fee": '{id: fee, model: flat, flat_amount: "9.99"}',
    "calls": '{id: calls, meter: calls, model: package, package_size: 100, package_amount: "0.05"}',
    "tokens": (
        "{id: tokens, meter: tokens, model: graduated, "
        'tiers: [{up_to: 1000, unit_amount: "0.003", flat_amount: 1}, {unit_amount: "0.0015"}]}'
    ),
    "by_region": (
        "{id: by_region, meter: by_place, model: matrix, dimensions: [region], "
        'cells: [{match: {region: eu}, unit_amount: "0.02"}, {match: {region: us}, unit_amount: "0.03"}]}'
    ),
    "by_place": '{id: by_place, meter: by_place, model: per_unit, unit_amount: "0.0004", percent_off: 5}',
    "each_place": (
        '{id: each_place, meter: by_place, model: per_unit, unit_amount: "0.0035", round_each_group: true}'
    ),
    "small": (
        "{id: small, meter: by_place, model: graduated, rounding: {mode: half_even, digits: 1}, "
        'tiers: [{up_to: 10, unit_amount: "0.003"}, {unit_amount: "0.007"}]}'
    ),
    "upwards": '{id: upwards, meter: by_place, model: per_unit, unit_amount: "0.001", rounding: {mode: up}}',
    "at_least": (
        "{id: at_least, meter: by_place, model: matrix, dimensions: [region, class], minimum_amount: 3, "
        'cells: [{match: {class: a, region: eu}, unit_amount: "1"}], default: "0.5"}'
    ),
}
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: count}
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, conversion: {divisor: 3, rounding: {mode: up, digits: 2}}}
  - {id: by_place, event_type: call, aggregation: sum, value: tokens, group_by: [region, class]}
plans:
  - {id: none, name: N, currency: USD, prices: []}
"""
GROUP_BY = {"calls": (), "tokens": (), "by_place": ("region", "class")}


def catalog_of(text):
    empty = Catalog.empty("t")
    return empty.advanced(
        1, Versions.of(Versioned(each, 1, 1) for each in read_document(text, "c.yaml").resources(empty))
    )


def plan(name, currency, prices):
    return f"  - {{id: {name}, name: P, currency: {currency}, prices: [{', '.join(PRICES[each] for each in prices)}]}}\n"


def subscriptions(*fields):
    customers = dict.fromkeys(each["customer"] for each in fields)
    text = "customers:\n" + "".join(f"  - {{id: {each}, name: C}}\n" for each in customers)
    text += "subscriptions:\n"
    for each in fields:
        text += "  - {" + ", ".join(f"{name}: {value}" for name, value in each.items()) + "}\n"
    return text


def rated(catalog, usage, at=AT, rows=None):
    """`usage` as the oracle takes it."""
    rows = np.arange(len(catalog.subscription_columns)) if rows is None else rows
    charges = charges_at(catalog, rows, datetime_us(at))
    periods = charges.periods
    columns = {}
    for meter, names in GROUP_BY.items():
        groups = [
            (place, *group)
            for place in range(len(periods))
            for group in usage.get((meter, periods.customer_id(place), periods.period(place).start), [])
        ]
        columns[meter] = UsageColumns.of_groups(
            [place for place, *_ in groups],
            [
                GroupUsage("", tuple(dict(found).get(name) for name in names), 0, *usage)
                for _, found, *usage in groups
            ],
            len(names),
        )
    return rate_charges(charges, columns)


def said(item):
    """What a line item says, as the oracle puts it."""
    line = item.rated
    return {
        "id": item.line_item_id,
        "customer": item.charge.subscription.customer,
        "subscription": item.charge.subscription.id,
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
        "currency": item.charge.billed.price.price.currency,
    }


def random_case(dice):
    text = CATALOG
    for number in range(dice.randint(1, 3)):
        prices = dice.sample(sorted(PRICES), dice.randint(1, len(PRICES)))
        text += plan(f"p{number}", dice.choice(("USD", "JPY", "KWD")), prices)
    plans = [f"p{number}" for number in range(text.count("name: P"))]
    fields = {}
    for _ in range(dice.randint(1, 12)):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randint(0, 100))
        each = {"customer": f"c{dice.randint(1, 6)}", "plan": dice.choice(plans), "start": start.date()}
        if dice.random() < 0.3:
            each["end"] = (start + timedelta(days=dice.randint(1, 90))).date()
        fields[each["customer"], each["plan"]] = each
    catalog = catalog_of(text + subscriptions(*fields.values()))
    return catalog, random_usage(dice, catalog)


def random_usage(dice, catalog):
    """Of every customer and meter in each of its periods: nothing, little, or more than 64 bits hold."""
    usage = {}
    periods = charges_at(catalog, np.arange(len(catalog.subscription_columns)), datetime_us(AT)).periods
    for place in range(len(periods)):
        for meter, names in GROUP_BY.items():
            if dice.random() < 0.3:
                continue
            values = [[None, "ap", "eu", "us"][: 1 + 3 * bool(names)], [None, "a", "b"]][: len(names)]
            combinations = [()]
            for name, choices in zip(names, values, strict=True):
                combinations = [
                    (*each, *(() if value is None else ((name, value),)))
                    for each in combinations
                    for value in choices
                ]
            chosen = [each for each in combinations if dice.random() < 0.4] if names else [()]
            # By value, and what is absent last.
            chosen.sort(
                key=lambda each: [(name not in dict(each), dict(each).get(name, "")) for name in names]
            )
            groups = [
                (
                    each,
                    Decimal(dice.randint(-100, 10 ** dice.choice((2, 4, 30))))
                    / 10 ** dice.choice((0, 0, 2, 12)),
                    dice.randint(1, 10**12),
                    f"{dice.getrandbits(128):032x}",
                    dice.randint(0, 3),
                    dice.randint(0, 3),
                )
                for each in chosen
            ]
            if groups:
                usage[meter, periods.customer_id(place), periods.period(place).start] = groups
    return usage


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
