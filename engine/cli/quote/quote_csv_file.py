"""A CSV file as columns of text, and the line on which each of its rows stands.

Arrow reads the columns; quotes are checked, and mistakes placed, row by row.
"""

import io
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.csv_text import CsvReader
from engine.decimal_texts import Texts

# The texts of a column must fit 32-bit offsets, and all of it fits memory a few times over.
CSV_BYTES_MAX = 1024**3
# A row must fit a block of the reader; a row of events may be long.
_BLOCK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class CsvTable:
    """The columns of a CSV file as texts, and where a row of it stands."""

    file_name: str
    text: str
    columns: dict[str, Texts]
    rows: int

    def where(self, row: int, column: str) -> str:
        lines = (each.line for each in _reader(self.file_name, self.text).rows())
        return f"{self.file_name}:{next(line for place, line in enumerate(lines) if place == row)}: {column}"


def read_csv_table(name: str, data: bytes) -> CsvTable:
    """Raises CommandError at the line of the first mistake."""
    if len(data) > CSV_BYTES_MAX:
        raise CommandError(f"{name}: is larger than {CSV_BYTES_MAX:,} bytes: quote it in parts")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{name}:{line}: is not UTF-8 text: {error.reason}") from None
    header = [column.strip() for column in _reader(name, text).columns]
    places = [str(place) for place in range(len(header))]
    # Past a quote that isn't closed Arrow takes rows for a part of a value, and they would be lost in it.
    has_quotes = '"' in text
    if has_quotes:
        _check_rows(name, text)
    try:
        read_table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=places, block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=has_quotes),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _check_rows(name, text)
        raise CommandError(f"{name}: {str(error).splitlines()[0]}") from None
    body = read_table.slice(1)
    if not len(body):
        raise CommandError(f"{name}: has no rows below its header")
    return CsvTable(name, text, dict(zip(header, body.columns, strict=True)), len(body))


def _check_rows(name: str, text: str) -> None:
    for row in _reader(name, text).rows():
        if row.fault:
            raise CommandError(f"{name}:{row.line}: {row.fault}")


def _reader(name: str, text: str) -> CsvReader:
    return CsvReader(io.StringIO(text, newline=""), name, row_bytes_max=CSV_BYTES_MAX)
