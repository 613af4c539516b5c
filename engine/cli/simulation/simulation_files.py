"""What was simulated as CSV and Parquet: every line, page by page, or sums by customer, plan or price."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import written_whole
from engine.decimal_texts import combined, currency_texts, decimal128_column, plain_texts
from engine.times import rfc3339_us
from rating import DecimalColumn

# Writes a table of a page; pyarrow ships no types.
WriteTable: TypeAlias = Callable[[Any], None]


@contextlib.contextmanager
def written(csv_path: Path | None, parquet_path: Path | None) -> Iterator[WriteTable]:
    """Writes the tables that it is given, which have one schema, to both files: whole, or not at all."""
    with contextlib.ExitStack() as stack:
        writes: list[WriteTable] = []
        if csv_path is not None:
            writes.append(_csv_writer(stack.enter_context(written_whole(csv_path))))
        if parquet_path is not None:
            file = stack.enter_context(written_whole(parquet_path))
            writes.append(stack.enter_context(_parquet_writer(file)))

        def write(table: Any) -> None:  # noqa: ANN401 - as above
            for each in writes:
                each(table)

        yield write


def _csv_writer(file: BinaryIO) -> WriteTable:
    is_first = True

    def write(table: Any) -> None:  # noqa: ANN401 - as above
        nonlocal is_first
        if is_first:
            file.write(csv_line(table.column_names).encode())
            is_first = False
        columns = [_cells(name, table[name], table["currency"]) for name in table.column_names]
        file.write("".join(map(csv_line, zip(*columns, strict=True))).encode())

    return write


def _cells(name: str, column: Any, currency: Any) -> list[str]:  # noqa: ANN401 - as above
    import pyarrow as pa  # noqa: PLC0415 - it takes long to load

    if pa.types.is_timestamp(column.type):
        known = {each: rfc3339_us(each) for each in column.cast(pa.int64()).unique().to_pylist()}
        return [known[each] for each in column.cast(pa.int64()).to_pylist()]
    if not pa.types.is_decimal(column.type):
        return list(column.to_pylist())
    if name.startswith("quantity"):
        numbers = DecimalColumn(decimal128_column(combined(column), 0).mantissa, column.type.scale)
        return list(plain_texts(numbers).to_pylist())
    return list(currency_texts(column, currency).to_pylist())


@contextlib.contextmanager
def _parquet_writer(file: BinaryIO) -> Iterator[WriteTable]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - it takes long to load

    with contextlib.ExitStack() as stack:
        writers: list[Any] = []

        def write(table: Any) -> None:  # noqa: ANN401 - as above
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(file, table.schema, compression="zstd")))
            writers[0].write_table(table)

        yield write
