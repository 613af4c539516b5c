"""CSV: RFC 4180 in UTF-8 with a header, read row by row and written line by line.

A quote that is never closed takes the rows after it into one cell, up to the next quote: they would be one bad row, or
a row of the wrong values. Where it was meant to end nobody can know, so the file is refused with the line where the
quote opens.

Rules:
1. A row over several lines that is not CSV, or has not as many cells as the header, has such a quote.
2. So has one of more than MANY_LINES_MAX characters: longer than any property, and short enough to be told early.
3. What is wrong within one line is that row's matter alone.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TextIO

from engine.cli.terminal.connection import CommandError

# An engine takes 1,024 bytes of a property by default, and may be told to take more; other columns may be notes.
MANY_LINES_MAX = 64 * 1024


class CsvRow(NamedTuple):
    """One row: the line that it starts on, its cells, and what is wrong with it, if anything."""

    line: int
    cells: list[str]
    fault: str = ""


class CsvReader:
    """The rows of a CSV. `columns` is its header; blank lines are no rows."""

    def __init__(self, text: TextIO, name: str, *, row_bytes_max: int) -> None:
        """Raises CommandError for a header that is none."""
        csv.field_size_limit(row_bytes_max)
        self._lines = _Lines(text, name)
        self._reader = csv.reader(iter(self._lines), strict=True)
        self.columns: list[str] = []
        first = next(self._read(), None)
        if first is None or not any(first.cells) or first.fault:
            wrong = first.fault if first is not None and first.fault else "is empty"
            raise CommandError(f"{name}:1: the header {wrong}: the first line names the columns")
        self.columns = first.cells
        for place, column in enumerate(self.columns, 1):
            if not column:
                raise CommandError(f"{name}:1: column {place} has no name")
            if column in self.columns[: place - 1]:
                raise CommandError(f"{name}:1: names the column {column!r} twice")

    def rows(self) -> Iterator[CsvRow]:
        """The rows below the header, each once. Raises CommandError for a quote that is never closed."""
        return (row for row in self._read() if row.cells or row.fault)

    def _read(self) -> Iterator[CsvRow]:
        while True:
            cells, fault = [], ""
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"is not valid CSV: {error}"
            if self.columns and cells and len(cells) != len(self.columns):
                fault = f"has {len(cells)} cells; the header has {len(self.columns)}"
            if fault and len(self._lines.of_row) > 1:
                raise self._lines.unclosed(f"where it should be (the row {fault})")
            line = self._lines.before + 1
            self._lines.end_row()
            yield CsvRow(line, cells, fault)


class _Lines:
    """The lines of a text, and those of the row that is being read."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name = text, name
        self.before = 0
        self.of_row: list[str] = []
        self._length = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.of_row.append(line)
            self._length += len(line)
            if len(self.of_row) > 1 and self._length > MANY_LINES_MAX:
                raise self.unclosed(f"within {MANY_LINES_MAX:,} characters")
            yield line

    def end_row(self) -> None:
        self.before += len(self.of_row)
        self.of_row, self._length = [], 0

    def unclosed(self, where: str) -> CommandError:
        line = self.before + 1 + _opens(self.of_row)
        return CommandError(
            f"{self._name}:{line}: a quote opens there and is not closed {where}: the rows after it can't be told "
            'from its text. Close it, or write it as "" within quotes'
        )


def _opens(lines: list[str]) -> int:
    """Of the lines of a row the first with a quote that is open at its end."""
    is_open = False
    for place, line in enumerate(lines):
        is_open ^= line.count('"') % 2 == 1
        if is_open:
            return place
    return 0


def csv_line(cells: Iterable[str | None]) -> str:
    """A line with its end. An absent value is nothing, an empty text is "": Python's own writer can't tell them apart."""
    return ",".join(map(_csv_cell, cells)) + "\n"


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    if not text or any(each in text for each in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
