"""Billing periods: counted from an anchor, in a time zone, never from the period before."""

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.periods import PeriodSchedule, periods_at
from engine.billing.segments import NthPeriod, periods_of_rows
from engine.catalog.kinds.plan import BillingPeriod
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.times import datetime_us, us_datetime
from tests.support.history_bills import catalog_of
from tests.support.history_oracle import ZONES as WORLD_ZONES
from tests.support.history_oracle import random_plans, random_subscription
from tests.support.period_oracle import period_by_oracle


def _utc(*parts):
    return datetime(*parts, tzinfo=UTC)


MONTHLY = PeriodSchedule(BillingPeriod.MONTH, 1, "UTC", None)


def _periods(anchors, ends, at, schedule=MONTHLY):
    """Of each subscription (its period, the whole one), or None."""
    found = periods_at(
        np.array([datetime_us(each) for each in anchors]),
        np.array([NO_END_US if each is None else datetime_us(each) for each in ends]),
        schedule,
        datetime_us(at),
    )
    columns = (found.start_us, found.end_us, found.whole_start_us, found.whole_end_us)
    instants = zip(*([us_datetime(each) for each in column.tolist()] for column in columns), strict=True)
    return [
        (each[:2], each[2:]) if there else None
        for each, there in zip(instants, found.exists.tolist(), strict=True)
    ]


def month_period(anchor, end, at):
    """The period of one subscription."""
    (found,) = _periods([anchor], [end], at)
    return None if found is None else found[0]


def _as_one_by_one(anchors, ends, at):
    """The columns say of each subscription what the oracle says; the number of those with a period."""
    found = _periods(anchors, ends, at)
    assert found == [period_by_oracle(anchor, end, at) for anchor, end in zip(anchors, ends, strict=True)]
    return sum(each is not None for each in found)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (_utc(2026, 1, 31), _utc(2026, 1, 31), _utc(2026, 2, 28)),
        (_utc(2026, 2, 27, 23, 59), _utc(2026, 1, 31), _utc(2026, 2, 28)),
        (_utc(2026, 2, 28), _utc(2026, 2, 28), _utc(2026, 3, 31)),
        (_utc(2026, 3, 30), _utc(2026, 2, 28), _utc(2026, 3, 31)),
        (_utc(2026, 3, 31), _utc(2026, 3, 31), _utc(2026, 4, 30)),
        (_utc(2028, 2, 29), _utc(2028, 2, 29), _utc(2028, 3, 31)),
    ],
)
def test_an_anchor_of_the_31st_never_drifts(at, start, end):
    """31 January, 28 February, 31 March, 30 April, and 29 February in a leap year."""
    assert month_period(_utc(2026, 1, 31), None, at) == (start, end)


def test_a_period_is_half_open_to_the_microsecond():
    """Its last microsecond is in, its end is the next period's start."""
    anchor = _utc(2026, 1, 15, 10, 30)
    end = _utc(2026, 2, 15, 10, 30)
    assert month_period(anchor, None, end - timedelta(microseconds=1)) == (anchor, end)
    assert month_period(anchor, None, end) == (end, _utc(2026, 3, 15, 10, 30))


def test_there_is_no_period_before_the_start():
    """Not a microsecond."""
    anchor = _utc(2026, 1, 15)
    assert month_period(anchor, None, anchor - timedelta(microseconds=1)) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (_utc(2026, 1, 20), (_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 10), (_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 14), (_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 15), None),
    ],
)
def test_the_last_period_is_cut_and_answers_until_its_natural_end(at, expected):
    """A job that asks at the end of the month misses no customer who left on the 10th."""
    assert month_period(_utc(2026, 1, 15), _utc(2026, 2, 10), at) == expected


def test_an_end_at_a_periods_own_end_makes_no_empty_period():
    """It ends there, and the next one never starts."""
    anchor, ends = _utc(2026, 1, 15), _utc(2026, 2, 15)
    assert month_period(anchor, ends, _utc(2026, 2, 14)) == (anchor, ends)
    assert month_period(anchor, ends, ends) is None


# Hypothesis takes naive bounds and adds the zone itself.
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(anchor=instants, at=instants)
def test_periods_meet_without_gap_or_overlap(anchor, at):
    """The period of an instant contains it, and the next starts where it ends."""
    period = month_period(anchor, None, at)
    if at < anchor:
        assert period is None
        return
    assert period[0] <= at < period[1]
    assert timedelta(days=28) <= period[1] - period[0] <= timedelta(days=31)
    assert month_period(anchor, None, period[1])[0] == period[1]


def test_columns_of_anchors_have_the_periods_that_each_has_alone():
    """Every day of a leap year and the months around it as an anchor, at every midnight of 14 months, and a
    microsecond to either side.
    """
    days = [_utc(2027, 12, 1) + timedelta(days=n) for n in range(430)]
    open_ended = [None] * len(days)
    found = 0
    for day in days:
        for at in (day - timedelta(microseconds=1), day, day + timedelta(microseconds=1)):
            found += _as_one_by_one(days, open_ended, at)
    # Of the nth day n anchors have a period just before its midnight, and n + 1 from then on.
    assert found == sum(3 * n + 2 for n in range(430))


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2099, 2100, 2199])
def test_columns_know_leap_years_and_centuries(year):
    """Anchors on the last days of months, with a time of day, some of which end within a month."""
    anchors = [_utc(year, 1, day, 23, 59, 59, 999_999) for day in (1, 28, 29, 30, 31)]
    ends = [None, _utc(year, 2, 28), _utc(year, 3, 29, 23, 59, 59, 999_999), None, _utc(year, 12, 31)]
    for hours in range(-24, 24 * 100, 7):
        at = _utc(year, 1, 31) + timedelta(hours=hours)
        _as_one_by_one(anchors, ends, max(at, _utc(1970, 1, 1)))


@given(
    subscriptions=st.lists(st.tuples(instants, st.none() | instants), min_size=1, max_size=20), at=instants
)
def test_columns_agree_at_any_instants(subscriptions, at):
    """Whatever the anchors and the ends."""
    anchors = [anchor for anchor, _ in subscriptions]
    ends = [end for _, end in subscriptions]
    _as_one_by_one(anchors, ends, at)


ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Pacific/Apia",
)


@given(
    subscriptions=st.lists(st.tuples(instants, st.none() | instants), min_size=1, max_size=5),
    at=instants,
    unit=st.sampled_from(BillingPeriod),
    count=st.integers(1, 5),
    zone=st.sampled_from(ZONES),
    anchor=st.none() | st.just("calendar") | st.dates(date(1990, 1, 1), date(2100, 1, 1)).map(str),
)
def test_every_unit_zone_and_anchor_agrees_with_the_calendar(subscriptions, at, unit, count, zone, anchor):
    """Days, weeks, months, quarters and years, every n of them, from any anchor, where clocks are turned."""
    found = _periods(*zip(*subscriptions, strict=True), at, PeriodSchedule(unit, count, zone, anchor))
    assert found == [
        period_by_oracle(start, end, at, unit=str(unit), count=count, zone=zone, anchor=anchor)
        for start, end in subscriptions
    ]


def test_a_midnight_that_clocks_skip_is_the_instant_of_the_change():
    """In Sao Paulo 4 November 2018 began at 01:00, which is 03:00 UTC: the day before has 24 hours, this one 23."""
    daily = PeriodSchedule(BillingPeriod.DAY, 1, "America/Sao_Paulo", "calendar")
    (found,) = _periods([_utc(2018, 1, 1)], [None], _utc(2018, 11, 4, 12), daily)
    assert found[0] == (_utc(2018, 11, 4, 3), _utc(2018, 11, 5, 2))


def test_a_midnight_that_clocks_show_twice_is_the_first_of_the_two():
    """In Cairo, at the end of 29 October 2026, clocks go from 24:00 back to 23:00: 30 October begins once, at 22:00 UTC."""
    daily = PeriodSchedule(BillingPeriod.DAY, 1, "Africa/Cairo", "calendar")
    (found,) = _periods([_utc(2026, 1, 1)], [None], _utc(2026, 10, 30, 12), daily)
    assert found[0] == (_utc(2026, 10, 29, 22), _utc(2026, 10, 30, 22))


def test_a_calendar_month_of_berlin_begins_at_its_local_midnight():
    """November 2026 there is 23:00 UTC of 31 October to 23:00 UTC of 30 November; a start on the 16th cuts it."""
    monthly = PeriodSchedule(BillingPeriod.MONTH, 1, "Europe/Berlin", "calendar")
    (found,) = _periods([_utc(2026, 11, 16)], [None], _utc(2026, 11, 20), monthly)
    assert found == (
        (_utc(2026, 11, 16), _utc(2026, 11, 30, 23)),
        (_utc(2026, 10, 31, 23), _utc(2026, 11, 30, 23)),
    )


@given(seed=st.integers(0, 10**9), days=st.integers(1, 120), start=st.integers(0, 400 * 86_400))
def test_every_period_that_starts_in_a_span_is_the_nth_of_its_subscription(seed, days, start):
    """Of subscriptions of any units, zones, anchors and ends each such period once, and none that starts elsewhere."""
    dice = random.Random(seed)
    plans = random_plans(dice)
    subscriptions = [random_subscription(dice, number, plans) for number in range(20)]
    zones = {each["customer"]: dice.choice(WORLD_ZONES) for each in subscriptions}
    catalog = catalog_of(plans, subscriptions, zones)
    low = _utc(2025, 9, 1) + timedelta(seconds=start)
    high = low + timedelta(days=days)
    rows = np.arange(len(subscriptions))
    ids = catalog.subscription_columns.subscription_id.to_pylist()
    found, number, more = [], 0, True
    while more:
        nth = NthPeriod(datetime_us(low), datetime_us(high), number)
        periods = periods_of_rows(catalog, rows, nth.instants_us(catalog, rows))
        found += [(ids[row], us_datetime(int(periods.start_us[row]))) for row in rows if periods.exists[row]]
        more, number = not nth.is_last(catalog, rows), number + 1
    expected = []
    for each in subscriptions:
        (_, _, _, (unit, count)), *_ = plans[each["plan"]]
        rest = {"unit": unit, "count": count, "zone": zones[each["customer"]], "anchor": each.get("anchor")}
        at = max(low, each["start"])
        while period := period_by_oracle(each["start"], each.get("end"), at, **rest):
            (began, _), (_, following) = period
            if began >= high:
                break
            if began >= low:
                expected.append((each["id"], began))
            at = following
    assert sorted(found) == sorted(expected)
