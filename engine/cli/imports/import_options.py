"""The options of `meterline import`, and what they make of a file: its source, its mapping."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.cli.imports.csv_rows import CsvSource, check_csv
from engine.cli.imports.import_input import ImportInput, unpacked_name
from engine.cli.imports.json_rows import CloudEvents, JsonSource, NdjsonSource
from engine.cli.imports.rejects_file import without_rejects
from engine.cli.imports.row_mapping import MappedField, RowMapping
from engine.cli.imports.row_times import time_reader
from engine.cli.imports.rows import RowSource
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import Pair

_FORMATS = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".json": "cloudevents",
}
FORMATS = tuple(dict.fromkeys(_FORMATS.values()))
_COLUMNS = {
    "event_id": "event_id",
    "event_type": "event_type",
    "customer_id": "customer_id",
    "event_time": "event_time",
}
_CLOUDEVENTS_COLUMNS = {
    "event_id": "id",
    "event_type": "type",
    "customer_id": "subject",
    "event_time": "time",
}
_DATA = "data."
# Two producers may use the same id: with its source as a property, the second is a conflict and not lost.
_SOURCE = ("source", "ce_source")
_COLUMNS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What was asked for; None where the default of the format holds."""

    file_format: str | None
    event_ids: tuple[str, ...]
    event_type: str | None
    customer_id: str | None
    event_time: str | None
    properties: tuple[Pair, ...]
    time_format: str
    time_zone: ZoneInfo | None

    def digest(self, path: Path) -> str:
        """Of all that decides what a row becomes."""
        zone = self.time_zone.key if self.time_zone else None
        parts = (
            self.format_of(path),
            self.event_ids,
            self.event_type,
            self.customer_id,
            self.event_time,
            self.properties,
            self.time_format,
            zone,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def ids_digest(self, path: Path) -> str:
        """Of what decides which id a row has."""
        parts = self.format_of(path), self.event_ids
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def format_of(self, path: Path) -> str:
        found = self.file_format or _FORMATS.get(unpacked_name(path).suffix.lower())
        if found is None:
            raise CommandError(
                f"{path}: its name doesn't say what it is: give --format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
            )
        return found

    def source(self, given: ImportInput) -> RowSource:
        """The rows of a file, or those that a rejects file is about.

        Raises:
            CommandError: it can't be a file of its format.
        """
        found = without_rejects(self._source(given))
        return CloudEvents(found) if self.format_of(given.name) == "cloudevents" else found

    def _source(self, given: ImportInput) -> RowSource:
        path, size_bytes = given.name, given.content.size_bytes
        match self.format_of(path):
            case "csv":
                check_csv(given.rows(), str(path))
                return CsvSource(given.rows(), str(path), size_bytes)
            case "ndjson":
                return NdjsonSource(given.rows(), size_bytes)
            case "cloudevents":
                return JsonSource(given.rows(), size_bytes)
            case _:
                if unpacked_name(path) != path:
                    raise CommandError(f"{path}: Parquet is compressed within: unpack the file first")
                # Its parts take as long to load as all the rest: not for a CSV.
                from engine.cli.imports.parquet_rows import ParquetSource  # noqa: PLC0415

                return ParquetSource(given.rows(), str(path))

    def mapping(
        self, path: Path, columns: list[str] | None, first_row: set[str], *, takes_back: bool
    ) -> RowMapping:
        """`first_row` are the columns that the first row has. `takes_back`: they are rows of a rejects file.

        Raises:
            CommandError: a column that is named is not there, though every row has the same.
        """
        cloudevents = self.format_of(path) == "cloudevents"
        names = _CLOUDEVENTS_COLUMNS if cloudevents else _COLUMNS
        event_ids = self.event_ids
        # Of rows that are taken back each says whether its id was made; columns have the others.
        if not event_ids and (takes_back or names["event_id"] in first_row):
            event_ids = (names["event_id"],)
        mapping = RowMapping(
            event_ids=event_ids,
            event_type=MappedField.parse(self.event_type or names["event_type"]),
            customer_id=MappedField.parse(self.customer_id or names["customer_id"]),
            event_time=MappedField.parse(self.event_time or names["event_time"]),
            properties={name: MappedField.parse(source) for name, source in self.properties},
            read_time=time_reader(self.time_format, self.time_zone),
            property_name=_cloudevents_property if cloudevents else str,
        )
        if columns is not None:
            _check_columns(path, mapping, columns)
        return mapping


def _cloudevents_property(column: str) -> str | None:
    if column == _SOURCE[0]:
        return _SOURCE[1]
    return column.removeprefix(_DATA) if column.startswith(_DATA) else None


def _check_columns(path: Path, mapping: RowMapping, columns: list[str]) -> None:
    for option, field in (
        ("--event-type", mapping.event_type),
        ("--customer-id", mapping.customer_id),
        ("--event-time", mapping.event_time),
    ):
        if field.column is not None and field.column not in columns:
            raise CommandError(
                f"{path}: has no column {field.column!r}: name another with {option} COLUMN, or give every row the "
                f"same with {option} =VALUE. {_shown(columns)}"
            )
    for column in sorted(mapping.columns):
        if column not in columns:
            raise CommandError(f"{path}: has no column {column!r}. {_shown(columns)}")


def _shown(columns: list[str]) -> str:
    more = ", ..." if len(columns) > _COLUMNS_SHOWN_MAX else ""
    return f"Its columns: {', '.join(columns[:_COLUMNS_SHOWN_MAX])}{more}"
