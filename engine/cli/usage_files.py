"""Metered usage as CSV, JSON lines or Parquet: written page by page, the quantity never as a binary float.

Columns, in this order: customer_id (if customers are a group), dimensions.NAME for each property that is grouped by,
window_start, window_end (UTC), quantity, event_count, unreadable_event_count, missing_value_event_count, event_digest.

Rules:
1. The columns follow from the question alone, not from the rows: an answer without rows has the same.
2. An absent property is nothing in CSV (an empty text is ""), no key in JSON, and null in Parquet.
3. In Parquet a quantity is decimal128(38, 12). One that needs more digits ends the command: it is never rounded, and
   the type of the column never depends on the data. With `text_quantities` it is text.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.json_format import MessageToDict

from engine.cli.connection import CommandError
from engine.cli.show import instant
from meterline.v1.metering_pb2 import QueryUsageResponse, UsageGrouping, UsageRow

_QUANTITY = pa.decimal128(38, 12)
_TIME = pa.timestamp("us", "UTC")
_COUNTS = ("event_count", "unreadable_event_count", "missing_value_event_count")
_DIMENSION = "dimensions."


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
        self._write([_csv_line(_columns(first.group_by))])

    def add(self, page: QueryUsageResponse) -> None:
        self._write(_csv_line(_cells(row, page.group_by)) for row in page.rows)

    def _write(self, lines: Iterable[str]) -> None:
        self._file.write("".join(lines).encode())


class JsonFile(UsageFile):
    """One object a line, each with the snapshot that it is from."""

    def begin(self, first: QueryUsageResponse) -> None:
        self._snapshot = {
            "as_of": instant(first.as_of),
            "catalog_revision": first.catalog_revision,
            "meter_id": self._meter_id,
            "meter_version": first.meter_version,
        }

    def add(self, page: QueryUsageResponse) -> None:
        lines = (
            json.dumps(self._snapshot | _json_fields(row, page.group_by), ensure_ascii=False)
            for row in page.rows
        )
        self._file.write("".join(f"{line}\n" for line in lines).encode())


class ParquetFile(UsageFile):
    """A row group for each page; the snapshot is in the file's metadata."""

    def __init__(self, file: BinaryIO, meter_id: str, *, text_quantities: bool) -> None:
        super().__init__(file, meter_id)
        self._quantity = pa.string() if text_quantities else _QUANTITY

    def begin(self, first: QueryUsageResponse) -> None:
        metadata = {
            "meterline.meter_id": self._meter_id,
            "meterline.meter_version": str(first.meter_version),
            "meterline.as_of": instant(first.as_of),
            "meterline.catalog_revision": str(first.catalog_revision),
        }
        types = {
            "window_start": _TIME,
            "window_end": _TIME,
            "quantity": self._quantity,
            **dict.fromkeys(_COUNTS, pa.uint64()),
        }
        fields = [
            pa.field(name, types.get(name, pa.string()), nullable=name.startswith(_DIMENSION))
            for name in _columns(first.group_by)
        ]
        self._schema = pa.schema(fields, metadata)
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")

    def add(self, page: QueryUsageResponse) -> None:
        rows = page.rows
        columns: list[pa.Array] = []
        if page.group_by.customer:
            columns.append(pa.array([row.customer_id for row in rows], pa.string()))
        columns += [
            pa.array([row.dimensions.get(name) for row in rows], pa.string())
            for name in page.group_by.properties
        ]
        columns.append(pa.array([row.window_start.ToMicroseconds() for row in rows], _TIME))
        columns.append(pa.array([row.window_end.ToMicroseconds() for row in rows], _TIME))
        columns.append(self._quantities(rows))
        columns += [pa.array([getattr(row, name) for row in rows], pa.uint64()) for name in _COUNTS]
        columns.append(pa.array([row.event_digest for row in rows], pa.string()))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def end(self) -> None:
        self._writer.close()

    def _quantities(self, rows: Iterable[UsageRow]) -> pa.Array:
        texts = [row.quantity for row in rows]
        if self._quantity != _QUANTITY:
            return pa.array(texts, pa.string())
        try:
            return pa.array(map(Decimal, texts), _QUANTITY)
        except pa.ArrowInvalid:
            raise CommandError(
                "a quantity has more digits than decimal128(38, 12) holds: add --text-quantities, "
                "or take --format csv or json"
            ) from None


def _columns(grouping: UsageGrouping) -> list[str]:
    customer = ["customer_id"] if grouping.customer else []
    dimensions = [f"{_DIMENSION}{name}" for name in grouping.properties]
    return [*customer, *dimensions, "window_start", "window_end", "quantity", *_COUNTS, "event_digest"]


def _cells(row: UsageRow, grouping: UsageGrouping) -> Iterator[str | None]:
    if grouping.customer:
        yield row.customer_id
    for name in grouping.properties:
        yield row.dimensions.get(name)
    yield from (instant(row.window_start), instant(row.window_end), row.quantity)
    yield from (str(getattr(row, name)) for name in _COUNTS)
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


def _json_fields(row: UsageRow, grouping: UsageGrouping) -> dict[str, object]:
    fields = MessageToDict(row, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if not grouping.customer:
        del fields["customer_id"]
    # In the order of the contract, whatever is at its default.
    return {field.name: fields[field.name] for field in UsageRow.DESCRIPTOR.fields if field.name in fields}
