"""The options of `meterline usage`: the request that they make, and the line that asks the same again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import click

from engine.cli.terminal.credentials import given_options
from engine.cli.terminal.options import DEFAULT_TARGET, by_name, timestamp
from engine.cli.terminal.text import instant
from engine.times import rfc3339, us_datetime
from engine.usage.facts.windows import Window, day_start_us
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
            period_start=timestamp(instant_of(self.start, self.zone, "--from")),
            period_end=timestamp(instant_of(self.end, self.zone, "--to")),
            window=f"USAGE_WINDOW_{'UNSPECIFIED' if self.window is Window.NONE else self.window.value.upper()}",
            time_zone=self.zone.key,
            group_by=self._grouping(),
            filters=[UsageFilter(property=name, values=texts) for name, texts in by_name(self.where).items()],
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
        words += given_options()
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


def instant_of(moment: datetime | date, zone: ZoneInfo, option: str) -> datetime:
    """A date is its start in the zone. Raises click.BadParameter for a moment that is out of the calendar."""
    try:
        if isinstance(moment, datetime):
            return moment.astimezone(UTC)
        return us_datetime(day_start_us(moment, zone))
    except OverflowError:
        raise click.BadParameter("is out of the calendar", param_hint=option) from None
