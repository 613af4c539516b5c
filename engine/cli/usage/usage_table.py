"""Metered usage as a table for people: numbers grouped, windows in the time of the zone that was asked for."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table
from rich.text import Text

from engine.cli.terminal.show import grouped, printable
from engine.times import rfc3339
from engine.usage.windows import Window
from meterline.v1.metering_pb2 import UsageGrouping, UsageRow

_ABSENT = Text("(absent)", style="dim")


def usage_table(rows: Sequence[UsageRow], grouping: UsageGrouping, window: Window, zone: ZoneInfo) -> Table:
    """One row of the table for each of usage. Columns that would say nothing are left out: the window of a query
    with one, and counts of what was not counted where all was.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = [*(["customer"] if grouping.customer else []), *grouping.properties]
    windowed = window is not Window.NONE
    for name in names:
        table.add_column(printable(name), no_wrap=True)
    for name in ("from", "to") if windowed else ():
        table.add_column(name, no_wrap=True)
    unreadable = any(row.unreadable_event_count for row in rows)
    missing = any(row.missing_value_event_count for row in rows)
    counted = [
        "quantity",
        "events",
        *(["unreadable"] if unreadable else []),
        *(["no value"] if missing else []),
    ]
    for name in counted:
        table.add_column(name, justify="right", no_wrap=True)
    in_days = windowed and all(
        _at_midnight(edge, zone) for row in rows for edge in (row.window_start, row.window_end)
    )
    for row in rows:
        cells = [printable(row.customer_id)] if grouping.customer else []
        cells += [
            printable(row.dimensions[name]) if name in row.dimensions else _ABSENT
            for name in grouping.properties
        ]
        if windowed:
            cells += [_moment(edge, zone, in_days) for edge in (row.window_start, row.window_end)]
        cells += [Text(grouped(row.quantity)), Text(f"{row.event_count:,}")]
        cells += [Text(f"{row.unreadable_event_count:,}")] if unreadable else []
        cells += [Text(f"{row.missing_value_event_count:,}")] if missing else []
        table.add_row(*cells)
    return table


def period_text(start: Timestamp, end: Timestamp, zone: ZoneInfo) -> str:
    """The period as somebody in the zone says it."""
    in_days = all(_at_midnight(edge, zone) for edge in (start, end))
    text = f"{_moment(start, zone, in_days)} to {_moment(end, zone, in_days)}"
    return text if zone.key == "UTC" else f"{text}, {zone.key}"


def _at_midnight(edge: Timestamp, zone: ZoneInfo) -> bool:
    return _local(edge, zone).time().isoformat() == "00:00:00"


def _moment(edge: Timestamp, zone: ZoneInfo, in_days: bool) -> Text:
    local = _local(edge, zone)
    return Text(local.date().isoformat() if in_days else rfc3339(local))


def _local(edge: Timestamp, zone: ZoneInfo) -> datetime:
    return edge.ToDatetime(zone)
