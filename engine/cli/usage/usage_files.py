"""Metered usage as CSV and JSON lines (Parquet: usage_parquet): written page by page, the quantity never as a binary
float.

Columns, in this order: customer_id (if customers are a group), dimensions.NAME for each property that is grouped by,
window_start, window_end (UTC), quantity, event_count, unreadable_event_count, missing_value_event_count, event_digest.

Rules:
1. The columns follow from the question alone, not from the rows: an answer without rows has the same.
2. An absent property is nothing in CSV (an empty text is ""), no key in JSON, and null in Parquet.
3. In Parquet a quantity is decimal128(38, 12). One that needs more digits ends the command: it is never rounded, and
   the type of the column never depends on the data. With `text_quantities` it is text.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from engine.cli.terminal.message_json import JsonFields, json_fields, json_line, snapshot_fields
from engine.cli.terminal.show import instant
from meterline.v1.metering_pb2 import QueryUsageResponse, UsageGrouping, UsageRow

COUNTS = ("event_count", "unreadable_event_count", "missing_value_event_count")
DIMENSION = "dimensions."


class UsageFile(ABC):
    """Takes the pages of one answer, in their order."""

    def __init__(self, file: BinaryIO, meter_id: str) -> None:
        self._file = file
        self._meter_id = meter_id

    @abstractmethod
    def begin(self, first: QueryUsageResponse) -> None:
        """Before the first page is added."""

    @abstractmethod
    def add(self, page: QueryUsageResponse) -> None:
        """Raises CommandError for a quantity that the format can't hold."""

    def end(self) -> None:  # noqa: B027 - most formats have no end
        """After the last page, or where the answer broke off."""


class CsvFile(UsageFile):
    """RFC 4180 in UTF-8, lines ended by one line feed."""

    def begin(self, first: QueryUsageResponse) -> None:
        self._write([_csv_line(column_names(first.group_by))])

    def add(self, page: QueryUsageResponse) -> None:
        self._write(_csv_line(_cells(row, page.group_by)) for row in page.rows)

    def _write(self, lines: Iterable[str]) -> None:
        self._file.write("".join(lines).encode())


class JsonFile(UsageFile):
    """One object a line, each with the snapshot that it is from."""

    def begin(self, first: QueryUsageResponse) -> None:
        self._snapshot = {
            **snapshot_fields(first.as_of, first.catalog_revision),
            "meter_id": self._meter_id,
            "meter_version": first.meter_version,
        }

    def add(self, page: QueryUsageResponse) -> None:
        lines = (json_line(self._snapshot | _json_fields(row, page.group_by)) for row in page.rows)
        self._file.write("".join(f"{line}\n" for line in lines).encode())


def column_names(grouping: UsageGrouping) -> list[str]:
    """Their names, in their order."""
    customer = ["customer_id"] if grouping.customer else []
    dimensions = [f"{DIMENSION}{name}" for name in grouping.properties]
    return [*customer, *dimensions, "window_start", "window_end", "quantity", *COUNTS, "event_digest"]


def _cells(row: UsageRow, grouping: UsageGrouping) -> Iterator[str | None]:
    if grouping.customer:
        yield row.customer_id
    for name in grouping.properties:
        yield row.dimensions.get(name)
    yield from (instant(row.window_start), instant(row.window_end), row.quantity)
    yield from (str(getattr(row, name)) for name in COUNTS)
    yield row.event_digest


def _csv_line(cells: Iterable[str | None]) -> str:
    return ",".join(map(_csv_cell, cells)) + "\n"


def _csv_cell(text: str | None) -> str:
    """Python's own writer can't tell an absent value from an empty one."""
    if text is None:
        return ""
    if not text or any(each in text for each in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_fields(row: UsageRow, grouping: UsageGrouping) -> JsonFields:
    fields = json_fields(row)
    if not grouping.customer:
        del fields["customer_id"]
    return fields
