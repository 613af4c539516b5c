"""Metered usage as CSV, JSON lines and Parquet, written page by page.

Columns, in this order: customer_id (if customers are a group), dimensions.NAME for each property that is grouped by,
window_start, window_end (UTC), quantity, event_count, unreadable_event_count, missing_value_event_count, event_digest.

In Parquet an absent property is null, and a quantity is decimal128(38, 12). One that needs more digits ends the
command: it is never rounded, and the type of the column never depends on the data. With `text_quantities` it is text.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO

from engine.api.message_json import JsonFields, json_fields
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.output import Cells, write_csv, write_json
from engine.cli.terminal.text import instant, snapshot_fields
from meterline.v1.metering_pb2 import QueryUsageResponse, UsageGrouping, UsageRow

_COUNTS = ("event_count", "unreadable_event_count", "missing_value_event_count")
_DIMENSION = "dimensions."


def write_usage(
    form: str, file: BinaryIO, answer: Iterator[QueryUsageResponse], meter_id: str, *, text_quantities: bool
) -> QueryUsageResponse:
    """Writes all pages and gives the last. Raises CommandError for a quantity that the form can't hold."""
    match form:
        case "csv":
            return write_csv(file, answer, lambda page: _columns(page.group_by), _cells)
        case "json":
            return write_json(file, answer, lambda page: _objects(page, meter_id))
        case _:
            return _write_parquet(file, answer, meter_id, text_quantities=text_quantities)


def _columns(grouping: UsageGrouping) -> list[str]:
    customer = ["customer_id"] if grouping.customer else []
    dimensions = [f"{_DIMENSION}{name}" for name in grouping.properties]
    return [*customer, *dimensions, "window_start", "window_end", "quantity", *_COUNTS, "event_digest"]


def _cells(page: QueryUsageResponse) -> Iterator[Cells]:
    grouping = page.group_by
    for row in page.rows:
        yield [
            *([row.customer_id] if grouping.customer else []),
            *(row.dimensions.get(name) for name in grouping.properties),
            *(instant(row.window_start), instant(row.window_end), row.quantity),
            *(str(getattr(row, name)) for name in _COUNTS),
            row.event_digest,
        ]


def _objects(page: QueryUsageResponse, meter_id: str) -> Iterator[JsonFields]:
    snapshot = snapshot_fields(page.as_of, page.catalog_revision)
    for row in page.rows:
        fields = json_fields(row)
        if not page.group_by.customer:
            del fields["customer_id"]
        yield {**snapshot, "meter_id": meter_id, "meter_version": page.meter_version, **fields}


def _write_parquet(
    file: BinaryIO, answer: Iterator[QueryUsageResponse], meter_id: str, *, text_quantities: bool
) -> QueryUsageResponse:
    """A row group for each page; the snapshot is in the file's metadata."""
    import pyarrow as pa  # noqa: PLC0415 - its parts take as long to load as all the rest
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    first = last = next(answer)
    types = {
        **dict.fromkeys(("window_start", "window_end"), pa.timestamp("us", "UTC")),
        "quantity": pa.string() if text_quantities else pa.decimal128(38, 12),
        **dict.fromkeys(_COUNTS, pa.uint64()),
    }
    schema = pa.schema(
        [
            pa.field(name, types.get(name, pa.string()), nullable=name.startswith(_DIMENSION))
            for name in _columns(first.group_by)
        ],
        {
            "meterline.meter_id": meter_id,
            "meterline.meter_version": str(first.meter_version),
            "meterline.as_of": instant(first.as_of),
            "meterline.catalog_revision": str(first.catalog_revision),
        },
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for last in chain([first], answer):
            rows = [
                _typed(*each, schema.names, is_text=text_quantities)
                for each in zip(last.rows, _cells(last), strict=True)
            ]
            try:
                table = pa.Table.from_pylist(rows, schema)
            except pa.ArrowInvalid:
                raise CommandError(
                    "a quantity has more digits than decimal128(38, 12) holds: add --text-quantities, "
                    "or take --format csv or json"
                ) from None
            writer.write_table(table)
    return last


def _typed(row: UsageRow, cells: Cells, names: list[str], *, is_text: bool) -> dict[str, Any]:
    """A row's values, of the types of its columns."""
    return {
        **dict(zip(names, cells, strict=True)),
        "window_start": row.window_start.ToMicroseconds(),
        "window_end": row.window_end.ToMicroseconds(),
        "quantity": row.quantity if is_text else Decimal(row.quantity),
        **{name: getattr(row, name) for name in _COUNTS},
    }
