"""Windows of a calendar: days known by hand, and every odd zone against an oracle that watches the clock."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from engine.time_zones import time_zone
from engine.times import datetime_us, us_datetime
from engine.usage.facts.windows import (
    WINDOWS_MAX,
    TooManyWindowsError,
    Window,
    day_start_us,
    window_bounds_us,
)
from tests.support.usage.window_oracle import bounds_by_oracle

HOUR_US = 3_600_000_000
# Clocks that are put on at midnight, by half an hour, by three hours, over a date; quarter hours; two midnights.
ODD = {
    "UTC": "2026-03-29",
    "Europe/Berlin": "2026-03-29",
    "America/New_York": "2026-11-01",
    "America/Sao_Paulo": "2018-11-04",
    "Asia/Beirut": "2022-03-27",
    "America/Havana": "2026-11-01",
    "America/St_Johns": "2010-11-07",
    "Pacific/Apia": "2011-12-30",
    "Pacific/Kwajalein": "1993-08-21",
    "Pacific/Kiritimati": "1995-01-01",
    "Australia/Lord_Howe": "2026-04-05",
    "Asia/Kathmandu": "1986-01-01",
    "Asia/Kolkata": "2026-01-01",
    "Pacific/Chatham": "2026-04-05",
    "Asia/Pyongyang": "2018-05-05",
    "Antarctica/Casey": "2010-03-05",
    "Antarctica/Troll": "2026-03-29",
    "Africa/Casablanca": "2026-03-22",
}


def us(text):
    return datetime_us(datetime.fromisoformat(text).astimezone(UTC))


def bounds(start, end, window, zone="UTC"):
    made = window_bounds_us(us(start), us(end), Window(window), time_zone(zone))
    return [us_datetime(each).isoformat().replace("+00:00", "Z") for each in made]


def day_length_h(day, zone):
    days = [day_start_us(date.fromisoformat(day) + timedelta(days=n), time_zone(zone)) for n in (0, 1)]
    return (days[1] - days[0]) / HOUR_US


def test_no_window_is_the_period_itself():
    """To the microsecond."""
    assert bounds("2026-01-31T10:00:00.000001Z", "2026-02-01T00:00:00Z", "none") == [
        "2026-01-31T10:00:00.000001Z",
        "2026-02-01T00:00:00Z",
    ]


def test_the_period_cuts_the_first_and_the_last_window():
    """From Friday afternoon to Monday noon: a week ends on the way, and so does a month."""
    period = ("2026-01-30T15:30:00Z", "2026-02-02T12:00:00Z")
    assert bounds(*period, "week") == [period[0], "2026-02-02T00:00:00Z", period[1]]
    assert bounds(*period, "month") == [period[0], "2026-02-01T00:00:00Z", period[1]]
    assert bounds(*period, "day") == [
        period[0],
        "2026-01-31T00:00:00Z",
        "2026-02-01T00:00:00Z",
        "2026-02-02T00:00:00Z",
        period[1],
    ]


def test_a_period_that_ends_with_a_window_has_no_empty_one_behind():
    """Nor one before, if it starts with one."""
    assert len(bounds("2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z", "day")) == 8
    assert len(bounds("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000001Z", "minute")) == 2


def test_days_are_as_long_as_they_are():
    """Clocks put forward and back by an hour, by half of one, and by three."""
    assert day_length_h("2026-03-29", "Europe/Berlin") == 23
    assert day_length_h("2026-10-25", "Europe/Berlin") == 25
    assert day_length_h("2026-03-30", "Europe/Berlin") == 24
    assert day_length_h("2026-04-05", "Australia/Lord_Howe") == 24.5
    assert day_length_h("2026-10-04", "Australia/Lord_Howe") == 23.5


def test_a_month_of_berlin_is_an_hour_short_in_march():
    """1 March at +1 to 1 April at +2: 743 hours, one of them by no clock."""
    assert bounds("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", "month", "Europe/Berlin") == [
        "2026-02-28T23:00:00Z",
        "2026-03-31T22:00:00Z",
    ]
    assert len(bounds("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", "hour", "Europe/Berlin")) == 743 + 1


def test_a_midnight_that_does_not_exist_is_the_moment_after_it():
    """São Paulo and Beirut put the clock from 00:00 to 01:00: at 03:00 and 22:00 UTC."""
    assert bounds("2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z", "day", "America/Sao_Paulo") == [
        "2018-11-03T12:00:00Z",
        "2018-11-04T03:00:00Z",
        "2018-11-05T02:00:00Z",
        "2018-11-05T12:00:00Z",
    ]
    assert day_start_us(date(2022, 3, 27), time_zone("Asia/Beirut")) == us("2022-03-26T22:00:00Z")


def test_a_date_that_was_skipped_has_no_window():
    """Samoa went from the end of 29 December 2011 (at -10) to the start of the 31st (at +14)."""
    assert bounds("2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", "day", "Pacific/Apia") == [
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
    ]
    skipped = day_start_us(date(2011, 12, 30), time_zone("Pacific/Apia"))
    assert (
        skipped == day_start_us(date(2011, 12, 31), time_zone("Pacific/Apia")) == us("2011-12-30T10:00:00Z")
    )


def test_of_two_midnights_the_first_starts_the_day():
    """St. John's went back from 00:01 to 23:01 (at -2:30 until then); Havana from 01:00 to 00:00."""
    assert day_start_us(date(2010, 11, 7), time_zone("America/St_Johns")) == us("2010-11-07T02:30:00Z")
    assert day_length_h("2010-11-07", "America/St_Johns") == 25
    assert day_start_us(date(2026, 11, 1), time_zone("America/Havana")) == us("2026-11-01T04:00:00Z")


def test_hours_of_a_quarter_hour_zone_start_with_its_clock():
    """Kathmandu is 5:45 ahead: its hours start at a quarter past."""
    assert bounds("2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z", "hour", "Asia/Kathmandu") == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:15:00Z",
        "2026-01-01T01:15:00Z",
        "2026-01-01T02:00:00Z",
    ]


def test_an_hour_that_the_clock_shows_twice_is_two_windows():
    """Berlin's 02:00 to 03:00 of 25 October 2026."""
    assert bounds("2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", "hour", "Europe/Berlin") == [
        f"2026-10-25T0{hour}:00:00Z" for hour in range(4)
    ]


def test_a_shift_of_half_an_hour_starts_a_shorter_hour():
    """Lord Howe went back from 02:00 to 01:30 at 15:00 UTC: 01:00 to 02:00, then half of one, then full ones."""
    assert bounds("2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", "hour", "Australia/Lord_Howe") == [
        "2026-04-04T14:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-04-04T15:30:00Z",
        "2026-04-04T16:30:00Z",
    ]


def test_minutes_follow_a_clock_that_is_off_by_seconds():
    """Monrovia was 44 minutes and 30 seconds behind until 7 January 1972, 00:44:30 UTC."""
    assert bounds("1972-01-07T00:43:00Z", "1972-01-07T00:46:00Z", "minute", "Africa/Monrovia") == [
        "1972-01-07T00:43:00Z",
        "1972-01-07T00:43:30Z",
        "1972-01-07T00:44:30Z",
        "1972-01-07T00:45:00Z",
        "1972-01-07T00:46:00Z",
    ]


@pytest.mark.parametrize("window", list(Window))
@pytest.mark.parametrize("zone", sorted(ODD))
def test_windows_are_those_of_somebody_who_watches_the_clock(zone, window, seed):
    """Around the days on which each zone's clock did something odd, from and to any microsecond."""
    dice = random.Random(f"{seed}-{zone}-{window}")
    around_us = us(f"{ODD[zone]}T00:00:00Z")
    reach_us = {"minute": 6, "week": 9 * 24, "month": 33 * 24}.get(window, 3 * 24) * HOUR_US
    start_us, end_us = around_us - dice.randrange(1, reach_us), around_us + dice.randrange(1, reach_us)
    if dice.random() < 0.5:
        start_us, end_us = start_us // HOUR_US * HOUR_US, -(-end_us // HOUR_US) * HOUR_US
    found = window_bounds_us(start_us, end_us, window, time_zone(zone))
    assert found == bounds_by_oracle(start_us, end_us, window, time_zone(zone)), (start_us, end_us)


@pytest.mark.parametrize("zone", sorted(ODD))
def test_short_windows_add_up_to_long_ones(zone):
    """Every start of a month is one of a day, and every start of a day one of an hour."""
    start_us = us(f"{ODD[zone]}T00:00:00Z") - 40 * 24 * HOUR_US
    of = {
        window: set(window_bounds_us(start_us, start_us + 80 * 24 * HOUR_US, window, time_zone(zone)))
        for window in (Window.HOUR, Window.DAY, Window.WEEK, Window.MONTH)
    }
    assert of[Window.MONTH] | of[Window.WEEK] <= of[Window.DAY] <= of[Window.HOUR]


def test_more_windows_than_anybody_reads_are_refused():
    """The limit is named; exactly as many are fine."""
    start_us = us("2026-01-01T00:00:00Z")
    end_us = start_us + WINDOWS_MAX * 60_000_000
    assert len(window_bounds_us(start_us, end_us, Window.MINUTE, time_zone("UTC"))) == WINDOWS_MAX + 1
    with pytest.raises(TooManyWindowsError, match=r"more than 10,000 windows .* longer than a minute"):
        window_bounds_us(start_us, end_us + 1, Window.MINUTE, time_zone("UTC"))
    with pytest.raises(TooManyWindowsError):
        window_bounds_us(0, us("2199-12-31T23:59:59Z"), Window.MINUTE, time_zone("Europe/Berlin"))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo"])
def test_the_whole_calendar_has_its_months(zone):
    """From 1970 to the last second of 2199; a zone ahead of UTC reaches into the next year."""
    made = window_bounds_us(0, us("2199-12-31T23:59:59Z"), Window.MONTH, time_zone(zone))
    assert len(made) == 230 * 12 + 1 + (zone != "UTC")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Berlin",
        "europe/berlin",
        "+02:00",
        "CET5CEST6,1,2",
        "/etc/localtime",
        "../zones",
        "Europe",
        "A\0",
        "é" * 99,
    ],
)
def test_what_is_no_zone_is_refused(name):
    """Files, folders and rules of one's own too."""
    with pytest.raises(ValueError, match=r"^'.*' is not a time zone of the IANA database"):
        time_zone(name)


def test_a_misspelled_zone_is_guessed():
    """As everywhere else."""
    with pytest.raises(ValueError, match="did you mean 'Europe/Berlin'"):
        time_zone("Europe/Berln")


def test_every_zone_of_the_database_can_be_had():
    """Nothing is listed that has no rules."""
    for name in ("UTC", "America/Argentina/ComodRivadavia", "Etc/GMT+12", "EST5EDT"):
        assert time_zone(name).key == name
