"""Rows of a Parquet file, a batch of them at a time. Numbers get the texts that the engine itself gives them."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from engine.cli.imports.rows import Row
from engine.cli.terminal.connection import CommandError
from engine.json_cells import Cell, Flaw, plain_number
from ingest import canonical_texts

_BATCH_ROWS = 8_192
_TICKS_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Seconds since 1970 of the calendar's years, 1 to 9999.
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, 253_402_300_799


class ParquetSource:
    """Columns of text, integers, decimals, doubles, bools, dates and timestamps; others have no text."""

    takes_back = False

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Raises CommandError for a file that is none."""
        try:
            self._file = pq.ParquetFile(file)
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{name}: is not a Parquet file: {str(error).splitlines()[0]}") from None
        self._name = name
        self.columns = self._file.schema_arrow.names
        self._done = 0

    def rows(self) -> Iterator[Row]:
        try:
            for batch in self._file.iter_batches(_BATCH_ROWS):
                texts = [_cells(column) for column in batch.columns]
                for each in zip(*texts, strict=True):
                    self._done += 1
                    cells = {
                        name: cell for name, cell in zip(self.columns, each, strict=True) if cell is not None
                    }
                    yield Row(self._done, cells, {name: _shown(cell) for name, cell in cells.items()})
        except (pa.ArrowException, OSError) as error:
            raise CommandError(
                f"{self._name}: can't be read past row {self._done}: {str(error).splitlines()[0]}"
            ) from None

    def progress(self) -> tuple[int, int]:
        return self._done, self._file.metadata.num_rows


def _cells(column: pa.Array) -> list[Cell | None]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        # What is finer than a microsecond is cut off, as it is on the wire.
        return _instants(column)
    if pa.types.is_date(kind):
        return [each and each.isoformat() for each in column.to_pylist()]
    if pa.types.is_floating(kind):
        return [each and _number(each) for each in _float_texts(column).to_pylist()]
    known = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
    texts = kind.value_type if pa.types.is_dictionary(kind) else kind
    if known or texts in (pa.string(), pa.large_string(), pa.string_view()):
        cells: list[Cell | None] = canonical_texts(column).to_pylist()
        return cells
    flaw = Flaw(f"is {kind}: it has no text")
    return [flaw if valid else None for valid in column.is_valid().to_pylist()]


def _instants(column: pa.TimestampArray) -> list[Cell | None]:
    kind = column.type
    ticks = column.cast(pa.int64()).fill_null(0).to_numpy()
    seconds = ticks // _TICKS_SECOND[kind.unit]
    wild = (seconds < _SECONDS_MIN) | (seconds > _SECONDS_MAX)
    sound = column.filter(pa.array(~wild)).cast(pa.timestamp("us", kind.tz and "UTC"), safe=False)
    texts = iter([each and each.isoformat() for each in sound.to_pylist()])
    flaw = Flaw("is a time before the year 1 or after 9999")
    return [flaw if bad else next(texts) for bad in wild.tolist()]


def _float_texts(column: pa.Array) -> pa.StringArray:
    # Of 32 bits and fewer the shortest digits are their own: as a double 0.1 would be 0.10000000149011612.
    return canonical_texts(column) if pa.types.is_float64(column.type) else column.cast(pa.string())


def _number(text: str) -> Cell:
    return Flaw(f"{text} is not a number") if "n" in text else plain_number(text)


def _shown(cell: Cell) -> str:
    return cell.message if isinstance(cell, Flaw) else cell
