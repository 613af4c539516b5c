"""Metered usage as Parquet, by the rules of usage_files. By itself: its parts take as long to load as all the rest."""

from collections.abc import Iterable
from decimal import Decimal
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.show import instant
from engine.cli.usage.usage_files import COUNTS, DIMENSION, UsageFile, column_names
from meterline.v1.metering_pb2 import QueryUsageResponse, UsageRow

_QUANTITY = pa.decimal128(38, 12)
_TIME = pa.timestamp("us", "UTC")


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
            **dict.fromkeys(COUNTS, pa.uint64()),
        }
        fields = [
            pa.field(name, types.get(name, pa.string()), nullable=name.startswith(DIMENSION))
            for name in column_names(first.group_by)
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
        columns += [pa.array([getattr(row, name) for row in rows], pa.uint64()) for name in COUNTS]
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
