"""`meterline usage`: what a meter comes to, for any period."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO

import click
import grpc
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.cli.terminal.connection import (
    CommandError,
    as_of_option,
    call_of,
    check_period,
    connected,
    target_option,
)
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.option_text import TextType
from engine.cli.terminal.show import counted, footer, print_table, printable
from engine.cli.usage.usage_files import CsvFile, JsonFile, UsageFile
from engine.cli.usage.usage_question import MomentType, UsageOptions, WhereType, ZoneType
from engine.cli.usage.usage_table import period_text, usage_table
from engine.usage.windows import Window
from meterline import read_pushback_ms
from meterline.v1.metering_pb2 import QueryUsageRequest, QueryUsageResponse
from meterline.v1.metering_pb2_grpc import MeteringServiceStub

# A total of all customers reads all their events: seconds for each ten million.
_TIMEOUT_S = 600
_PATIENCE_S = 120
_FORMATS = ("table", "csv", "json", "parquet")
_FORMAT_OF = {".csv": "csv", ".json": "json", ".ndjson": "json", ".jsonl": "json", ".parquet": "parquet"}


@click.command(
    epilog="INSTANT is a date or RFC 3339, such as 2023-11-16T18:15:00Z; --as-of takes a date as midnight UTC."
)
@click.option("--meter", required=True, metavar="ID", help="A meter of the catalog.")
@click.option(
    "--customer",
    "customers",
    type=TextType("a customer"),
    multiple=True,
    metavar="ID",
    help="Only this one; may be given several times. Default: all who have usage.",
)
@click.option(
    "--from", "start", type=MomentType(), required=True, metavar="INSTANT", help="The period's start."
)
@click.option(
    "--to",
    "end",
    type=MomentType(),
    required=True,
    metavar="INSTANT",
    help="The period's end; not part of it.",
)
@click.option(
    "--window",
    type=click.Choice([each.value for each in Window]),
    default=Window.NONE.value,
    show_default=True,
    help="Cut the period into these; weeks start on Monday.",
)
@click.option(
    "--time-zone",
    "zone",
    type=ZoneType(),
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Whose calendar windows follow, and in which a date starts, such as Europe/Berlin.",
)
@click.option(
    "--group-by",
    type=TextType("a property"),
    multiple=True,
    metavar="NAME",
    help="A property, or customer_id for the customer (properties.customer_id is a property of that name); may be "
    "given several times. Default: the customer, and what the meter groups by.",
)
@click.option("--total", is_flag=True, help="Group by nothing: all chosen customers together.")
@click.option(
    "--where",
    multiple=True,
    type=WhereType(),
    metavar="NAME=VALUE",
    help="Only events with this property; given several times for one NAME, any of the values.",
)
@as_of_option
@click.option(
    "--catalog-revision",
    type=click.IntRange(min=1),
    default=None,
    help="The meter as it was at this revision of the catalog. Default: the newest.",
)
@click.option("--raw", is_flag=True, help="Compute it from the events themselves. The answer is the same.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    help="json is one object a line. Default: by the name of FILE, or else table.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--text-quantities", is_flag=True, help="Parquet: quantities as text instead of decimal128(38, 12)."
)
@click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Write there instead of standard output: the whole answer, or nothing.",
)
@target_option
def usage(
    output_format: str | None,
    as_json: bool,
    text_quantities: bool,
    output: Path | None,
    window: str,
    **asked: Any,  # noqa: ANN401 - the other fields of UsageOptions, each of the type of its option
) -> None:
    """Show what a meter comes to over any period: by day or hour, by customer, by any property.

    A date is its start in --time-zone. The line below the answer (on standard error, unless the answer is a table)
    asks for the same again: the same bytes, whatever has come in since.
    """
    options = UsageOptions(window=Window(window), **asked)
    if as_json and output_format not in (None, "json"):
        raise CommandError(f"--json and --format {output_format} exclude each other")
    form = _form("json" if as_json else output_format, text_quantities, output)
    _check(options)
    with connected(options.target) as channel:
        pages = _pages(channel, options.request())
        if form == "table":
            answer = _show(list(pages), options)
        else:
            with _opened(output) as file:
                answer = _write(pages, _writer(form, file, options.meter, text_quantities))
    shown = [] if form == "table" else ["--format", form]
    shown += ["--text-quantities"] if text_quantities else []
    shown += ["--output", str(output)] if output else []
    click.echo(footer(answer.as_of, answer.catalog_revision), err=form != "table")
    click.echo(f"the same again: {options.repeated(answer, shown)}", err=form != "table")


def _form(output_format: str | None, text_quantities: bool, output: Path | None) -> str:
    named = None if output is None else _FORMAT_OF.get(output.suffix.lower())
    form = output_format or ("table" if output is None else named)
    if form is None:
        raise CommandError(
            f"{output}: its name doesn't say what to write: give --format csv, json or parquet"
        )
    if form == "table" and output is not None:
        raise CommandError("--format table is for people: write csv, json or parquet to a file")
    if named not in (None, form):
        raise CommandError(f"{output}: its name says {named}, and the options {form}: change one of them")
    if form == "parquet" and output is None:
        raise CommandError("--format parquet needs a file: name it with -o FILE")
    if text_quantities and form != "parquet":
        raise CommandError("--text-quantities is for --format parquet: elsewhere every quantity is text")
    return form


def _check(options: UsageOptions) -> None:
    if options.total and options.group_by:
        raise CommandError("--total and --group-by exclude each other: leave one of them out")
    request = options.request()
    check_period(request.period_start.ToDatetime(UTC), request.period_end.ToDatetime(UTC))


def _pages(channel: grpc.Channel, request: QueryUsageRequest) -> Iterator[QueryUsageResponse]:
    stub = MeteringServiceStub(channel)
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[rows]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("usage", total=None, rows=counted(0, "row"))
        rows = 0
        while True:
            response = _answer(stub, request)
            rows += len(response.rows)
            progress.update(task, rows=counted(rows, "row"))
            yield response
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token


def _answer(stub: MeteringServiceStub, request: QueryUsageRequest) -> QueryUsageResponse:
    """Comes again when the engine says so, for a while: a long answer must not end because others ask as well."""
    started_s = time.monotonic()
    while True:
        try:
            answer: QueryUsageResponse = stub.QueryUsage(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            metadata = [(key, value) for key, value in call_of(error).trailing_metadata() or ()]
            pushback_ms = read_pushback_ms(metadata)
            patient = time.monotonic() - started_s < _PATIENCE_S
            if pushback_ms is None or pushback_ms < 0 or not patient:
                raise
        else:
            return answer
        time.sleep(pushback_ms / 1_000)


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is not None:
        with written_whole(output) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _writer(output_format: str, file: BinaryIO, meter_id: str, text_quantities: bool) -> UsageFile:
    match output_format:
        case "csv":
            return CsvFile(file, meter_id)
        case "json":
            return JsonFile(file, meter_id)
        case _:
            from engine.cli.usage.usage_parquet import ParquetFile  # noqa: PLC0415 - it loads pyarrow

            return ParquetFile(file, meter_id, text_quantities=text_quantities)


def _write(pages: Iterator[QueryUsageResponse], writer: UsageFile) -> QueryUsageResponse:
    page = next(pages)
    writer.begin(page)
    try:
        writer.add(page)
        for page in pages:
            writer.add(page)
    finally:
        writer.end()
    return page


def _show(pages: Sequence[QueryUsageResponse], options: UsageOptions) -> QueryUsageResponse:
    rows = [row for page in pages for row in page.rows]
    request = options.request()
    period = period_text(request.period_start, request.period_end, options.zone)
    click.echo(f"{printable(options.meter)}, version {pages[0].meter_version}, {period}")
    if rows:
        print_table(usage_table(rows, pages[0].group_by, options.window, options.zone))
    else:
        click.echo("no usage")
    return pages[-1]
