"""Subscriptions that change: segments, proration, versions of plans; by hand, and by an oracle in fractions."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.times import datetime_us
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from tests.support.billing_cases import catalog_of, service_lines
from tests.support.history_bills import differences

# A month of thirty days.
NOVEMBER = datetime(2026, 11, 20, tzinfo=UTC)
PLANS = """
meters: [{id: calls, event_type: call, aggregation: count}]
plans:
  - id: starter
    name: Starter
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 30}
      - {id: seats, model: per_unit, unit_amount: 12, quantity: 5}
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 90}]}
  - {id: support, name: Support, currency: USD, prices: [{id: hotline, model: flat, flat_amount: 15}]}
  - {id: tenner, name: T, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}]}
  - id: full
    name: F
    currency: USD
    prices:
      - {id: seats, model: per_unit, unit_amount: 10, quantity: 1, proration: none}
      - {id: by_day, model: flat, flat_amount: 30, proration: day}
customers: [{id: c, name: C}]
"""


def lines(subscription, at=NOVEMBER):
    """(plan, price, day from, day to, amount) of each line."""
    return service_lines(catalog_of(f"{PLANS}subscriptions: [{{customer: c, {subscription}}}]"), at)


def test_an_upgrade_bills_each_plan_for_its_part():
    """10 of 30 days of 30.00 and of 5 x 12.00, and 20 of 30 days of 90.00."""
    assert lines("plan: starter, start: 2026-11-01, phases: [{start: 2026-11-11, plan: pro}]") == [
        ("starter", "fee", 1, 11, "10.00"),
        ("starter", "seats", 1, 11, "20.00"),
        ("pro", "fee", 11, 1, "60.00"),
    ]


def test_more_seats_are_billed_from_their_day_and_leave_the_fee_whole():
    """5 x 12.00 for 10 of 30 days are 20.00, 8 x 12.00 for 20 are 64.00: 84.00 together."""
    phases = "[{start: 2026-11-11, quantities: {seats: 8}}]"
    assert lines(f"plan: starter, start: 2026-11-01, phases: {phases}") == [
        ("starter", "fee", 1, 1, "30.00"),
        ("starter", "seats", 1, 11, "20.00"),
        ("starter", "seats", 11, 1, "64.00"),
    ]


def test_parts_of_one_amount_add_up_to_it():
    """10.00 in three parts of ten days: one of them has the cent that is left."""
    phases = ", ".join(
        f"{{start: 2026-11-{day}, overrides: {{fee: {{flat_amount: 10, amount_off: {off}}}}}}}"
        for day, off in ((11, "0"), (21, "0.000000000001"))
    )
    found = lines(f"plan: tenner, start: 2026-11-01, phases: [{phases}]")
    assert [each[2:4] for each in found] == [(1, 11), (11, 21), (21, 1)]
    assert sum(Decimal(each[4]) for each in found) == Decimal("10.00")
    assert sorted(each[4] for each in found) == ["3.33", "3.33", "3.34"]


def test_a_trial_costs_nothing_and_a_pause_no_fee():
    """Free to the 11th, 10 of 30 days of 30.00, then no line at all."""
    phases = "[{start: 2026-11-01, trial: free}, {start: 2026-11-11}, {start: 2026-11-21, paused: true}]"
    assert lines(f"plan: tenner, start: 2026-11-01, phases: {phases}") == [
        ("tenner", "fee", 1, 11, "0.00"),
        ("tenner", "fee", 11, 21, "3.33"),
    ]


def test_a_pause_in_two_parts_is_no_line_and_no_error():
    """Nothing but fees, none of which is billed: a subscription on its own has no charge at all."""
    phases = "[{start: 2026-11-01, paused: true}, {start: 2026-11-11, paused: true, plan: pro}]"
    assert lines(f"plan: tenner, start: 2026-11-01, phases: {phases}") == []


def test_an_add_on_is_billed_as_often_as_it_is_had():
    """Two hotlines of 15.00 from the 16th on: half of 30.00."""
    phases = "[{start: 2026-11-16, add_ons: {support: 2}}]"
    assert lines(f"plan: tenner, start: 2026-11-01, phases: {phases}") == [
        ("tenner", "fee", 1, 1, "10.00"),
        ("support", "hotline", 16, 1, "15.00"),
    ]


def test_an_override_stands_in_place_of_the_plans_price():
    """20.00 instead of 30.00, and seats as they are."""
    assert lines("plan: starter, start: 2026-11-01, overrides: {fee: {flat_amount: 20}}") == [
        ("starter", "fee", 1, 1, "20.00"),
        ("starter", "seats", 1, 1, "60.00"),
    ]


def test_without_proration_a_price_counts_in_full_as_it_is_last():
    """Three seats of 10.00 for all of November; the fee by day counts the 11th from midday on as its own."""
    phases = (
        "[{start: '2026-11-11T12:00:00Z', quantities: {seats: 3}, overrides: {by_day: {flat_amount: 60}}}]"
    )
    assert lines(f"plan: full, start: 2026-11-01, phases: {phases}") == [
        ("full", "seats", 1, 1, "30.00"),
        ("full", "by_day", 1, 11, "10.00"),
        ("full", "by_day", 11, 1, "40.00"),
    ]


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        # 5 seats, then 8: 8 x 12.00. 8, then 3: still 8.
        ("[{start: 2026-11-11, quantities: {seats: 8}}]", [(1, 1, "96.00")]),
        (
            "[{start: 2026-11-11, quantities: {seats: 8}}, {start: 2026-11-21, quantities: {seats: 3}}]",
            [(1, 1, "96.00")],
        ),
        # None at the end: the 5 that there were.
        ("[{start: 2026-11-11, quantities: {seats: 0}}]", [(1, 1, "60.00")]),
        # 20 in a trial cost nothing, and don't count afterwards.
        (
            "[{start: 2026-11-01, trial: free, quantities: {seats: 20}}, {start: 2026-11-11, quantities: {seats: 8}}]",
            [(1, 1, "96.00")],
        ),
        # Dearer from the 11th on, for fewer: 5 x 15.00, the terms that are last.
        (
            "[{start: 2026-11-11, quantities: {seats: 2}, overrides: {seats: {unit_amount: 15}}}]",
            [(1, 1, "75.00")],
        ),
    ],
)
def test_a_quantity_can_count_as_the_highest_of_the_period(phases, expected):
    """In full, by the terms that are last."""
    text = PLANS.replace("quantity: 5}", "quantity: 5, proration: highest}")
    catalog = catalog_of(
        f"{text}subscriptions: [{{customer: c, plan: starter, start: 2026-11-01, phases: {phases}}}]"
    )
    rated = rate_charges(charges_at(catalog, np.arange(1), datetime_us(NOVEMBER)), {})
    seats = [
        item for item in rated.line_items(np.arange(len(rated))) if item.charge.billed.price.id == "seats"
    ]
    services = [item.charge.service for item in seats]
    found = [
        (service.start.day, service.end.day, str(item.rated.amount))
        for service, item in zip(services, seats, strict=True)
    ]
    assert found == expected


def test_more_seats_than_before_are_billed_for_the_month_that_follows():
    """The highest of a period is its own: 8 seats in November, and the 3 that are left in December."""
    text = PLANS.replace("quantity: 5}", "quantity: 5, proration: highest}")
    phases = "[{start: 2026-11-11, quantities: {seats: 8}}, {start: 2026-11-21, quantities: {seats: 3}}]"
    catalog = catalog_of(
        f"{text}subscriptions: [{{customer: c, plan: starter, start: 2026-11-01, phases: {phases}}}]"
    )
    december = datetime_us(datetime(2026, 12, 20, tzinfo=UTC))
    rated = rate_charges(charges_at(catalog, np.arange(1), december), {})
    assert [str(item.rated.amount) for item in rated.line_items(np.arange(2))] == ["30.00", "36.00"]


def test_the_last_period_counts_as_far_as_it_goes():
    """A subscription that ends after 15 of 30 days."""
    assert lines("plan: pro, start: 2026-11-01, end: 2026-11-16") == [("pro", "fee", 1, 16, "45.00")]


def test_a_calendar_month_is_cut_where_a_subscription_starts():
    """From the 16th on: half of 90.00."""
    assert lines("plan: pro, start: 2026-11-16, anchor: calendar") == [("pro", "fee", 16, 1, "45.00")]


def test_a_change_in_the_past_is_rated_as_if_it_had_been_known():
    """Entered later or not: the same catalog, the same lines."""
    phases = "[{start: 2026-10-16, plan: pro}]"
    october = datetime(2026, 10, 31, tzinfo=UTC)
    # 15 of 31 days of 30.00 and 60.00, and 16 of 31 of 90.00.
    assert lines(f"plan: starter, start: 2026-10-01, phases: {phases}", october) == [
        ("starter", "fee", 1, 16, "14.52"),
        ("starter", "seats", 1, 16, "29.03"),
        ("pro", "fee", 16, 1, "46.45"),
    ]
    assert lines(f"plan: starter, start: 2026-10-01, phases: {phases}") == [("pro", "fee", 1, 1, "90.00")]


@pytest.mark.parametrize("part", range(4))
def test_random_histories_come_to_what_fractions_say(seed, part):
    """Versions, phases, quantities, add-ons, overrides, trials, pauses, zones and anchors, to the cent and by part.

    The long form is `make test-histories`.
    """
    found = differences(random.Random(f"{seed}-{part}"), 250)
    assert not found.wrong, found.wrong[0]
    assert found.lines > 100


def test_a_zone_that_is_said_moves_no_other_subscription():
    """Months of UTC, Berlin and Tokyo, where one says UTC, one Berlin, and a customer Tokyo."""
    text = PLANS.replace("customers: [{id: c, name: C}]", "") + (
        "customers: [{id: a, name: A}, {id: b, name: B}, {id: d, name: D, time_zone: Asia/Tokyo}]\n"
        "subscriptions:\n"
        "  - {customer: a, plan: pro, start: 2026-01-01, anchor: calendar, time_zone: UTC}\n"
        "  - {customer: b, plan: pro, start: 2026-01-01, anchor: calendar, time_zone: Europe/Berlin}\n"
        "  - {customer: d, plan: pro, start: 2026-01-01, anchor: calendar}\n"
    )
    charges = charges_at(catalog_of(text), np.arange(3), datetime_us(NOVEMBER))
    found = [charges.periods.period(place).start.isoformat() for place in range(3)]
    assert found == [f"2026-{start}:00:00+00:00" for start in ("11-01T00", "10-31T23", "10-31T15")]


def test_a_part_of_no_second_costs_nothing_and_stops_nobody():
    """A trial that begins and ends on one local day, and tiers that would have no room in it."""
    text = PLANS.replace(
        "plans:\n",
        "plans:\n  - id: tiers\n    name: T\n    currency: USD\n    prices:\n      - {id: calls, meter: calls, model: graduated, proration: day, tiers: [{up_to: 10, unit_amount: 1, flat_amount: 3}, {unit_amount: 2}]}\n",
    )
    phases = "[{start: '2026-11-10T09:00:00Z', trial: free}, {start: '2026-11-10T15:00:00Z'}]"
    catalog = catalog_of(
        f"{text}subscriptions: [{{customer: c, plan: tiers, start: 2026-11-01, phases: {phases}}}]"
    )
    rated = rate_charges(charges_at(catalog, np.arange(1), datetime_us(NOVEMBER)), {})
    found = [str(item.rated.amount) for item in rated.line_items(np.arange(len(rated)))]
    # 9 of 30 days of 3.00, nothing in the trial, 21 of 30 days.
    assert found == ["0.90", "0.00", "2.10"]


def test_a_level_is_billed_for_the_part_in_which_it_is_held():
    """10 seats at most in each half, at 10.00 and then at 12.00: 50.00 and 60.00, not 220.00."""
    plan = "  - {id: levels, name: L, currency: USD, prices: [{id: seats, meter: seats, model: per_unit, unit_amount: 10}]}\n"
    text = PLANS.replace("plans:\n", f"plans:\n{plan}").replace(
        "meters: [", "meters: [{id: seats, event_type: s, aggregation: max, value: n}, "
    )
    phases = "[{start: 2026-11-16, overrides: {seats: {unit_amount: 12}}}]"
    catalog = catalog_of(
        f"{text}subscriptions: [{{customer: c, plan: levels, start: 2026-11-01, phases: {phases}}}]"
    )
    charges = charges_at(catalog, np.arange(1), datetime_us(NOVEMBER))
    groups = [GroupUsage("", (), 0, Decimal(10), 1, "0" * 32, 0, 0)] * 2
    rated = rate_charges(charges, {"seats": UsageColumns.of_groups([0, 1], groups, 0)})
    assert [str(item.rated.amount) for item in rated.line_items(np.arange(2))] == ["50.00", "60.00"]


CALLS = """
meters: [{id: calls, event_type: call, aggregation: count, group_by: [region]}]
plans:
  - id: api
    name: API
    currency: USD
    prices:
      - {id: calls, meter: calls, model: graduated, tier_proration: MODE, tiers: [{up_to: 1000, unit_amount: 0.10}, {unit_amount: 0.05}]}
customers: [{id: c, name: C}]
"""
CHEAPER = "{calls: {tiers: [{up_to: 1000, unit_amount: 0.08}, {unit_amount: 0.04}]}}"


def calls_bill(mode, halves, overrides=CHEAPER, text=CALLS):
    """Amounts of November's lines: of calls by region before the 16th, and from then on by other terms."""
    phases = f"[{{start: 2026-11-16, overrides: {overrides}}}]"
    catalog = catalog_of(
        f"{text.replace('MODE', mode)}subscriptions: [{{customer: c, plan: api, start: 2026-11-01, phases: {phases}}}]"
    )
    charges = charges_at(catalog, np.arange(1), datetime_us(NOVEMBER))
    given = [(place, (region,), units) for place, half in enumerate(halves) for region, units in half.items()]
    groups = [
        GroupUsage("", dimensions, 0, Decimal(units), units, "0" * 32, 0, 0) for _, dimensions, units in given
    ]
    usage = {"calls": UsageColumns.of_groups([place for place, _, _ in given], groups, 1)}
    rated = rate_charges(charges, usage)
    return rated.line_items(np.arange(len(rated)))


@pytest.mark.parametrize(
    ("mode", "amounts"),
    [
        # 800 x 0.10; then 200 x 0.08 + 300 x 0.04.
        ("carry_over", ["80.00", "28.00"]),
        # 500 x 0.10 + 300 x 0.05; 500 x 0.08.
        ("prorate", ["65.00", "40.00"]),
        ("restart", ["80.00", "40.00"]),
    ],
)
def test_tiers_are_prorated_restart_or_carry_over(mode, amounts):
    """800 calls in the first half of November, 500 in the second."""
    items = calls_bill(mode, [{"eu": 800}, {"eu": 500}])
    assert [str(item.rated.amount) for item in items] == amounts
    carried = [int(item.rated.carried_quantity) for item in items]
    assert carried == ([0, 800] if mode == "carry_over" else [0, 0])


def test_each_group_of_a_meter_carries_over_by_itself():
    """900 and 1,000 calls before; then 300 of eu (100 x 0.08 + 200 x 0.04) and 300 of a region that had none (300 x 0.08)."""
    items = calls_bill("carry_over", [{"eu": 900, "us": 1000}, {"eu": 300, "ap": 300}])
    assert {(item.dimensions["region"], str(item.rated.exact_amount)) for item in items} == {
        ("eu", "90"),
        ("us", "100"),
        ("ap", "24"),
        ("eu", "16"),
    }


def test_another_model_counts_what_was_consumed_in_its_own_tiers():
    """Of 900 included units 100 are left behind 800: 400 of 500 at 0.03."""
    overage = "{calls: {model: overage, included_units: 900, unit_amount: 0.03}}"
    items = calls_bill("carry_over", [{"eu": 800}, {"eu": 500}], overage)
    assert [str(item.rated.amount) for item in items] == ["80.00", "12.00"]


def test_a_volume_tier_is_that_of_all_units_so_far():
    """800 at 0.10; the 500 after them reach beyond 1,000: 500 at 0.04. What the first part cost stays."""
    volume = CALLS.replace("model: graduated", "model: volume")
    items = calls_bill("carry_over", [{"eu": 800}, {"eu": 500}], text=volume)
    assert [str(item.rated.amount) for item in items] == ["80.00", "20.00"]


def test_a_first_tiers_flat_amount_is_prorated_and_a_later_ones_is_due_once():
    """Half of 6.00 in each part; 9.00 in full in the part that goes beyond 1,000."""
    tiers = "tiers: [{up_to: 1000, unit_amount: 0, flat_amount: 6}, {unit_amount: 0, flat_amount: 9}]"
    text = CALLS.replace("tiers: [{up_to: 1000, unit_amount: 0.10}, {unit_amount: 0.05}]", tiers)
    same = f"{{calls: {{{tiers}, amount_off: 0.000001}}}}"
    items = calls_bill("carry_over", [{"eu": 800}, {"eu": 500}], same, text)
    assert [str(item.rated.amount) for item in items] == ["3.00", "12.00"]


def test_a_correction_below_zero_gives_no_units_back():
    """-5 bills as zero, and consumes nothing."""
    items = calls_bill("carry_over", [{"eu": -5}, {"eu": 1001}])
    assert [str(item.rated.amount) for item in items] == ["0.00", "80.04"]


def test_an_add_on_is_so_many_times_its_price_with_its_discount():
    """Three times 15.00 less 1.00 is 42.00."""
    text = PLANS.replace("flat_amount: 15}", "flat_amount: 15, amount_off: 1}")
    catalog = catalog_of(
        f"{text}subscriptions: [{{customer: c, plan: tenner, start: 2026-11-01, add_ons: {{support: 3}}}}]"
    )
    rated = rate_charges(charges_at(catalog, np.arange(1), datetime_us(NOVEMBER)), {})
    assert [str(item.rated.amount) for item in rated.line_items(np.arange(2))] == ["10.00", "42.00"]


def test_a_start_in_the_hour_that_comes_twice_begins_a_whole_period():
    """01:30 UTC on 25 October 2026 is the second 02:30 in Berlin: the first month owes all of the fee."""
    october = datetime(2026, 10, 26, tzinfo=UTC)
    (line,) = lines("plan: pro, start: '2026-10-25T01:30:00Z', time_zone: Europe/Berlin", october)
    assert line[4] == "90.00"
