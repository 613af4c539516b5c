"""A file's rows as text, whatever its format: what the readers make and the mapping takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.json_cells import Cell, Flaw

# A longer line or element is not an event: an event within the contract's limits has some 80 kB at most.
ROW_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the first has 1; a header is none), its cells by column without those that are empty or
    null, or why it can't be read; the row as it was, for the rejects file; and the id that was made for it when it was
    rejected, if it comes from such a file.
    """

    number: int
    cells: Mapping[str, Cell] | Flaw
    original: object
    made_id: str | None = None


class RowSource(Protocol):
    """A file that is being read, once, from its beginning, with a bounded part of it in memory."""

    @property
    def columns(self) -> list[str] | None:
        """The columns of every row; None if each row has its own."""

    @property
    def takes_back(self) -> bool:
        """Whether the rows come from a rejects file."""

    def rows(self) -> Iterator[Row]: ...

    def progress(self) -> tuple[int, int]:
        """How much has been read, of how much (bytes or rows)."""
