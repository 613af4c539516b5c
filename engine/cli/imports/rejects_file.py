"""The rejects file: one line for each row that was not stored, and why."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.message_json import json_line

_FIELDS = ("row", "verdict", "field", "reason", "message", "original")


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not stored; `original` is the row as it was."""

    row: int
    verdict: str
    field: str
    reason: str
    message: str
    original: object


class RejectsFile:
    """NDJSON, or CSV if its name says so. It appears with the first reject."""

    def __init__(self, path: Path, kept_bytes: int) -> None:
        """Keeps what an earlier run is known to have written, and no more."""
        self.path = path
        self._file: BinaryIO | None = None
        self._size_bytes = kept_bytes

    def begin(self) -> None:
        """Removes what an import before this one has left. Raises CommandError if it can't."""
        if not self._size_bytes:
            try:
                self.path.unlink(missing_ok=True)
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
        return csv_line(map(str, values.values()))
