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
