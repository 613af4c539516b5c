"""Which billing periods a command is about: those that end in a month, in several, or in a span of time."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import click

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import (
    MomentType,
    MonthType,
    check_period,
    month_after,
    together,
    zone_option,
)
from engine.cli.usage.usage_question import instant_of

ENDED_PERIODS_EPILOG = (
    "INSTANT is RFC 3339, such as 2023-11-16T18:15:00Z, or a date, which is its start in --time-zone."
)
ended_period_options = together(
    click.option(
        "--period", type=MonthType(), metavar="YYYY-MM", help="All billing periods that end in this month."
    ),
    click.option(
        "--from", "start", type=MomentType(), metavar="INSTANT", help="All that end after this, with --to."
    ),
    click.option(
        "--to",
        "end",
        type=MomentType(),
        metavar="INSTANT",
        help="... and up to this, which is included. In place of --period.",
    ),
    zone_option("In whose calendar the month, or a date, begins"),
)
GRACE = click.IntRange(0, 31_536_000)
"""Seconds after the end of a billing period: up to a year, as the engine takes it."""
months_options = together(
    click.option(
        "--from", "start", type=MonthType(), required=True, metavar="YYYY-MM", help="The first month."
    ),
    click.option(
        "--to",
        "end",
        type=MonthType(),
        required=True,
        metavar="YYYY-MM",
        help="The last month, which is included.",
    ),
    zone_option("In whose calendar months begin"),
)


def span_of_months(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which these months begin and are over. Raises CommandError if the last is before the first."""
    if last < first:
        raise CommandError("--to must not be before --from")
    return instant_of(first, zone, "--from"), instant_of(month_after(last), zone, "--to")


def ended_span(
    period: date | None, start: datetime | date | None, end: datetime | date | None, zone: ZoneInfo, what: str
) -> tuple[datetime, datetime]:
    """`what`: what the command does with them. Raises CommandError where the options contradict each other."""
    if period is not None:
        if start is not None or end is not None:
            raise CommandError("name billing periods with --period, or with --from and --to: not both")
        return instant_of(period, zone, "--period"), instant_of(month_after(period), zone, "--period")
    if start is None or end is None:
        raise CommandError(f"name what to {what}: --period 2026-11, or --from and --to")
    span = instant_of(start, zone, "--from"), instant_of(end, zone, "--to")
    check_period(*span)
    return span
