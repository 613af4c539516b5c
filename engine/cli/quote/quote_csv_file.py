"""A CSV file as columns of text, and the line on which each of its rows stands.

Arrow reads the columns. Where a mistake must be placed, Python's csv reader counts the lines again.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from engine.billing.quote.decimal_texts import Texts
from engine.cli.terminal.connection import CommandError

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
        return f"{self.file_name}:{_line_of(self.text, row + 1)}: {column}"


def read_csv_table(name: str, data: bytes) -> CsvTable:
    if len(data) > CSV_BYTES_MAX:
        raise CommandError(f"{name}: is larger than {CSV_BYTES_MAX:,} bytes: quote it in parts")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{name}:{line}: is no UTF-8 text: {error.reason}") from None
    header = _header(name, text)
    if '"' in text:
        _check_quotes(name, text)
    try:
        read_table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                column_names=[str(place) for place in range(len(header))], block_size=_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values='"' in text),
            convert_options=arrow_csv.ConvertOptions(
                column_types={str(place): pa.string() for place in range(len(header))},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise CommandError(_misshapen(name, text, len(header)) or f"{name}: {_first_line(error)}") from None
    body = read_table.slice(1)
    if not len(body):
        raise CommandError(f"{name}: has no rows below its header")
    return CsvTable(name, text, dict(zip(header, body.columns, strict=True)), len(body))


def _header(name: str, text: str) -> list[str]:
    header = [column.strip() for column in next(_reader(text), [])]
    if not any(header):
        raise CommandError(f"{name}:1: has no header: the first line names the columns")
    for place, column in enumerate(header):
        if not column:
            raise CommandError(f"{name}:1: column {place + 1} has no name")
        if column in header[:place]:
            raise CommandError(f"{name}:1: names the column {column!r} twice")
    return header


def _check_quotes(name: str, text: str) -> None:
    """Past a quote that isn't closed Arrow takes rows for a part of a value, and they would be lost in it."""
    reader = _reader(text, strict=True)
    start = 1
    try:
        for _ in reader:
            start = reader.line_num + 1
    except csv.Error as error:
        raise CommandError(
            f"{name}:{start}: a quote isn't closed, or text follows one that is: {error}"
        ) from None


def _misshapen(name: str, text: str, width: int) -> str | None:
    """The first record that hasn't as many values as the header."""
    for line, record in _records(text):
        if len(record) != width:
            return f"{name}:{line}: has {len(record)} values, the header has {width}"
    return None


def _line_of(text: str, record_place: int) -> int:
    """The line of a record, the header being record 0."""
    for place, (line, _) in enumerate(_records(text)):
        if place == record_place:
            return line
    return 1


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line it starts on, values) of each record that isn't a blank line."""
    reader = _reader(text)
    before = 0
    for record in reader:
        if record:
            yield before + 1, record
        before = reader.line_num


def _reader(text: str, *, strict: bool = False) -> Any:  # noqa: ANN401 - the csv module hides its reader's type
    csv.field_size_limit(CSV_BYTES_MAX)
    return csv.reader(io.StringIO(text, newline=""), strict=strict)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
