"""The types of options, and the options that several commands share.

An empty text is refused, and never read as an option that was left out: `--customer "$CUSTOMER"` with a variable that
is not set would ask for everybody, or correct what everybody used.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.credentials import CREDENTIAL_OPTIONS
from engine.time_zones import time_zone
from meterline import InvalidOptionError, check_target

DEFAULT_TARGET = "localhost:7070"
_LIMIT_DEFAULT = 100
Pair = tuple[str, str]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def option_name(param: click.Parameter | None) -> str:
    """As a person writes it: the long form of an option, the word of an argument in the usage line."""
    if isinstance(param, click.Argument):
        return param.human_readable_name.strip("[].")
    return param.opts[-1] if param is not None else "it"


class TextType(click.ParamType[str]):
    """A text that says something; `what` it names stands in the line that refuses an empty one."""

    name = "text"

    def __init__(self, what: str) -> None:
        self._what = what

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's own
        """Raises CommandError for an empty text."""
        if value:
            return value
        way_out = "" if isinstance(param, click.Argument) else ", or leave the option out"
        raise CommandError(f"{option_name(param)} is empty: name {self._what}{way_out}")


class PairType(click.ParamType[Pair]):
    """NAME=VALUE, in the words of `form`; the value may be empty and hold any sign."""

    name = "pair"

    def __init__(self, form: str = "NAME=VALUE", *, names_itself: bool = False) -> None:
        """Where a value `names_itself`, it may come alone, and its name is then empty."""
        self._form, self._names_itself = form, names_itself

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Pair:  # noqa: ARG002 - click's own
        """Raises CommandError for a text without a name."""
        name, equals, text = value.partition("=")
        if not equals and self._names_itself:
            return "", value
        if not name or not equals:
            raise CommandError(f"{option_name(param)} {value}: write {self._form}")
        return name, text


def each_once(pairs: Iterable[Pair], option: str) -> dict[str, str]:
    """The pairs by their names. Raises CommandError if a name comes twice."""
    found: dict[str, str] = {}
    for name, text in pairs:
        if name in found:
            raise CommandError(f"{option} {name}: is given twice")
        found[name] = text
    return found


def by_name(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """All values of each name, in the order in which they are given."""
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        found.setdefault(name, []).append(text)
    return found


class MomentType(click.ParamType[datetime | date]):
    """RFC 3339 with a zone; or a date, which is its start in a zone that another option names."""

    name = "moment"
    _DATE_STARTS = ", or a date, which starts in --time-zone"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | date:
        try:
            if len(value) == len("2023-11-16"):
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a valid instant: write 2023-11-16 or 2023-11-16T18:15:00Z", param, ctx
            )
        if moment.tzinfo is None:
            self.fail(
                f"{value!r} has no zone: write {value}Z or {value}+01:00{self._DATE_STARTS}", param, ctx
            )
        return moment


class InstantType(MomentType):
    """RFC 3339 with a zone; or a date, which has no zone to forget: it is midnight in UTC, as in the catalog."""

    name = "instant"
    _DATE_STARTS = ""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        moment = super().convert(value, param, ctx)
        if isinstance(moment, datetime):
            return moment.astimezone(UTC)
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


class MonthType(click.ParamType[date]):
    """A month of the calendar, as its first day."""

    name = "month"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if not re.fullmatch(r"[12]\d{3}-(0[1-9]|1[0-2])", value):
            self.fail(f"{value!r} is not a month: write 2026-11", param, ctx)
        return date.fromisoformat(f"{value}-01")


def month_after(month: date) -> date:
    """The first day of the month that follows one, which is given by its first day."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


class ZoneType(click.ParamType[ZoneInfo]):
    """A zone of the engine's own copy of the IANA database: the same rules on every machine."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return time_zone(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def timestamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def check_period(start: datetime, end: datetime) -> None:
    """In the words of the options; the engine would speak of fields.

    Raises:
        CommandError: the period is empty.
    """
    if end <= start:
        raise CommandError("--to must be later than --from")


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _checked_target(_context: click.Context, _option: click.Parameter, target: str) -> str:
    try:
        check_target(target)
    except InvalidOptionError as error:
        raise click.BadParameter(str(error)) from None
    return target


# For the end of the help of each command that has such an option.
INSTANT_HELP = "INSTANT is a date or RFC 3339, such as 2023-11-16T18:15:00Z; a date is midnight UTC."
# Which engine, and by which key.
target_option = together(
    click.option(
        "--target",
        default=DEFAULT_TARGET,
        show_default=True,
        envvar="METERLINE_TARGET",
        show_envvar=True,
        metavar="HOST:PORT",
        callback=_checked_target,
        help="The engine's address.",
    ),
    *CREDENTIAL_OPTIONS,
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


def limit_option(things: str) -> Decorator:
    """--limit of a listing of `things`, as the argument `limit`."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=_LIMIT_DEFAULT,
        show_default=True,
        help=f"At most so many {things}.",
    )


def zone_option(of: str) -> Decorator:
    """--time-zone, as the argument `zone`. `of`: what it is the zone of, in words."""
    return click.option(
        "--time-zone",
        "zone",
        type=ZoneType(),
        default="UTC",
        show_default=True,
        metavar="ZONE",
        help=f"{of}, such as Europe/Berlin.",
    )


at_option = click.option(
    "--at",
    type=InstantType(),
    metavar="INSTANT",
    help="Which billing period: the one that contains it. Default: now.",
)
as_of_option = click.option(
    "--as-of",
    type=InstantType(),
    metavar="INSTANT",
    help="Only what was ingested by then. Default: all that is stored.",
)


billing_period_options = together(
    at_option,
    click.option(
        "--from",
        "start",
        type=InstantType(),
        metavar="INSTANT",
        help="All billing periods that start from then on, with --to.",
    ),
    click.option(
        "--to", "end", type=InstantType(), metavar="INSTANT", help="... and before this. In place of --at."
    ),
)


def asked_periods(
    at: datetime | None, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime] | None:
    """From when to when the billing periods start that are asked for; None for those of one instant.

    Raises:
        CommandError: the options contradict each other.
    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise CommandError("--from and --to come together: name when the billing periods start")
    if at is not None:
        raise CommandError("name billing periods with --at, or with --from and --to: not both")
    check_period(start, end)
    return start, end


def revision_option(what: str = "Rate with the catalog as it was at this revision.") -> Decorator:
    """`what` is done with the catalog of that revision."""
    return click.option(
        "--catalog-revision", type=click.IntRange(min=1), default=None, help=f"{what} Default: the newest."
    )


def period_options(kind: click.ParamType[Any]) -> Decorator:
    """`--from` and `--to`, both of which must be given, as `start` and `end`."""
    return together(
        click.option(
            "--from", "start", type=kind, required=True, metavar="INSTANT", help="The period's start."
        ),
        click.option(
            "--to",
            "end",
            type=kind,
            required=True,
            metavar="INSTANT",
            help="The period's end; not part of it.",
        ),
    )
