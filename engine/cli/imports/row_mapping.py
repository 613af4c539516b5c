"""From a row's cells to an event: which column is what.

Rules:
1. A field comes from a column, or is the same for every row: `COLUMN` or `=VALUE`.
2. Without other word each field comes from the column of its own name, and every column that is nothing else is a
   property.
3. A row without an id of its own gets one from the content of its file and its number: the same file gives the same
   ids, however often it is imported, and another file gives others.
4. What the engine's rules would refuse goes to the engine, which says why. Only what can't be sent is refused here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

from engine.cli.imports.row_times import TimeReader
from engine.cli.imports.rows import Row
from engine.json_cells import Cell, Flaw

# One event takes at most this much of a request.
_EVENT_BYTES_MAX = 128 * 1024
_ID_SEPARATOR = "/"
# Columns that are remembered: rows of JSON may each have their own.
_NAMES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row is not an event; the names are those of the engine's answers."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportedEvent:
    """An event that can be sent."""

    event_id: str
    event_type: str
    customer_id: str
    event_time_us: int | None
    properties: dict[str, str]

    def nbytes(self) -> int:
        """About what it takes in a request. Raises UnicodeEncodeError for text that is not UTF-8."""
        texts = (
            self.event_id,
            self.event_type,
            self.customer_id,
            *self.properties,
            *self.properties.values(),
        )
        return len("".join(texts).encode()) + 4 * len(texts) + 8


@dataclass(frozen=True, slots=True)
class MappedField:
    """Where a field's text is: in a column, or always the same."""

    column: str | None = None
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> "MappedField":
        """`COLUMN`, or `=VALUE`."""
        return cls(value=text[1:]) if text.startswith("=") else cls(column=text)

    def read(self, cells: Mapping[str, Cell]) -> Cell | None:
        return self.value if self.column is None else cells.get(self.column)


@dataclass(frozen=True)
class RowMapping:
    """What each field of an event is made of. `event_ids` are the columns that together are the id, `properties` the
    named ones; without them every column that is nothing else is one, under `property_name` (None: it is none).
    """

    event_ids: tuple[str, ...]
    event_type: MappedField
    customer_id: MappedField
    event_time: MappedField
    properties: Mapping[str, MappedField]
    read_time: TimeReader
    property_name: Callable[[str], str | None]
    # Every column that is named.
    columns: frozenset[str] = field(init=False)
    # What `property_name` said, for each column that was met.
    names: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fields = (self.event_type, self.customer_id, self.event_time, *self.properties.values())
        named = (each.column for each in fields if each.column is not None)
        object.__setattr__(self, "columns", frozenset({*self.event_ids, *named}))

    @cached_property
    def without_ids(self) -> "RowMapping":
        """The same for rows whose id was made: no column is part of it."""
        return replace(self, event_ids=(), names={})

    def made_id(self, row: Row, derived_id: Callable[[int], str]) -> str | None:
        """The id that is made for a row, or was when it was rejected; None for one whose columns have it."""
        return row.made_id or (None if self.event_ids else derived_id(row.number))

    def event(self, row: Row, derived_id: Callable[[int], str]) -> ImportedEvent | RowProblem:
        """`derived_id` gives the id of a row that has none of its own, by the row's number."""
        if isinstance(row.cells, Flaw):
            return RowProblem("", "malformed", f"the row {row.cells.message}")
        if row.made_id and self.event_ids:
            return self.without_ids.event(row, derived_id)
        try:
            event = self._event(row.cells, self.made_id(row, derived_id))
            nbytes = event.nbytes()
        except _FlawedError as flawed:
            return flawed.problem
        except UnicodeEncodeError:
            return RowProblem("", "malformed", "the row has text that is not UTF-8")
        if nbytes > _EVENT_BYTES_MAX:
            return RowProblem(
                "", "too_long", f"the row has {nbytes} bytes; an event has at most {_EVENT_BYTES_MAX}"
            )
        return event

    def _event(self, cells: Mapping[str, Cell], made_id: str | None) -> ImportedEvent:
        parts = [_text("event_id", cells.get(column)) for column in self.event_ids]
        return ImportedEvent(
            # A part that is missing leaves no id, which the engine refuses: a made one would not survive an edit.
            made_id or (_joined(parts) if all(parts) else ""),
            _text("event_type", self.event_type.read(cells)),
            _text("customer_id", self.customer_id.read(cells)),
            self._time(self.event_time.read(cells)),
            self._properties(cells),
        )

    def _time(self, cell: Cell | None) -> int | None:
        text = _text("event_time", cell)
        if not text:
            return None
        time_us = self.read_time(text)
        if isinstance(time_us, Flaw):
            raise _FlawedError("event_time", time_us)
        return time_us

    def _properties(self, cells: Mapping[str, Cell]) -> dict[str, str]:
        if self.properties:
            read = {name: source.read(cells) for name, source in self.properties.items()}
            named = {name: cell for name, cell in read.items() if cell is not None}
        else:
            named = {name: cell for column, cell in cells.items() if (name := self._name(column)) is not None}
        for name, cell in named.items():
            if isinstance(cell, Flaw):
                raise _FlawedError(f"properties.{name}", cell)
        return cast("dict[str, str]", named)

    def _name(self, column: str) -> str | None:
        """Under which name a column is a property."""
        if column not in self.names:
            if len(self.names) >= _NAMES_MAX:
                self.names.clear()
            self.names[column] = None if column in self.columns else self.property_name(column)
        return self.names[column]


def _joined(parts: list[str]) -> str:
    """One id for each list of parts of one length: only the first keeps its separators."""
    first, *rest = parts
    escaped = (part.replace("%", "%25").replace(_ID_SEPARATOR, "%2F") for part in rest)
    return _ID_SEPARATOR.join([first, *escaped])


class _FlawedError(Exception):
    def __init__(self, name: str, flaw: Flaw) -> None:
        self.problem = RowProblem(name, "malformed", flaw.message)


def _text(name: str, cell: Cell | None) -> str:
    if isinstance(cell, Flaw):
        raise _FlawedError(name, cell)
    return cell or ""
