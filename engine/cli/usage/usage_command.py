"""`meterline usage`: what a meter comes to, for any period."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.cli.terminal.connection import CommandError, connected, pages
from engine.cli.terminal.options import (
    MomentType,
    PairType,
    TextType,
    as_of_option,
    check_period,
    period_options,
    revision_option,
    target_option,
    zone_option,
)
from engine.cli.terminal.output import chosen_form, opened, output_options
from engine.cli.terminal.text import counted, footer, visible
from engine.cli.usage.usage_files import write_usage
from engine.cli.usage.usage_question import UsageOptions
from engine.cli.usage.usage_table import period_text, usage_table
from engine.usage.facts.windows import Window
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.metering_pb2_grpc import MeteringServiceStub

# A total of all customers reads all their events: seconds for each ten million.
_TIMEOUT_S = 600

_FORMS = ("csv", "json", "parquet")


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
@period_options(MomentType())
@click.option(
    "--window",
    type=click.Choice([each.value for each in Window]),
    default=Window.NONE.value,
    show_default=True,
    help="Cut the period into these; weeks start on Monday.",
)
@zone_option("Whose calendar windows follow, and in which a date starts")
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
    type=PairType(),
    metavar="NAME=VALUE",
    help="Only events with this property; given several times for one NAME, any of the values.",
)
@as_of_option
@revision_option("The meter as it was at this revision of the catalog.")
@click.option("--raw", is_flag=True, help="Compute it from the events themselves. The answer is the same.")
@output_options(*_FORMS)
@click.option(
    "--text-quantities", is_flag=True, help="Parquet: quantities as text instead of decimal128(38, 12)."
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
    form = chosen_form(_FORMS, output_format, as_json, output)
    if text_quantities and form != "parquet":
        raise CommandError("--text-quantities is for --format parquet: elsewhere every quantity is text")
    if options.total and options.group_by:
        raise CommandError("--total and --group-by exclude each other: leave one of them out")
    request = options.request()
    check_period(request.period_start.ToDatetime(UTC), request.period_end.ToDatetime(UTC))
    with connected(options.target) as channel:
        answer = _counted(pages(MeteringServiceStub(channel).QueryUsage, request, timeout_s=_TIMEOUT_S))
        if form == "table":
            last = _show(list(answer), options)
        else:
            with opened(output) as file:
                last = write_usage(form, file, answer, options.meter, text_quantities=text_quantities)
    shown = [] if form == "table" else ["--format", form]
    shown += ["--text-quantities"] if text_quantities else []
    shown += ["--output", str(output)] if output else []
    click.echo(footer(last.as_of, last.catalog_revision), err=form != "table")
    click.echo(f"the same again: {options.repeated(last, shown)}", err=form != "table")


def _counted(answer: Iterator[QueryUsageResponse]) -> Iterator[QueryUsageResponse]:
    """The pages, and how many rows have come, for a person who waits."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[rows]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("usage", total=None, rows=counted(0, "row"))
        rows = 0
        for page in answer:
            rows += len(page.rows)
            progress.update(task, rows=counted(rows, "row"))
            yield page


def _show(answer: Sequence[QueryUsageResponse], options: UsageOptions) -> QueryUsageResponse:
    rows = [row for page in answer for row in page.rows]
    request = options.request()
    period = period_text(request.period_start, request.period_end, options.zone)
    click.echo(f"{visible(options.meter)}, version {answer[0].meter_version}, {period}")
    if rows:
        usage_table(rows, answer[0].group_by, options.window, options.zone).show()
    else:
        click.echo("no usage")
    return answer[-1]
