"""Billing periods one at a time, by the calendar of the standard library: what the columns of engine.billing are judged by."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}


def period_by_oracle(start, end, at, *, unit="month", count=1, zone="UTC", anchor=None):
    """((start, end), (start, end) of the whole period) that contains `at`; None before the start, and after the last."""
    if at < start:
        return None
    number = _some_number_before(start, at, unit, count, zone, anchor)
    while _edge(start, number + 1, unit, count, zone, anchor) <= at:
        number += 1
    whole = tuple(_edge(start, each, unit, count, zone, anchor) for each in (number, number + 1))
    cut = max(whole[0], start), whole[1] if end is None else min(whole[1], end)
    return None if cut[0] >= cut[1] else (cut, whole)


def month_period(start, end, at):
    """The cut one, of a subscription by the month in UTC, counted from its start."""
    found = period_by_oracle(start, end, at)
    return None if found is None else found[0]


def add_months(wall, months):
    """The same day and time so many months later, or the month's last day where it has no such day."""
    year, month0 = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month0 + 1)[1]
    return wall.replace(year=year, month=month0 + 1, day=min(wall.day, last_day))


def _anchor(start, unit, zone, anchor):
    """A wall clock."""
    if anchor is None:
        return start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if anchor == "calendar":
        # The fifth of January 1970 was a Monday.
        return datetime(1970, 1, 5 if unit == "week" else 1)  # noqa: DTZ001 - a wall clock
    return datetime.combine(date.fromisoformat(anchor), time())


def _edge(start, number, unit, count, zone, anchor):
    wall = _anchor(start, unit, zone, anchor)
    if unit in _DAYS:
        wall += timedelta(days=_DAYS[unit] * count * number)
    else:
        wall = add_months(wall, _MONTHS[unit] * count * number)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _some_number_before(start, at, unit, count, zone, anchor):
    """The number of an edge that is surely not after `at`."""
    wall = _anchor(start, unit, zone, anchor)
    days = (at.replace(tzinfo=None) - wall).days
    length = _DAYS[unit] * count if unit in _DAYS else 31 * _MONTHS[unit] * count
    return (
        days // length - 2
        if days >= 0
        else days // (28 * max(1, _MONTHS.get(unit, 1)) * count if unit in _MONTHS else length) - 2
    )
