"""Billing periods: which half-open stretch of time a charge is for.

Rules:
1. A month period starts at the subscription's start plus n months, always counted from the start and never
   from the period before: an anchor of 31 January gives 28 February and then 31 March.
2. Periods meet without gap or overlap. The last one ends where the subscription ends, and is still the answer
   until the month would have ended: a job that asks at the end of the month misses no customer who left.
3. All of it in UTC.
"""

import calendar
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

Instants = npt.NDArray[np.int64]
"""Microseconds since 1970, int64[n]."""

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """`[start, end)`; both are aware and in UTC."""

    start: datetime
    end: datetime


def month_period(anchor: datetime, ends: datetime | None, at: datetime) -> Period | None:
    """The period that contains `at`, cut at the subscription's end.

    None before the subscription's start, and from the natural end of its last month on.
    """
    if at < anchor:
        return None
    n = (at.year - anchor.year) * 12 + at.month - anchor.month
    if add_months(anchor, n) > at:
        n -= 1
    start, end = add_months(anchor, n), add_months(anchor, n + 1)
    if ends is not None and ends <= start:
        return None
    return Period(start, end if ends is None else min(end, ends))


def add_months(anchor: datetime, months: int) -> datetime:
    """The same day and time `months` later, or the month's last day where it has no such day."""
    year, month0 = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month0 + 1)[1]
    return anchor.replace(year=year, month=month0 + 1, day=min(anchor.day, last_day))


def month_periods(
    anchor_us: Instants, ends_us: Instants, at_us: int
) -> tuple[Instants, Instants, npt.NDArray[np.bool_]]:
    """`month_period` of n subscriptions: starts, ends, and whether there is a period at all.

    A subscription that never ends has an end that is later than any instant. Starts and ends mean nothing where
    there is no period.
    """
    anchor_day = anchor_us // _DAY_US
    time_us = anchor_us - anchor_day * _DAY_US
    anchor_month = _month_of(anchor_day)
    day_of_month = anchor_day - _first_day_of(anchor_month)

    def added(months: Instants) -> Instants:
        """The anchor so many months after its own, or the last day of a month that has no such day."""
        month = anchor_month + months
        first = _first_day_of(month)
        last: Instants = _first_day_of(month + 1) - 1
        starts: Instants = np.minimum(first + day_of_month, last) * _DAY_US + time_us
        return starts

    months = _month_of(np.array([at_us // _DAY_US])) - anchor_month
    months = np.where(added(months) > at_us, months - 1, months)
    start_us, natural_end_us = added(months), added(months + 1)
    exists = (anchor_us <= at_us) & (start_us < ends_us)
    return start_us, np.minimum(natural_end_us, ends_us), exists


def _month_of(day: Instants) -> Instants:
    """The month of a day; both counted from January 1970."""
    months: Instants = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _first_day_of(month: Instants) -> Instants:
    days: Instants = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days
