"""A period cut into windows of a calendar: minutes, hours, days, weeks or months of a time zone. Pure.

    bounds   n + 1 ascending instants (microseconds since 1970) that make n adjoining half-open windows

Rules:
1. The first bound is the period's start and the last its end: the first and the last window are cut by the period.
2. A day starts at the first instant at which the zone's calendar shows its date or a later one. So a day without
   midnight starts when the clock has been put forward over it, one with two midnights starts at the first, and a
   date that the zone skipped has no window. Weeks start with Mondays, months with their first days.
3. Days have the length that they have: 23 or 25 hours where the clock is put forward or back.
4. An hour starts where the zone's clock shows a full hour, and lasts 3,600 s: what the clock shows twice makes two
   windows. A shift that isn't one of whole hours, and a day that doesn't start at a full hour, start a new one, so
   hours always add up to days. Minutes are the same with 60 s.
5. There are at most WINDOWS_MAX.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from heapq import merge
from zoneinfo import ZoneInfo

from engine.times import datetime_us, us_datetime

# A week of minutes is 10,080; more is no answer for people, and each is a row of every group.
WINDOWS_MAX = 10_000

_SECOND_US = 1_000_000


class Window(StrEnum):
    """How long a window is; NONE is one window, the period."""

    NONE = "none"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class TooManyWindowsError(ValueError):
    """The period has more than WINDOWS_MAX windows."""

    def __init__(self, window: Window) -> None:
        super().__init__(
            f"makes more than {WINDOWS_MAX:,} windows of the period: ask for a shorter period, "
            f"or for windows longer than a {window}"
        )


def window_bounds_us(start_us: int, end_us: int, window: Window, zone: ZoneInfo) -> list[int]:
    """The bounds of the period's windows.

    Raises:
        TooManyWindowsError: there are more than WINDOWS_MAX.
    """
    bounds = [start_us]
    for instant_us in _starts_us(start_us, end_us, window, zone):
        if instant_us >= end_us:
            break
        if instant_us > bounds[-1]:
            bounds.append(instant_us)
        if len(bounds) > WINDOWS_MAX:
            raise TooManyWindowsError(window)
    return [*bounds, end_us]


def day_start_us(day: date, zone: ZoneInfo) -> int:
    """The instant at which a date starts in a zone."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    # Of two midnights the first is meant: `fold` is 0.
    found = midnight.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return datetime_us(found)
    # The clock is put forward over it: the offset changes after the one instant and not after the other.
    after = datetime_us(midnight.replace(fold=1).astimezone(UTC))
    return _offset_change_us(after, datetime_us(found), zone)


def _starts_us(start_us: int, end_us: int, window: Window, zone: ZoneInfo) -> Iterator[int]:
    """Where windows start, in ascending order: from some instant on that isn't after the first one past the
    period's start, to some that isn't before the period's end.
    """
    match window:
        case Window.NONE:
            return iter([end_us])
        case Window.MINUTE:
            return _clock_starts_us(start_us, end_us, 60 * _SECOND_US, zone)
        case Window.HOUR:
            return _clock_starts_us(start_us, end_us, 3_600 * _SECOND_US, zone)
        case _:
            days = _days(us_datetime(start_us).astimezone(zone).date(), window)
            return (day_start_us(day, zone) for day in days)


def _days(first: date, window: Window) -> Iterator[date]:
    """The dates after `first` with which windows start."""
    match window:
        case Window.WEEK:
            day, step = first + timedelta(days=7 - first.weekday()), 7
        case Window.MONTH:
            year, month = first.year, first.month
            while True:
                year, month = (year, month + 1) if month < 12 else (year + 1, 1)
                yield date(year, month, 1)
        case _:
            day, step = first + timedelta(days=1), 1
    while True:
        yield day
        day += timedelta(days=step)


def _clock_starts_us(start_us: int, end_us: int, step_us: int, zone: ZoneInfo) -> Iterator[int]:
    """Where the zone's clock shows a full hour (minute); and the days."""
    days = _starts_us(start_us, end_us, Window.DAY, zone)
    return merge(_full_us(start_us, end_us, step_us, zone), _until(days, end_us))


def _until(instants_us: Iterator[int], end_us: int) -> Iterator[int]:
    for instant_us in instants_us:
        yield instant_us
        if instant_us >= end_us:
            return


def _full_us(start_us: int, end_us: int, step_us: int, zone: ZoneInfo) -> Iterator[int]:
    at_us, offset_us = start_us, _offset_us(start_us, zone)
    while at_us < end_us:
        next_us = at_us - (at_us + offset_us) % step_us + step_us
        next_offset_us = _offset_us(next_us, zone)
        if (next_offset_us - offset_us) % step_us:
            next_us = _offset_change_us(at_us, next_us, zone)
        at_us, offset_us = next_us, next_offset_us
        yield at_us


def _offset_us(instant_us: int, zone: ZoneInfo) -> int:
    offset = us_datetime(instant_us).astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone.key} has no offset from UTC")
    return offset // timedelta(microseconds=1)


def _offset_change_us(before_us: int, after_us: int, zone: ZoneInfo) -> int:
    """The instant in (before, after] at which the zone's offset changes to what it is at `after_us`; offsets
    change at whole seconds.
    """
    offset_us = _offset_us(after_us, zone)
    low, high = before_us // _SECOND_US, -(-after_us // _SECOND_US)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(middle * _SECOND_US, zone) == offset_us:
            high = middle
        else:
            low = middle
    return high * _SECOND_US
