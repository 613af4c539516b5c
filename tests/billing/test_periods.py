"""Billing periods: months counted from the subscription's start."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.periods import Period, month_period, month_periods
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.times import datetime_us, us_datetime


def _utc(*parts):
    return datetime(*parts, tzinfo=UTC)


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
    assert month_period(_utc(2026, 1, 31), None, at) == Period(start, end)


def test_a_period_is_half_open_to_the_microsecond():
    """Its last microsecond is in, its end is the next period's start."""
    anchor = _utc(2026, 1, 15, 10, 30)
    end = _utc(2026, 2, 15, 10, 30)
    assert month_period(anchor, None, end - timedelta(microseconds=1)) == Period(anchor, end)
    assert month_period(anchor, None, end) == Period(end, _utc(2026, 3, 15, 10, 30))


def test_there_is_no_period_before_the_start():
    """Not a microsecond."""
    anchor = _utc(2026, 1, 15)
    assert month_period(anchor, None, anchor - timedelta(microseconds=1)) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (_utc(2026, 1, 20), Period(_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 10), Period(_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 14), Period(_utc(2026, 1, 15), _utc(2026, 2, 10))),
        (_utc(2026, 2, 15), None),
    ],
)
def test_the_last_period_is_cut_and_answers_until_its_natural_end(at, expected):
    """A job that asks at the end of the month misses no customer who left on the 10th."""
    assert month_period(_utc(2026, 1, 15), _utc(2026, 2, 10), at) == expected


def test_an_end_at_a_periods_own_end_makes_no_empty_period():
    """It ends there, and the next one never starts."""
    anchor, ends = _utc(2026, 1, 15), _utc(2026, 2, 15)
    assert month_period(anchor, ends, _utc(2026, 2, 14)) == Period(anchor, ends)
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
    assert period.start <= at < period.end
    assert timedelta(days=28) <= period.end - period.start <= timedelta(days=31)
    assert month_period(anchor, None, period.end).start == period.end


def _as_one_by_one(anchors, ends, at):
    """`month_periods` says of each subscription what `month_period` says; the number of those with a period."""
    start_us, end_us, exists = month_periods(
        np.array([datetime_us(each) for each in anchors]),
        np.array([NO_END_US if each is None else datetime_us(each) for each in ends]),
        datetime_us(at),
    )
    found = [
        Period(us_datetime(start), us_datetime(end)) if there else None
        for start, end, there in zip(start_us.tolist(), end_us.tolist(), exists.tolist(), strict=True)
    ]
    assert found == [month_period(anchor, end, at) for anchor, end in zip(anchors, ends, strict=True)]
    return sum(exists.tolist())


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
