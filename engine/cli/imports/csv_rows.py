"""Rows of a CSV file: text as it is. An empty cell is an absent value."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from engine.cli.imports.rows import ROW_BYTES_MAX, Row
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.csv_text import CsvReader
from engine.json_cells import Flaw


class CsvSource:
    """RFC 4180 with a header; UTF-8, with or without a byte order mark."""

    takes_back = False

    def __init__(self, file: BinaryIO, name: str, size_bytes: int) -> None:
        """Raises CommandError for a header that is none."""
        self._file, self._size_bytes = file, size_bytes
        self._reader = _reader(file, name)
        self.columns = self._reader.columns

    def rows(self) -> Iterator[Row]:
        for number, (_, cells, fault) in enumerate(self._reader.rows(), 1):
            if fault:
                yield Row(number, Flaw(fault), cells or None)
                continue
            original = dict(zip(self.columns, cells, strict=True))
            yield Row(number, {name: text for name, text in original.items() if text}, original)

    def progress(self) -> tuple[int, int]:
        return self._file.tell(), self._size_bytes


def check_csv(file: BinaryIO, name: str) -> None:
    """Reads a CSV once, to its end. Raises CommandError for a header that is none, or a quote that is not closed."""
    try:
        for _ in _reader(file, name).rows():
            pass
    except CommandError as error:
        raise CommandError(f"{error.message}; nothing was sent") from None


def _reader(file: BinaryIO, name: str) -> CsvReader:
    # What is not UTF-8 is found row by row: one bad name must not stop a file of a million.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    return CsvReader(text, name, row_bytes_max=ROW_BYTES_MAX)
