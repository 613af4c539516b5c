"""Line items as CSV, NDJSON and Parquet, written page by page from the columns that the engine sends.

Rules:
1. The columns are those of the Arrow form (meterline.v1.LineItemForm): the fields of a line that are one value each, and
   its dimensions. Every number with a fraction is text, exact; in Parquet `quantity` and `amount` are decimal128(38, 12),
   and one that needs more digits ends the command: it is never rounded.
2. CSV has dimensions as JSON, NDJSON has the snapshot on every line, Parquet in the file's metadata.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.api.message_json import json_line
from engine.cli.terminal.connection import CommandError, ahead
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.text import counted, snapshot_fields
from engine.times import rfc3339_us
from meterline.v1.billing_pb2 import ListLineItemsResponse

_DECIMALS = ("quantity", "amount")
_INSTANTS = ("period_start", "period_end", "service_start", "service_end")
# A page and its table; pyarrow ships no types.
_Pages: TypeAlias = Iterator[tuple[ListLineItemsResponse, Any]]


def write_lines(form: str, file: BinaryIO, answer: Iterator[ListLineItemsResponse]) -> ListLineItemsResponse:
    """Writes all pages and gives the last. Raises CommandError for a number that the form can't hold."""
    import pyarrow as pa  # noqa: PLC0415 - its parts take as long to load as all the rest

    write = {"csv": _write_csv, "ndjson": _write_ndjson, "parquet": _write_parquet}[form]
    return write(file, ((page, pa.ipc.open_stream(page.arrow).read_all()) for page in _shown(ahead(answer))))


def _shown(answer: Iterator[ListLineItemsResponse]) -> Iterator[ListLineItemsResponse]:
    """The pages, and how far they are, for a person who waits."""
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[listed]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("lines", total=None, listed="")
        for page in answer:
            of = counted(page.subscription_count, "subscription")
            progress.update(
                task,
                total=page.subscription_count,
                completed=page.listed_subscription_count,
                listed=f"{page.listed_subscription_count:,} of {of}",
            )
            yield page


def _write_csv(file: BinaryIO, pages: _Pages) -> ListLineItemsResponse:
    header = ""
    for page, table in pages:
        if not header:
            header = csv_line(table.column_names)
            file.write(header.encode())
        columns = [map(_cell, values) for values in _values(table).values()]
        file.write("".join(map(csv_line, zip(*columns, strict=True))).encode())
        last = page
    return last


def _write_ndjson(file: BinaryIO, pages: _Pages) -> ListLineItemsResponse:
    for page, table in pages:
        snapshot = snapshot_fields(page.as_of, page.catalog_revision)
        columns = _values(table)
        names = list(columns)
        for row in zip(*columns.values(), strict=True):
            present = {name: value for name, value in zip(names, row, strict=True) if value is not None}
            file.write(f"{json_line(snapshot | present)}\n".encode())
        last = page
    return last


def _write_parquet(file: BinaryIO, pages: _Pages) -> ListLineItemsResponse:
    """A row group for each page."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    writer = None
    try:
        for page, table in pages:
            typed = table
            for name in _DECIMALS:
                place = table.schema.get_field_index(name)
                typed = typed.set_column(place, name, _decimals(table[name], name))
            if writer is None:
                snapshot = snapshot_fields(page.as_of, page.catalog_revision)
                metadata = {f"meterline.{name}": str(value) for name, value in snapshot.items()}
                writer = pq.ParquetWriter(file, typed.schema.with_metadata(metadata), compression="zstd")
            writer.write_table(typed.cast(writer.schema))
            last = page
    finally:
        if writer is not None:
            writer.close()
    return last


def _decimals(texts: Any, name: str) -> Any:  # noqa: ANN401 - as above
    import pyarrow as pa  # noqa: PLC0415 - as above

    try:
        return texts.cast(pa.decimal128(38, 12))
    except pa.ArrowInvalid:
        raise CommandError(
            f"{name}: a line has more digits than decimal128(38, 12) holds: take --format csv or ndjson"
        ) from None


def _values(table: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - as above
    """Each column as values of JSON."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    found: dict[str, list[Any]] = {}
    for name in table.column_names:
        column = table[name]
        if name in _INSTANTS:
            found[name] = list(map(_instant, column.cast(pa.int64()).to_pylist()))
        elif name == "dimensions":
            found[name] = [dict(pairs) for pairs in column.to_pylist()]
        else:
            found[name] = column.to_pylist()
    return found


@lru_cache
def _instant(instant_us: int) -> str:
    return rfc3339_us(instant_us)


def _cell(value: Any) -> str | None:  # noqa: ANN401 - any value of JSON
    return value if value is None or isinstance(value, str) else json_line(value)
