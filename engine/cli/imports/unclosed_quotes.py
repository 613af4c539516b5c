"""A quote in a CSV that is never closed, found before anything is sent.

It takes the rows after it into one cell, up to the next quote: they would be one reject, or a row of the wrong values.
Where it was meant to end nobody can know, so the file is refused with the line where the quote opens.

Rules:
1. A row over several lines that is no CSV, or has not as many cells as the header, has such a quote.
2. So has one of more than MANY_LINES_MAX characters: longer than any property, and short enough to be told early.
3. What is wrong within one line is that row's matter alone.
"""

import csv
from collections.abc import Iterator
from typing import TextIO

from engine.cli.terminal.connection import CommandError

# An engine takes 1,024 bytes of a property by default, and may be told to take more; other columns may be notes.
MANY_LINES_MAX = 64 * 1024


class _Lines:
    """The lines of a text, and those of the row that is being read."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name = text, name
        self._before = 0
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
        self._before += len(self.of_row)
        self.of_row, self._length = [], 0

    def unclosed(self, where: str) -> CommandError:
        line = self._before + 1 + _opens(self.of_row)
        return CommandError(
            f"{self._name}: line {line}: a quote opens there and is not closed {where}: the rows after it can't be told "
            'from its text. Close it, or write it as "" within quotes; nothing was sent'
        )


def check_quotes(text: TextIO, name: str) -> None:
    """Reads a CSV once, to its end.

    Raises:
        CommandError: a quote is not closed.
    """
    lines = _Lines(text, name)
    reader = csv.reader(iter(lines), strict=True)
    header: list[str] = []
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong = str(error)
        else:
            header = header or cells
            wrong = f"{len(cells)} cells, {len(header)} in the header" if len(cells) != len(header) else ""
        if wrong and len(lines.of_row) > 1:
            raise lines.unclosed(f"where it should be ({wrong})")
        lines.end_row()


def _opens(lines: list[str]) -> int:
    """Of the lines of a row the first with a quote that is open at its end."""
    is_open = False
    for place, line in enumerate(lines):
        is_open ^= line.count('"') % 2 == 1
        if is_open:
            return place
    return 0
