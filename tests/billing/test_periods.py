"""Billing periods: months counted from the subscription's start."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.periods import Period, month_period


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
