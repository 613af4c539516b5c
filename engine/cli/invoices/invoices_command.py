"""`meterline invoices`: what was billed, listed, shown, exported, voided, written off."""

from pathlib import Path

import click

from engine.api.message_json import message_line
from engine.cli.invoices.document_files import asked_format, document_options, write_document
from engine.cli.invoices.export_command import export, listed_lines
from engine.cli.invoices.invoice_tables import (
    due_day,
    figures_table,
    invoices_table,
    lines_table,
    party_text,
    period_text,
    state_text,
    sums_table,
)
from engine.cli.terminal.connection import TIMEOUT_S, connected, some_of
from engine.cli.terminal.options import TextType, json_option, limit_option, target_option
from engine.cli.terminal.tables import show_found
from engine.cli.terminal.text import footer, grouped, instant, visible
from meterline.v1.invoices_pb2 import (
    GetInvoiceDocumentRequest,
    GetInvoiceRequest,
    Invoice,
    ListInvoicesRequest,
    VoidInvoiceRequest,
)
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.receivables_pb2 import WriteOffInvoiceRequest
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub

_number = click.argument("number", type=TextType("an invoice"), metavar="NUMBER")


@click.group()
def invoices() -> None:
    """Show invoices, which `meterline close` makes, void them or write them off; NUMBER is one such as INV-000042."""


invoices.add_command(export)


@invoices.command("list")
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only of this customer.")
@click.option(
    "--state",
    type=click.Choice(["issued", "partly-paid", "paid", "overdue", "uncollectible", "void"]),
    help="Only in this state. Default: in any.",
)
@limit_option("invoices")
@json_option
@target_option
def list_(customer: str | None, state: str | None, limit: int, *, as_json: bool, target: str) -> None:
    """List invoices, the newest first."""
    request = ListInvoicesRequest(
        customer_id=customer or "",
        state=f"INVOICE_STATE_{(state or 'unspecified').replace('-', '_').upper()}",
    )
    with connected(target) as channel:
        found = some_of(InvoiceServiceStub(channel).ListInvoices, request, "invoices", limit)
    show_found(found, invoices_table, "no invoice", as_json=as_json)


@invoices.command()
@_number
@json_option
@target_option
def show(number: str, *, as_json: bool, target: str) -> None:
    """Show an invoice: whose it is, its lines, and how what is due comes to be."""
    with connected(target) as channel:
        stub = InvoiceServiceStub(channel)
        invoice = stub.GetInvoice(GetInvoiceRequest(number=number), timeout=TIMEOUT_S).invoice
        found = [] if as_json else listed_lines(stub, number)
    if as_json:
        click.echo(message_line(invoice))
        return
    _show_head(invoice)
    click.echo()
    lines_table(found).show()
    click.echo()
    sums_table(invoice.amounts, invoice.currency).show()
    click.echo()
    figures_table(invoice).show()
    click.echo(footer(invoice.as_of, invoice.catalog_revision))


@invoices.command()
@_number
@json_option
@target_option
def lines(number: str, *, as_json: bool, target: str) -> None:
    """Show the lines of an invoice; --json has all that is known of each."""
    with connected(target) as channel:
        found = listed_lines(InvoiceServiceStub(channel), number)
    if as_json:
        for each in found:
            click.echo(message_line(each))
    else:
        lines_table(found).show()


@invoices.command()
@_number
@document_options
@click.option(
    "--with-usage",
    is_flag=True,
    help="With usage by day of each line: an annex of pdf and html; csv is of usage then.",
)
@target_option
def document(
    number: str, *, form: str | None, locale: str, output: Path | None, with_usage: bool, target: str
) -> None:
    """Write an invoice as a document: PDF, HTML, JSON, or its lines as CSV."""
    request = GetInvoiceDocumentRequest(
        number=number, format=asked_format(form, output), locale=locale, with_usage=with_usage
    )
    with connected(target) as channel:
        made = InvoiceServiceStub(channel).GetInvoiceDocument(request, timeout=TIMEOUT_S)
    write_document(made.content, made.file_name, output)


@invoices.command()
@_number
@click.option(
    "--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why; it stays with it."
)
@json_option
@target_option
def void(number: str, reason: str, *, as_json: bool, target: str) -> None:
    """Make an invoice void: it was never owed.

    It keeps its number. Its billing period is open again: the next `meterline close` of it bills it anew, under another
    number.
    """
    with connected(target) as channel:
        request = VoidInvoiceRequest(number=number, reason=reason)
        voided = InvoiceServiceStub(channel).VoidInvoice(request, timeout=TIMEOUT_S).invoice
    if as_json:
        click.echo(message_line(voided))
    else:
        click.echo(f"{voided.number} is void: close its billing period again to bill it anew")


@invoices.command("write-off")
@_number
@click.option(
    "--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why; it stays with it."
)
@json_option
@target_option
def write_off(number: str, reason: str, *, as_json: bool, target: str) -> None:
    """Write off what is outstanding of an invoice: nobody expects it to be paid.

    A payment that names it afterwards pays it all the same.
    """
    with connected(target) as channel:
        request = WriteOffInvoiceRequest(number=number, reason=reason)
        found = ReceivablesServiceStub(channel).WriteOffInvoice(request, timeout=TIMEOUT_S).invoice
    if as_json:
        click.echo(message_line(found))
    else:
        written_off = f"{grouped(found.figures.written_off)} {found.currency}"
        click.echo(f"{found.number} is {state_text(found.state)}: {written_off} written off")


def _show_head(invoice: Invoice) -> None:
    click.echo(
        f"{invoice.number}, {state_text(invoice.state)}: {visible(invoice.customer_id)}, {period_text(invoice)}, "
        f"{invoice.currency}"
    )
    click.echo(f"issued {instant(invoice.issued_at)}, due {due_day(invoice)}")
    for who, party in (("to", invoice.customer), ("from", invoice.seller)):
        if said := party_text(party):
            click.echo(f"{who} {visible(said)}")
    if invoice.HasField("voided_at"):
        click.echo(f"void since {instant(invoice.voided_at)}: {visible(invoice.void_reason)}")
