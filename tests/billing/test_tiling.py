"""Billing periods and segments of random histories: they tile time, and what they come to doesn't depend on when it is asked."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.billing.segments import segments_at
from engine.times import datetime_us
from tests.support.billing_cases import catalog_of
from tests.support.history_bills import catalog_of as catalog_of_histories
from tests.support.history_oracle import random_plans, random_subscription
from tests.support.long_forms import numbered

# Where clocks are turned at midnight, by half an hour, or not by an hour; and a zone that left out a whole day.
ZONES = (
    "UTC", "Africa/Cairo", "America/Havana", "America/New_York", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Europe/Berlin", "Pacific/Apia",
)  # fmt: skip
HISTORIES = 150
HORIZON = timedelta(days=800)
YEAR_2028 = datetime(2028, 1, 1, tzinfo=UTC)


def history(dice, count=HISTORIES):
    """Random subscriptions over some versions of plans, in random zones; some from the last days of long months on."""
    plans = random_plans(dice)
    subscriptions = [random_subscription(dice, number, plans) for number in range(count)]
    for each in subscriptions:
        if not each["phases"] and "end" not in each and dice.random() < 0.3:
            each["start"] = datetime(2028, 1, dice.choice((29, 30, 31)), dice.choice((0, 2, 23)), tzinfo=UTC)
    return catalog_of_histories(
        plans, subscriptions, {each["customer"]: dice.choice(ZONES) for each in subscriptions}
    )


def steps(catalog):
    """The n-th period of all subscriptions, for n = 0, 1, ...: (rows, their segments), until each has ended or is far on."""
    columns = catalog.subscription_columns
    rows, at_us = np.arange(len(columns)), columns.start_us
    until_us = np.minimum(columns.end_us, columns.start_us + HORIZON // timedelta(microseconds=1))
    while len(rows):
        found = segments_at(catalog, rows, at_us)
        yield rows, found
        goes_on = found.periods.end_us < until_us[rows]
        rows, at_us = rows[goes_on], found.periods.end_us[goes_on]


def as_columns(found):
    """Everything that segments say, to be compared."""
    periods = (getattr(found.periods, name) for name in found.periods.__slots__)
    return [*(getattr(found, name) for name in found.__slots__ if name != "periods"), *periods]


@pytest.mark.parametrize("part", numbered(1, 20))
def test_periods_and_their_segments_tile_time(seed, part):
    """Each begins where the one before it ends, from the subscription's start to its end; no two hold at once."""
    catalog = history(random.Random(f"{seed}-{part}"))
    columns = catalog.subscription_columns
    reached_us, seen = columns.start_us.copy(), Counter()
    for rows, found in steps(catalog):
        assert found.row.tolist() == rows.tolist()
        periods = found.periods
        assert (periods.start_us == reached_us[rows]).all()
        assert (found.start_us < found.end_us).all()
        first = np.flatnonzero(np.diff(found.period, prepend=-1))
        last = np.append(first[1:], len(found.period)) - 1
        assert found.period[first].tolist() == list(range(len(rows)))
        assert (found.start_us[first] == periods.start_us).all()
        assert (found.end_us[last] == periods.end_us).all()
        within = np.setdiff1d(np.arange(len(found.period)), first)
        assert (found.start_us[within] == found.end_us[within - 1]).all()
        reached_us[rows] = periods.end_us
        seen.update(periods=len(rows), cuts=len(within))
    assert (reached_us <= columns.end_us).all()
    far_us = columns.start_us + HORIZON // timedelta(microseconds=1)
    assert ((reached_us == columns.end_us) | (reached_us >= far_us)).all()
    assert seen["periods"] > 1_000
    assert seen["cuts"] > 50


@pytest.mark.parametrize("part", numbered(1, 20))
def test_an_instant_of_a_period_gives_that_period_whenever_it_is_asked(seed, part):
    """The last microsecond or one between; also across the turns of clocks and the 29th of February."""
    dice = np.random.default_rng(list(f"{seed}-{part}".encode()))
    catalog = history(random.Random(f"{seed}-{part}"))
    for rows, found in steps(catalog):
        low, high = found.periods.start_us, found.periods.end_us
        at_us = np.where(dice.random(len(low)) < 0.3, high - 1, dice.integers(low, high))
        again = segments_at(catalog, rows, at_us)
        assert all(map(np.array_equal, as_columns(again), as_columns(found)))


def test_a_years_sum_does_not_depend_on_when_it_is_asked(seed):
    """Every period that begins in 2026, at its first and at its last microsecond: the same lines to the last digit."""
    catalog = history(random.Random(seed), 50)
    low_us, high_us = (datetime_us(datetime(year, 1, 1, tzinfo=UTC)) for year in (2026, 2027))
    sums = {"first": Counter(), "last": Counter()}
    for rows, found in steps(catalog):
        in_2026 = (found.periods.start_us >= low_us) & (found.periods.start_us < high_us)
        for name, at_us in (("first", found.periods.start_us), ("last", found.periods.end_us - 1)):
            charges = charges_at(catalog, rows[in_2026], at_us[in_2026])
            rated = rate_charges(charges, {})
            for item in rated.line_items(np.arange(len(rated))):
                key = item.charge.subscription.id, item.charge.billed.price.id, item.charge.service
                sums[name][key] += item.rated.amount
    assert sums["first"] == sums["last"]
    assert sum(sums["first"].values()) > 0


@pytest.mark.parametrize(
    ("zone", "start", "fee", "cuts"),
    [
        # 2028 has a 29th of February; the period from the 31st of January ends on it.
        ("UTC", "2028-01-31", "29.00", ["2028-02-10"]),
        # An hour that clocks skip and one that they show twice: the period is an hour shorter, or longer.
        ("America/New_York", "2026-03-01T05:00:00Z", "743.00", ["2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"]),
        ("America/New_York", "2026-11-01T04:00:00Z", "721.00", ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]),
        # Midnight is skipped on 24 April 2026, where Egypt turns its clocks.
        ("Africa/Cairo", "2026-04-23T22:00:00Z", "720.00", ["2026-04-24T00:00:01Z", "2026-05-01"]),
    ],
)  # fmt: skip
def test_parts_of_a_period_add_up_to_it_over_leap_days_and_turns_of_clocks(zone, start, fee, cuts):
    """A fee that is taken apart by add-ons of other fees, and by itself: parts of it come to the whole of it."""
    phases = ", ".join(
        f"{{start: '{cut}', overrides: {{fee: {{flat_amount: {fee}, amount_off: '0.00000000000{number}'}}}}}}"
        for number, cut in enumerate(cuts, 1)
    )
    catalog = catalog_of(
        f"""
plans: [{{id: p, name: P, currency: USD, prices: [{{id: fee, model: flat, flat_amount: {fee}}}]}}]
customers: [{{id: c, name: C, time_zone: {zone}}}]
subscriptions: [{{customer: c, plan: p, start: '{start}', phases: [{phases}]}}]
"""
    )
    at_us = datetime_us(datetime.fromisoformat(start).replace(tzinfo=UTC))
    rated = rate_charges(charges_at(catalog, np.array([0]), at_us), {})
    amounts = [item.rated.amount for item in rated.line_items(np.arange(len(rated)))]
    assert len(amounts) == len(cuts) + 1
    assert sum(amounts) == Decimal(fee)
