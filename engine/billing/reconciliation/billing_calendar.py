"""Billing periods of one subscription, one at a time, by the calendar of the standard library. Pure.

It shares nothing with the columns of engine.billing.periods but the definition: anchor plus n units, always from the anchor, as wall
clocks of the subscription's time zone.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine.catalog.kinds.plan import BillingPeriod, Plan
from engine.catalog.kinds.subscription import CALENDAR, Subscription

_MONTHS: Final = {BillingPeriod.MONTH: 1, BillingPeriod.QUARTER: 3, BillingPeriod.YEAR: 12}
_DAYS: Final = {BillingPeriod.DAY: 1, BillingPeriod.WEEK: 7}
# The fifth of January 1970 was a Monday.
_FIRST_MONDAY: Final = 5


class BilledPeriod(NamedTuple):
    """[start, end), cut where the subscription starts and ends; `is_whole`: nothing was cut off."""

    start: datetime
    end: datetime
    is_whole: bool


def period_at(of: Subscription, plan: Plan, zone: str, at: datetime) -> BilledPeriod | None:
    """The period that contains an instant; None before the subscription's start and behind its last period."""
    if at < of.start:
        return None
    count = 0
    while _edge(of, plan, zone, count) > at:
        count -= 1
    # A first guess that is surely not too late: no unit is shorter than its shortest month.
    unit, each = plan.period_length
    days = _DAYS[unit] * each if unit in _DAYS else 31 * _MONTHS[unit] * each
    count = max(count, (at - of.start).days // days - 1)
    while _edge(of, plan, zone, count) > at:
        count -= 1
    while _edge(of, plan, zone, count + 1) <= at:
        count += 1
    whole_start, whole_end = (_edge(of, plan, zone, number) for number in (count, count + 1))
    start, end = max(whole_start, of.start), whole_end if of.end is None else min(whole_end, of.end)
    return None if start >= end else BilledPeriod(start, end, (start, end) == (whole_start, whole_end))


def _edge(of: Subscription, plan: Plan, zone: str, number: int) -> datetime:
    unit, count = plan.period_length
    if number == 0 and of.anchor is None:
        return of.start
    wall = _anchor(of, unit, zone)
    if unit in _DAYS:
        wall += timedelta(days=_DAYS[unit] * count * number)
    else:
        wall = _months_later(wall, _MONTHS[unit] * count * number)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _anchor(of: Subscription, unit: BillingPeriod, zone: str) -> datetime:
    """A wall clock."""
    if of.anchor is None:
        return of.start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if of.anchor == CALENDAR:
        day = _FIRST_MONDAY if unit is BillingPeriod.WEEK else 1
        return datetime(1970, 1, day)  # noqa: DTZ001 - a wall clock
    return datetime.combine(date.fromisoformat(of.anchor), time())


def _months_later(wall: datetime, months: int) -> datetime:
    """The same day and time, or the month's last day where it has no such day."""
    year, month0 = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return wall.replace(year=year, month=month0 + 1, day=min(wall.day, last))
