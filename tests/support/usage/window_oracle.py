"""The slow, obvious calendar: looks at a zone's clock every minute. Judges engine.usage.facts.windows."""

from datetime import UTC, datetime, timedelta

MINUTE_US = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bounds_by_oracle(start_us, end_us, window, zone):
    """For zones whose offsets are whole minutes, and change at whole minutes."""
    bounds = [start_us]
    if window != "none":
        # From the whole minute of the start on: what the clock had shown until then.
        at_us = start_us // MINUTE_US * MINUTE_US
        before = _clock(at_us, zone)
        newest_date = before.date()
        while (at_us := at_us + MINUTE_US) < end_us:
            now = _clock(at_us, zone)
            new_day = now.date() > newest_date
            if _starts(window, now, before, new_day, newest_date):
                bounds.append(at_us)
            newest_date = max(newest_date, now.date())
            before = now
    return [*bounds, end_us]


def _clock(instant_us, zone):
    return (EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)


def _starts(window, now, before, new_day, newest_date):
    if window == "minute":
        return True
    if window == "hour":
        shift = now.utcoffset() - before.utcoffset()
        return now.minute == 0 or new_day or shift % timedelta(hours=1) != timedelta(0)
    if not new_day:
        return False
    if window == "week":
        return now.date().isocalendar()[:2] != newest_date.isocalendar()[:2]
    if window == "month":
        return (now.year, now.month) != (newest_date.year, newest_date.month)
    return True
