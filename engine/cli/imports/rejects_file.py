"""The rejects file: one line for each row that was not stored, and why; it can be imported like any other file.

Rules:
1. `original` is the row as it was, and `event_id` the id that was made for it; null where a column has the id, or should
   have. So a row that is imported from here, mended or not, is the event that it would have been: under the made id, or
   under that of its columns, and never under one that is made now.
2. What can't be written as an object without a loss (a name that stands twice) is a text, which is not taken back.
3. A file is a rejects file if its columns are these. The options are those of the file that the rows came from.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from engine.api.message_json import json_line
from engine.cli.imports.rows import Row, RowSource
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.csv_text import csv_line
from engine.json_cells import Flaw, flattened, repeated_name

_FIELDS = ("row", "verdict", "field", "reason", "message", "event_id", "original")
_ORIGINAL = "original."


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not stored; `original` is the row as it was."""

    row: int
    verdict: str
    field: str
    reason: str
    message: str
    event_id: str | None
    original: object


class RejectsFile:
    """NDJSON, or CSV if its name says so. It appears with the first reject."""

    def __init__(self, path: Path, kept_bytes: int) -> None:
        """Keeps what an earlier run is known to have written, and no more."""
        self.path = path
        self._file: BinaryIO | None = None
        self._size_bytes = kept_bytes

    def begin(self) -> None:
        """Puts aside what an import before this one has left: a person may have mended it. Raises CommandError if it
        can't.
        """
        if not self._size_bytes and self.path.exists():
            try:
                self.path.replace(self.path.with_name(f"{self.path.name}.old"))
            except OSError as error:
                raise self._unwritable(error) from None

    def add(self, rejects: list[Reject]) -> int:
        """Appends, and returns the length of the file. Raises CommandError if it can't be written."""
        if rejects:
            try:
                file = self._file or self._open()
                file.write("".join(map(self._line, rejects)).encode("utf-8", "backslashreplace"))
                file.flush()
                self._size_bytes = file.tell()
            except OSError as error:
                raise self._unwritable(error) from None
        return self._size_bytes

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        file = os.fdopen(descriptor, "r+b")
        # What was written after the last state, and is written again now.
        file.truncate(self._size_bytes)
        file.seek(self._size_bytes)
        if not self._size_bytes and self._is_csv:
            file.write(csv_line(_FIELDS).encode())
        self._file = file
        return file

    def _unwritable(self, error: OSError) -> CommandError:
        return CommandError(f"{self.path}: can't be written: {error.strerror}: name another with --rejects")

    @property
    def _is_csv(self) -> bool:
        return self.path.suffix == ".csv"

    def _line(self, reject: Reject) -> str:
        values = {name: getattr(reject, name) for name in _FIELDS}
        if not self._is_csv:
            return json_line(values) + "\n"
        values["original"] = json.dumps(reject.original, ensure_ascii=False)
        return csv_line(None if value is None else str(value) for value in values.values())


def without_rejects(source: RowSource) -> RowSource:
    """The rows that a rejects file is about, or those of any other file."""
    if source.columns is None:
        rows = source.rows()
        first = next(rows, None)
        begun = [] if first is None else [first]
        is_rejects = (
            first is not None and isinstance(first.original, dict) and tuple(first.original) == _FIELDS
        )
        source = _Begun(source, chain(begun, rows))
    else:
        is_rejects = tuple(source.columns) == _FIELDS
    return Originals(source) if is_rejects else source


class _Begun:
    """A source whose rows are being read."""

    takes_back = False

    def __init__(self, source: RowSource, rows: Iterator[Row]) -> None:
        self.columns, self.progress = source.columns, source.progress
        self._rows = rows

    def rows(self) -> Iterator[Row]:
        return self._rows


class Originals:
    """The rows of a rejects file as they were, each with the number that it has here."""

    columns, takes_back = None, True

    def __init__(self, source: RowSource) -> None:
        self._source, self.progress = source, source.progress

    def rows(self) -> Iterator[Row]:
        is_csv = self._source.columns is not None
        return (_original(row, is_csv=is_csv) for row in self._source.rows())


def _original(row: Row, *, is_csv: bool) -> Row:
    if isinstance(row.cells, Flaw) or not isinstance(row.original, dict):
        return row
    original = row.original["original"]
    cells = {
        name.removeprefix(_ORIGINAL): cell for name, cell in row.cells.items() if name.startswith(_ORIGINAL)
    }
    if is_csv:
        with contextlib.suppress(ValueError):
            original = json.loads(original)
        cells = flattened(original) if isinstance(original, dict) else {}
    if not isinstance(original, dict) or repeated_name(original) is not None:
        return Row(row.number, Flaw("could not be read when it was rejected: mend it in its file"), original)
    return Row(row.number, cells, original, row.original["event_id"] or None)
