"""The time of a row: RFC 3339 text or an epoch number, to microseconds since 1970, exact."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from engine.json_cells import Flaw

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# How many microseconds the number 1 is.
EPOCHS_US = {"epoch-s": 1_000_000, "epoch-ms": 1_000, "epoch-us": 1}
_DIGITS_MAX = 40
# Beyond it an instant can't be sent; the year 9999 lies well within.
_TIMES_US_MAX = 2**62

TimeReader = Callable[[str], int | Flaw]


def time_reader(time_format: str, zone: ZoneInfo | None) -> TimeReader:
    """The reader of one format: `rfc3339` or one of EPOCHS_US."""
    if time_format in EPOCHS_US:
        unit_us = EPOCHS_US[time_format]
        return lambda text: _epoch_us(text, unit_us, time_format)
    return lambda text: _text_us(text, zone)


def _text_us(text: str, zone: ZoneInfo | None) -> int | Flaw:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return Flaw(
            f"{text[:64]!r} is not an RFC 3339 time: write 2026-11-21T03:32:00Z, or give --time-format"
        )
    if instant.tzinfo is None and zone is None:
        return Flaw(f"{text[:64]!r} has no time zone: give --time-zone")
    try:
        if instant.tzinfo is None and zone is not None:
            instant = instant.replace(tzinfo=zone)
            # Of an hour that a clock shows twice the first is meant; one that it never shows is a mistake.
            if instant.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != instant.replace(tzinfo=None):
                return Flaw(f"{text[:64]!r} does not exist in {zone.key}: the clocks are put forward there")
        return (instant.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except OverflowError:
        return Flaw(f"{text[:64]!r} is out of the calendar")


def _epoch_us(text: str, unit_us: int, time_format: str) -> int | Flaw:
    try:
        number = Decimal(text) if len(text) <= _DIGITS_MAX else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        return Flaw(f"{text[:64]!r} is not a number: --time-format says {time_format}")
    times_us = (number * unit_us).to_integral_value(ROUND_FLOOR)
    if abs(times_us) > _TIMES_US_MAX:
        return Flaw(f"{text[:64]!r} is out of the calendar: is it {time_format}?")
    return int(times_us)
