"""The options of `meterline usage`: the request that they make, and the line that asks the same again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import click

from engine.cli.terminal.connection import DEFAULT_TARGET, timestamp
from engine.cli.terminal.show import instant
from engine.times import rfc3339, us_datetime
from engine.usage.time_zones import time_zone
from engine.usage.windows import Window, day_start_us
from meterline.v1 import metering_pb2
from meterline.v1.metering_pb2 import (
    QueryUsageRequest,
    QueryUsageResponse,
    UsageFilter,
    UsageGrouping,
)

CUSTOMER = "customer_id"
_PROPERTIES = "properties."
# Fewer calls for long answers; the engine ends a page earlier where its rows are large.
_PAGE_SIZE = 10_000
_WINDOWS = {
    Window.NONE: metering_pb2.USAGE_WINDOW_UNSPECIFIED,
    Window.MINUTE: metering_pb2.USAGE_WINDOW_MINUTE,
    Window.HOUR: metering_pb2.USAGE_WINDOW_HOUR,
    Window.DAY: metering_pb2.USAGE_WINDOW_DAY,
    Window.WEEK: metering_pb2.USAGE_WINDOW_WEEK,
    Window.MONTH: metering_pb2.USAGE_WINDOW_MONTH,
}


class ZoneType(click.ParamType[ZoneInfo]):
    """A zone of the engine's own copy of the IANA database."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return time_zone(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MomentType(click.ParamType["datetime | date"]):
    """A date, which is its start in a zone that another option names, or RFC 3339 with a zone of its own."""

    name = "moment"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | date:
        try:
            if len(value) == len("2023-11-16"):
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant: write 2023-11-16 or 2023-11-16T18:15:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(
                f"{value!r} has no zone: write {value}Z or {value}+01:00, or a date, which starts in --time-zone",
                param,
                ctx,
            )
        return moment


class WhereType(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "where"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r}: write NAME=VALUE", param, ctx)
        return name, text


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """What was asked for, as the command line has it."""

    meter: str
    customers: tuple[str, ...]
    start: datetime | date
    end: datetime | date
    window: Window
    zone: ZoneInfo
    group_by: tuple[str, ...]
    total: bool
    where: tuple[tuple[str, str], ...]
    as_of: datetime | None
    catalog_revision: int | None
    raw: bool
    target: str

    def request(self) -> QueryUsageRequest:
        """Raises click.BadParameter for a moment that is out of the calendar."""
        return QueryUsageRequest(
            meter_id=self.meter,
            period_start=timestamp(_instant(self.start, self.zone, "--from")),
            period_end=timestamp(_instant(self.end, self.zone, "--to")),
            window=_WINDOWS[self.window],
            time_zone=self.zone.key,
            group_by=self._grouping(),
            filters=[
                UsageFilter(property=name, values=[text for other, text in self.where if other == name])
                for name in dict.fromkeys(name for name, _ in self.where)
            ],
            customer_ids=self.customers,
            as_of=timestamp(self.as_of),
            catalog_revision=self.catalog_revision or 0,
            page_size=_PAGE_SIZE,
            source=metering_pb2.USAGE_SOURCE_RAW if self.raw else metering_pb2.USAGE_SOURCE_UNSPECIFIED,
        )

    def _grouping(self) -> UsageGrouping | None:
        if self.total:
            return UsageGrouping()
        if not self.group_by:
            return None
        properties = [name.removeprefix(_PROPERTIES) for name in self.group_by if name != CUSTOMER]
        return UsageGrouping(customer=CUSTOMER in self.group_by, properties=properties)

    def repeated(self, answer: QueryUsageResponse, output: Sequence[str]) -> str:
        """The command line that gives this answer again, whatever comes in; `output` are its other options."""
        request = self.request()
        words = ["meterline", "usage", "--meter", self.meter]
        for customer in self.customers:
            words += ["--customer", customer]
        words += ["--from", rfc3339(request.period_start.ToDatetime(UTC))]
        words += ["--to", rfc3339(request.period_end.ToDatetime(UTC))]
        if self.window is not Window.NONE:
            words += ["--window", self.window.value, "--time-zone", self.zone.key]
        for name in self.group_by:
            words += ["--group-by", name]
        for name, text in self.where:
            words += ["--where", f"{name}={text}"]
        words += ["--total"] if self.total else []
        words += ["--raw"] if self.raw else []
        words += ["--as-of", instant(answer.as_of), "--catalog-revision", str(answer.catalog_revision)]
        words += output
        words += ["--target", self.target] if self.target != DEFAULT_TARGET else []
        return " ".join(map(_shell_word, words))


def _shell_word(text: str) -> str:
    """As a shell takes it; what a terminal would act upon is escaped, as bash, zsh and ksh read it."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def _instant(moment: datetime | date, zone: ZoneInfo, option: str) -> datetime:
    try:
        if isinstance(moment, datetime):
            return moment.astimezone(UTC)
        return us_datetime(day_start_us(moment, zone))
    except OverflowError:
        raise click.BadParameter("is out of the calendar", param_hint=option) from None
