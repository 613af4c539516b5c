"""`meterline simulate`: what another catalog would have made of past usage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import grpc
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.api.message_json import json_line
from engine.cli.billing.line_tables import report_unrateable
from engine.cli.catalog.catalog_file import catalog_pieces, request_of
from engine.cli.invoices.ended_periods import months_options, span_of_months
from engine.cli.simulation.simulated_sums import KEYS, SimulatedSums, with_differences
from engine.cli.simulation.simulation_chart import check_chart, write_chart
from engine.cli.simulation.simulation_files import written
from engine.cli.simulation.simulation_tables import sum_fields, sums_table, totals_table
from engine.cli.terminal.connection import (
    NO_CATALOG,
    CommandError,
    ahead,
    connected,
    field_violations,
    pages,
)
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import (
    as_of_option,
    json_option,
    revision_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import counted, footer, snapshot_fields
from meterline.v1.billing_pb2 import LineItemForm, UnrateableCustomer
from meterline.v1.simulations_pb2 import SimulateCatalogRequest, SimulateCatalogResponse
from meterline.v1.simulations_pb2_grpc import SimulationServiceStub

# A page rates ten thousand subscriptions twice.
_TIMEOUT_S = 3_600
_BY = ("line", "price", "plan", "customer")
_OUT = FileType(path_type=Path)


@click.command(
    epilog="A month is that of billing periods that end in it, or with it, as `close --period` takes them."
)
@click.option(
    "-f", "--file", "file", type=FileType(path_type=Path, allow_dash=True), required=True, metavar="FILE",
    help="The candidate: a catalog as `apply` takes it, up to 4 MiB; - is standard input.",
)  # fmt: skip
@months_options
@click.option(
    "--top",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many customers to show each way.",
)
@click.option("--csv", "csv_path", type=_OUT, metavar="FILE", help="Also write all rows there.")
@click.option("--parquet", "parquet_path", type=_OUT, metavar="FILE", help="Also write all rows there.")
@click.option(
    "--by", type=click.Choice(_BY), default="line", show_default=True,
    help="What a row of these files is: a price of a subscription in a billing period, or the sums by price, plan or customer.",
)  # fmt: skip
@click.option(
    "--chart",
    "chart",
    type=_OUT,
    metavar="FILE",
    help="Also draw totals and changes: FILE.png or FILE.html. Needs meterline[charts].",
)
@as_of_option
@revision_option("Compare with the catalog as it was at this revision.")
@json_option
@target_option
def simulate(
    file: Path,
    start: date,
    end: date,
    zone: ZoneInfo,
    target: str,
    *,
    as_json: bool,
    **to: Any,  # noqa: ANN401 - of _Asked
) -> None:
    """Show what another catalog would have made of past usage, for all customers; nothing is applied.

    FILE is laid over the catalog as an apply would. Of a plan that it changes everybody has the new version for the whole
    span, also those who stay on an earlier one after an apply. Meters that it adds are measured over the stored events.
    Compared are amounts, and what is due after discounts, credits and taxes.

    A customer whose usage one of the catalogs can't rate is named, and in no sum; the exit code is then 2.
    """
    period_end_after, period_end_until = span_of_months(start, end, zone)
    asked = _Asked(**to)
    if asked.chart is not None:
        check_chart(asked.chart)
    request = SimulateCatalogRequest(
        pieces=[request_of(piece, dry_run=False) for piece in catalog_pieces(file, None)],
        period_end_after=timestamp(period_end_after),
        period_end_until=timestamp(period_end_until),
        as_of=timestamp(asked.as_of),
        catalog_revision=asked.catalog_revision or 0,
        form=LineItemForm.LINE_ITEM_FORM_ARROW,
    )
    with connected(target) as channel:
        sums, seen = _simulated(_pages(channel, request, file), asked)
    months = f"{start:%Y-%m}" if start == end else f"{start:%Y-%m} to {end:%Y-%m}"
    if asked.chart is not None:
        below = footer(seen.last.as_of, seen.last.catalog_revision)
        write_chart(asked.chart, sums, f"{file.name}, {months}", below)
    if as_json:
        click.echo(json_line(_json(sums, seen, asked.top)))
    else:
        _show(sums, seen, asked.top, f"{months}:")
    seen.report()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is shown and written besides the span and the candidate."""

    top: int
    csv_path: Path | None
    parquet_path: Path | None
    by: str
    chart: Path | None
    as_of: datetime | None
    catalog_revision: int | None


class _Seen:
    """What pages say besides their rows."""

    def __init__(self) -> None:
        self.last = SimulateCatalogResponse()
        self.changes: list[Any] = []
        self._unrateable: list[UnrateableCustomer] = []
        self._unrateable_before: list[UnrateableCustomer] = []
        self._unrateable_count = 0

    def add(self, page: SimulateCatalogResponse) -> None:
        self.last = page
        self.changes += page.changes
        self._unrateable += page.unrateable_customers
        self._unrateable_before += page.unrateable_before_customers
        self._unrateable_count += page.unrateable_customer_count

    def report(self) -> None:
        """Raises CommandError where a customer can't be rated."""
        after = {each.customer_id for each in self._unrateable}
        named = [
            *self._unrateable,
            *(
                UnrateableCustomer(
                    customer_id=each.customer_id, message=f"by the catalog as it is, {each.message}"
                )
                for each in self._unrateable_before
                if each.customer_id not in after
            ),
        ]
        report_unrateable(named, "they are in no sum", self._unrateable_count)


def _simulated(answer: Iterator[SimulateCatalogResponse], asked: _Asked) -> tuple[SimulatedSums, _Seen]:
    """All pages summed up, and their rows written."""
    sums, seen = SimulatedSums(), _Seen()
    with written(asked.csv_path, asked.parquet_path) as write:
        for page, rows in _with_progress(answer):
            seen.add(page)
            sums.add(rows)
            if asked.by == "line":
                write(with_differences(rows))
        if asked.by != "line":
            write(sums.table(asked.by))
    return sums, seen


def _pages(
    channel: grpc.Channel, request: SimulateCatalogRequest, path: Path
) -> Iterator[SimulateCatalogResponse]:
    """Raises CommandError where the candidate has mistakes: they are shown."""
    try:
        yield from pages(SimulationServiceStub(channel).SimulateCatalog, request, timeout_s=_TIMEOUT_S)
    except grpc.RpcError as error:
        mistakes = field_violations(error)
        if not mistakes:
            raise
        for mistake in mistakes:
            click.echo(mistake, err=True)
        raise CommandError(f"nothing was simulated: {path} has the mistakes above") from None


def _with_progress(
    answer: Iterator[SimulateCatalogResponse],
) -> Iterator[tuple[SimulateCatalogResponse, Any]]:
    """The pages with their tables, and how far they are, for a person who waits."""
    import pyarrow as pa  # noqa: PLC0415 - it takes long to load

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task, done = progress.add_task("simulate", total=None, done=""), 0
        for page in ahead(answer):
            done += page.simulated_subscription_count
            of = counted(page.subscription_count, "subscription")
            progress.update(task, total=page.subscription_count, completed=done, done=f"{done:,} of {of}")
            yield page, pa.ipc.open_stream(page.arrow).read_all()


def _json(sums: SimulatedSums, seen: _Seen, top: int) -> dict[str, Any]:
    more, more_count = sums.most_changed(top, more=True)
    less, less_count = sums.most_changed(top, more=False)
    found: dict[str, Any] = snapshot_fields(seen.last.as_of, seen.last.catalog_revision)
    for name in ("total", "plan", "price"):
        found[f"{name}s"] = [sum_fields(each, KEYS[name]) for each in sums.rows(name)]
    found["pay_more"] = [sum_fields(each, KEYS["customer"]) for each in more]
    found["pay_less"] = [sum_fields(each, KEYS["customer"]) for each in less]
    return found | {"pay_more_count": more_count, "pay_less_count": less_count}


def _show(sums: SimulatedSums, seen: _Seen, top: int, title: str) -> None:
    totals = sums.rows("total")
    if not seen.last.catalog_revision:
        click.echo(NO_CATALOG)
        return
    click.echo(f"{counted(len(seen.changes), 'resource')} would change")
    if not totals:
        click.echo(f"{title} no billing period ends in that time")
    else:
        _show_sums(sums, top, title)
    click.echo(footer(seen.last.as_of, seen.last.catalog_revision))


def _show_sums(sums: SimulatedSums, top: int, title: str) -> None:
    totals_table(sums.rows("total")).show(title)
    click.echo()
    sums_table(("plan",), sums.rows("plan"), "due").show()
    click.echo()
    sums_table(("plan", "price"), sums.rows("price"), "amount").show()
    counts = {}
    for more, name in ((True, "more"), (False, "less")):
        found, counts[name] = sums.most_changed(top, more=more)
        if found:
            click.echo()
            sums_table((f"customers who would pay {name}",), found, "due").show()
            if counts[name] > len(found):
                click.echo(f"and {counts[name] - len(found):,} more: --csv FILE --by customer has them all")
    click.echo()
    same = sums.customer_count - counts["more"] - counts["less"]
    click.echo(f"{counts['more']:,} would pay more, {counts['less']:,} less, {same:,} the same")
