"""Billing periods as people call them: by the days of a wall clock. Pure."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from engine.time_zones import time_zone
from engine.times import rfc3339

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def period_words(start: datetime, end: datetime, zone: str) -> str:
    """As in "January 2026", "15 January to 14 February 2026", where the days are whole; else both instants."""
    clock: tzinfo = UTC if zone == "UTC" else time_zone(zone)
    first, behind = start.astimezone(clock), end.astimezone(clock)
    if time() != first.time() or time() != behind.time():
        return f"{rfc3339(start)} to {rfc3339(end)}"
    last = behind.date() - timedelta(days=1)
    if first.day == 1 and behind.day == 1 and (first.year, first.month) == (last.year, last.month):
        return f"{_MONTHS[first.month - 1]} {first.year}"
    until = f"{last.day} {_MONTHS[last.month - 1]} {last.year}"
    if first.date() == last:
        return until
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {_MONTHS[first.month - 1]}{year} to {until}"


def is_one_day_or_month(words: str) -> bool:
    """Whether "in" goes before them, and not "from"."""
    return " to " not in words
