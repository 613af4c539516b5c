"""Metered usage as a table for people: numbers grouped, windows in the time of the zone that was asked for."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import day, grouped, is_midnight
from engine.times import rfc3339
from engine.usage.facts.windows import Window
from meterline.v1.metering_pb2 import UsageGrouping, UsageRow

_ABSENT = Text("(absent)", style="dim")


def usage_table(
    rows: Sequence[UsageRow], grouping: UsageGrouping, window: Window, zone: ZoneInfo
) -> TextTable:
    """One row of the table for each of usage. Columns that would say nothing are left out: the window of a query
    with one, and counts of what was not counted where all was.
    """
    windowed = window is not Window.NONE
    unreadable = any(row.unreadable_event_count for row in rows)
    missing = any(row.missing_value_event_count for row in rows)
    in_days = all(is_midnight(edge, zone) for row in rows for edge in (row.window_start, row.window_end))
    table = TextTable(
        *(["customer"] if grouping.customer else []),
        *grouping.properties,
        *(["from", "to"] if windowed else []),
        *map(NumberColumn, ("quantity", "events")),
        *([NumberColumn("unreadable")] if unreadable else []),
        *([NumberColumn("no value")] if missing else []),
    )
    for row in rows:
        edges = (row.window_start, row.window_end) if windowed else ()
        table.add(
            *([row.customer_id] if grouping.customer else []),
            *(row.dimensions.get(name, _ABSENT) for name in grouping.properties),
            *(day(edge, zone) if in_days else rfc3339(edge.ToDatetime(zone)) for edge in edges),
            grouped(row.quantity),
            f"{row.event_count:,}",
            *([f"{row.unreadable_event_count:,}"] if unreadable else []),
            *([f"{row.missing_value_event_count:,}"] if missing else []),
        )
    return table


def period_text(start: Timestamp, end: Timestamp, zone: ZoneInfo) -> str:
    """The period as somebody in the zone says it."""
    in_days = is_midnight(start, zone) and is_midnight(end, zone)
    edges = [day(edge, zone) if in_days else rfc3339(edge.ToDatetime(zone)) for edge in (start, end)]
    return " to ".join(edges) + ("" if zone.key == "UTC" else f", {zone.key}")
