"""Rows of a CSV file: text as it is. An empty cell is an absent value."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from engine.cli.imports.rows import ROW_BYTES_MAX, Flaw, Row
from engine.cli.terminal.connection import CommandError


class CsvSource:
    """RFC 4180 with a header; UTF-8, with or without a byte order mark."""

    def __init__(self, file: BinaryIO, name: str, size_bytes: int) -> None:
        """Raises CommandError for a header that is none."""
        self._file, self._size_bytes = file, size_bytes
        # What is no UTF-8 is found row by row: one bad name must not stop a file of a million.
        self._text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        csv.field_size_limit(ROW_BYTES_MAX)
        self._reader = csv.reader(self._text, strict=True)
        try:
            self.columns = next(self._reader, [])
        except csv.Error as error:
            raise CommandError(f"{name}: its header can't be read: {error}") from None
        _check_header(name, self.columns)

    def rows(self) -> Iterator[Row]:
        number = 0
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                number += 1
                yield Row(number, Flaw(f"is no CSV: {error}"), None)
                continue
            if cells:  # a blank line is no row
                number += 1
                yield self._row(number, cells)

    def progress(self) -> tuple[int, int]:
        return self._file.tell(), self._size_bytes

    def _row(self, number: int, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            return Row(number, Flaw(f"has {len(cells)} cells; the header has {len(self.columns)}"), cells)
        original = dict(zip(self.columns, cells, strict=True))
        return Row(number, {name: text for name, text in original.items() if text}, original)


def _check_header(name: str, columns: list[str]) -> None:
    if not columns:
        raise CommandError(f"{name}: is empty: its first row must name the columns")
    for place, column in enumerate(columns, 1):
        if not column:
            raise CommandError(f"{name}: column {place} has no name")
        if column in columns[: place - 1]:
            raise CommandError(f"{name}: column {column!r} is there twice")
