"""`meterline credit-notes`: what invoices billed given back, in whole or line by line; listed, shown, voided."""

import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from engine.api.message_json import message_line
from engine.cli.invoices.document_files import asked_format, document_options, write_document
from engine.cli.invoices.invoice_tables import sums_table
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected, some_of
from engine.cli.terminal.options import Pair, PairType, TextType, json_option, limit_option, target_option
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import grouped, instant, visible
from meterline.v1.credit_notes_pb2 import (
    CREDIT_NOTE_STATE_VOID,
    CreateCreditNoteRequest,
    CreditedLine,
    CreditNote,
    CreditNoteLine,
    GetCreditNoteDocumentRequest,
    GetCreditNoteRequest,
    ListCreditNotesRequest,
    VoidCreditNoteRequest,
)
from meterline.v1.credit_notes_pb2_grpc import CreditNoteServiceStub

_LINE_FORM = "a line's number, or NUMBER=AMOUNT"
_number = click.argument("number", type=TextType("a credit note"), metavar="NUMBER")


@click.group("credit-notes")
def credit_notes() -> None:
    """Give back what invoices billed, in whole or line by line; NUMBER is one such as CN-000001."""


@credit_notes.command()
@click.argument("invoice", type=TextType("an invoice"), metavar="INVOICE")
@click.option("--whole", is_flag=True, help="All that is left of the invoice.")
@click.option(
    "--line",
    "lines",
    type=PairType(_LINE_FORM, names_itself=True),
    multiple=True,
    metavar="NUMBER[=AMOUNT]",
    help="All that is left of this line, or so much of its amount, before taxes; may be repeated.",
)
@click.option(
    "--reason",
    type=TextType("a reason"),
    required=True,
    metavar="TEXT",
    help="Why; it stands on the credit note.",
)
@click.option(
    "--idempotency-key",
    type=TextType("a key"),
    metavar="TEXT",
    help="The same again with the same key is the same note. Default: a random one.",
)
@json_option
@target_option
def create(
    invoice: str,
    *,
    whole: bool,
    lines: tuple[Pair, ...],
    reason: str,
    idempotency_key: str | None,
    as_json: bool,
    target: str,
) -> None:
    """Give back what is left of an invoice, or of some of its lines, with their share of discounts and taxes.

    It is about money, not usage: whoever was billed usage that never was, corrects the usage.
    """
    if whole == bool(lines):
        raise CommandError("say what to give back: --whole, or --line for some lines")
    request = CreateCreditNoteRequest(
        number=invoice,
        lines=map(_line, lines),
        reason=reason,
        idempotency_key=idempotency_key or secrets.token_hex(16),
    )
    with connected(target) as channel:
        made = CreditNoteServiceStub(channel).CreateCreditNote(request, timeout=TIMEOUT_S).credit_note
    if as_json:
        click.echo(message_line(made))
    else:
        click.echo(f"{made.number}: {grouped(made.amounts.due)} {made.currency} of {made.invoice} given back")


@credit_notes.command()
@_number
@click.option(
    "--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why; it stays with it."
)
@json_option
@target_option
def void(number: str, reason: str, *, as_json: bool, target: str) -> None:
    """Make a credit note void: what it gave back is owed again. It keeps its number."""
    with connected(target) as channel:
        request = VoidCreditNoteRequest(number=number, reason=reason)
        voided = CreditNoteServiceStub(channel).VoidCreditNote(request, timeout=TIMEOUT_S).credit_note
    if as_json:
        click.echo(message_line(voided))
    else:
        owed = f"{grouped(voided.amounts.due)} {voided.currency}"
        click.echo(f"{voided.number} is void: {owed} of {voided.invoice} are owed again")


@credit_notes.command()
@_number
@json_option
@target_option
def show(number: str, *, as_json: bool, target: str) -> None:
    """Show a credit note: what it gives back, line by line of its invoice."""
    with connected(target) as channel:
        request = GetCreditNoteRequest(number=number)
        answer = CreditNoteServiceStub(channel).GetCreditNote(request, timeout=TIMEOUT_S)
    if as_json:
        click.echo(message_line(answer))
        return
    note = answer.credit_note
    click.echo(
        f"{note.number}, {_state(note)}: of {note.invoice}, {visible(note.customer_id)}, {note.currency}"
    )
    click.echo(f"issued {instant(note.issued_at)}: {visible(note.reason)}")
    if note.HasField("voided_at"):
        click.echo(f"void since {instant(note.voided_at)}: {visible(note.void_reason)}")
    click.echo()
    _lines_table(list(answer.lines)).show()
    click.echo()
    sums_table(note.amounts, note.currency).show()


@credit_notes.command()
@_number
@document_options
@target_option
def document(number: str, *, form: str | None, locale: str, output: Path | None, target: str) -> None:
    """Write a credit note as a document: PDF, HTML, JSON, or its lines as CSV."""
    request = GetCreditNoteDocumentRequest(number=number, format=asked_format(form, output), locale=locale)
    with connected(target) as channel:
        made = CreditNoteServiceStub(channel).GetCreditNoteDocument(request, timeout=TIMEOUT_S)
    write_document(made.content, made.file_name, output)


@credit_notes.command("list")
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only of this customer.")
@click.option("--invoice", type=TextType("an invoice"), metavar="NUMBER", help="Only of this invoice.")
@limit_option("credit notes")
@json_option
@target_option
def list_(customer: str | None, invoice: str | None, limit: int, *, as_json: bool, target: str) -> None:
    """List credit notes, the newest first."""
    request = ListCreditNotesRequest(customer_id=customer or "", invoice=invoice or "")
    with connected(target) as channel:
        found = some_of(CreditNoteServiceStub(channel).ListCreditNotes, request, "credit_notes", limit)
    show_found(found, _table, "no credit note", as_json=as_json)


def _line(pair: Pair) -> CreditedLine:
    """Raises CommandError."""
    name, text = pair
    number, amount = (name, text) if name else (text, "")
    if not (number.isascii() and number.isdigit() and len(number) <= 9) or (name and not amount):
        raise CommandError(f"--line {'='.join(filter(None, pair))}: write {_LINE_FORM}")
    return CreditedLine(line_number=int(number), amount=amount)


def _state(note: CreditNote) -> str:
    return "void" if note.state == CREDIT_NOTE_STATE_VOID else "issued"


def _table(found: Sequence[CreditNote]) -> TextTable:
    table = TextTable("number", "state", "invoice", "customer", NumberColumn("due"), "reason")
    for each in found:
        due = f"{grouped(each.amounts.due)} {each.currency}"
        table.add(each.number, _state(each), each.invoice, each.customer_id, due, each.reason)
    return table


def _lines_table(lines: list[CreditNoteLine]) -> TextTable:
    names = ("amount", "discount", "credit", "included_tax", "tax", "due")
    shown = [
        name
        for name in names
        if name in ("amount", "due") or any(getattr(each, name).strip("-0.") for each in lines)
    ]
    table = TextTable(NumberColumn("line"), *(NumberColumn(name.replace("_", " ")) for name in shown))
    for each in lines:
        table.add(str(each.line_number), *(grouped(getattr(each, name)) for name in shown))
    return table
