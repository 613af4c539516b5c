"""`meterline invoices export`: what was billed, for cost and finance tools."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click
from grpc import Channel
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.cli.invoices.ended_periods import ENDED_PERIODS_EPILOG, ended_period_options, ended_span
from engine.cli.invoices.focus import (
    FOCUS_COLUMNS,
    SERVICE_CATEGORIES,
    Issuer,
    billed_sum,
    focus_rows,
)
from engine.cli.terminal.connection import CommandError, connected, pages
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.options import TextType, target_option
from engine.cli.terminal.text import counted
from meterline.v1.invoices_pb2 import (
    INVOICE_STATE_VOID,
    Invoice,
    InvoiceLine,
    ListInvoiceLinesRequest,
    ListInvoicesRequest,
)
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.resources_pb2 import ListResourcesRequest
from meterline.v1.resources_pb2_grpc import ResourceServiceStub

_PAGE_SIZE_MAX = 1_000


@click.command(epilog=ENDED_PERIODS_EPILOG)
@ended_period_options
@click.option(
    "--issuer",
    type=TextType("a name"),
    metavar="NAME",
    help="Who bills, for invoices without a seller. Default: the seller of each invoice.",
)
@click.option(
    "--service-category",
    type=click.Choice(SERVICE_CATEGORIES, case_sensitive=False),
    default="Other",
    show_default=True,
    metavar="TEXT",
    help="What the services are, of the standard's categories: Compute, Storage, Analytics, ...",
)
@click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    required=True,
    metavar="FILE",
    help="Where to write it.",
)
@target_option
def export(  # noqa: PLR0913 - the options of the command
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    issuer: str | None,
    service_category: str,
    output: Path,
    *,
    target: str,
) -> None:
    """Write what was billed as CSV in the FOCUS 1.2 columns, which cost tools read.

    Of invoices whose billing periods end in that time; void ones are left out. A row for each line, and of a line of tiers for each of
    these, so that quantities and unit prices multiply to costs; and one each for the credit and the taxes of a line. The BilledCost of
    an invoice's rows adds up to what is due.
    """
    after, until = ended_span(period, start, end, zone, "export")
    with connected(target) as channel, written_whole(output) as file:
        file.write(csv_line(FOCUS_COLUMNS).encode())
        units = _units(channel)
        invoice_count = row_count = 0
        for invoice, lines in _with_progress(InvoiceServiceStub(channel), after, until):
            name = invoice.seller.name or issuer
            if not name:
                raise CommandError(
                    f"{invoice.number} was issued without a seller: give --issuer NAME; a seller in the catalog counts "
                    "for invoices that are issued from then on"
                )
            row_count += _write(file, invoice, lines, Issuer(name, service_category, units))
            invoice_count += 1
    click.echo(f"wrote {output}: {counted(invoice_count, 'invoice')}, {counted(row_count, 'row')}")


def _write(file: BinaryIO, invoice: Invoice, lines: list[InvoiceLine], issuer: Issuer) -> int:
    """Raises CommandError for rows that don't add up to what is due."""
    rows = list(focus_rows(invoice, lines, issuer))
    if billed_sum(rows) != Decimal(invoice.amounts.due):
        raise CommandError(
            f"the lines of {invoice.number} come to {billed_sum(rows)}, and {invoice.amounts.due} is due: nothing was "
            "written; run meterline reconcile-billing"
        )
    file.writelines(csv_line(row[column] for column in FOCUS_COLUMNS).encode() for row in rows)
    return len(rows)


def _with_progress(
    stub: InvoiceServiceStub, after: datetime, until: datetime
) -> Iterator[tuple[Invoice, list[InvoiceLine]]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("export", total=None, done="the first invoices")
        for count, invoice in enumerate(_invoices(stub, after, until), 1):
            yield invoice, listed_lines(stub, invoice.number, with_tiers=True)
            progress.update(task, done=counted(count, "invoice"))


def _invoices(stub: InvoiceServiceStub, after: datetime, until: datetime) -> Iterator[Invoice]:
    for page in pages(stub.ListInvoices, ListInvoicesRequest(page_size=_PAGE_SIZE_MAX)):
        for invoice in page.invoices:
            ended = invoice.period_end.ToDatetime(UTC)
            if after < ended <= until and invoice.state != INVOICE_STATE_VOID:
                yield invoice


def listed_lines(stub: InvoiceServiceStub, number: str, *, with_tiers: bool = False) -> list[InvoiceLine]:
    """All lines of an invoice."""
    request = ListInvoiceLinesRequest(number=number, page_size=_PAGE_SIZE_MAX, with_tiers=with_tiers)
    return [each for page in pages(stub.ListInvoiceLines, request) for each in page.lines]


def _units(channel: Channel) -> dict[str, str]:
    """Of each meter the unit in which it counts, if it says one."""
    stub = ResourceServiceStub(channel)
    listed = pages(stub.ListResources, ListResourcesRequest(kind="meter"))
    found = [json.loads(each.definition) for page in listed for each in page.resources]
    return {meter["id"]: meter["unit"] for meter in found if meter.get("unit")}
