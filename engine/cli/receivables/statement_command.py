"""`meterline statement`: what a customer was billed and paid in a currency, and owes."""

from collections.abc import Iterator
from datetime import datetime

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import CommandError, connected, pages
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    check_period,
    json_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import grouped, instant
from meterline.v1.receivables_pb2 import AccountEntry, AccountEntryKind, ListAccountEntriesRequest
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub

_PAGE_SIZE_MAX = 1_000
_CSV_COLUMNS = ("recorded_at", "kind", "document", "invoice", "payment_id", "amount", "balance", "reason")


@click.command(epilog=INSTANT_HELP)
@click.argument("customer", type=TextType("a customer"), metavar="CUSTOMER")
@click.option("--currency", type=TextType("a currency"), required=True, metavar="CODE", help="Such as EUR.")
@click.option(
    "--from", "start", type=InstantType(), metavar="INSTANT", help="What was recorded from then on."
)
@click.option("--to", "end", type=InstantType(), metavar="INSTANT", help="... and before this.")
@click.option("--csv", "as_csv", is_flag=True, help="The entries as CSV, with a header.")
@json_option
@target_option
def statement(
    customer: str,
    currency: str,
    start: datetime | None,
    end: datetime | None,
    *,
    as_csv: bool,
    as_json: bool,
    target: str,
) -> None:
    """Show the statement of a customer's account: invoices, payments, refunds and credit, and what is owed after each.

    It always adds up, or is not given. What is negative, the customer has.
    """
    if as_csv and as_json:
        raise CommandError("take --csv or --json: not both")
    if start is not None and end is not None:
        check_period(start, end)
    request = ListAccountEntriesRequest(
        customer_id=customer,
        currency=currency,
        recorded_from=timestamp(start),
        recorded_before=timestamp(end),
        page_size=_PAGE_SIZE_MAX,
    )
    with connected(target) as channel:
        found = list(pages(ReceivablesServiceStub(channel).ListAccountEntries, request))
    entries = [each for page in found for each in page.entries]
    if as_csv:
        click.echo("".join(map(csv_line, (_CSV_COLUMNS, *_rows(entries)))), nl=False)
    elif as_json:
        for each in entries:
            click.echo(message_line(each))
    else:
        _table(entries, found[0].opening_balance, found[0].closing_balance, currency).show()


def _kind(entry: AccountEntry) -> str:
    return AccountEntryKind.Name(entry.kind).removeprefix("ACCOUNT_ENTRY_KIND_").lower()


def _rows(entries: list[AccountEntry]) -> Iterator[tuple[str, ...]]:
    for each in entries:
        names = (each.document, each.invoice, each.payment_id)
        yield instant(each.recorded_at), _kind(each), *names, each.amount, each.balance, each.reason


def _table(entries: list[AccountEntry], opening: str, closing: str, currency: str) -> TextTable:
    table = TextTable("recorded", "what", "document", *map(NumberColumn, ("amount", "balance")), "")
    table.add("", "opening balance", "", "", grouped(opening), "")
    for each in entries:
        table.add(
            *(instant(each.recorded_at), _kind(each).replace("_", " "), each.document),
            *(grouped(each.amount), grouped(each.balance), each.reason),
        )
    table.add("", "closing balance", "", "", f"{grouped(closing)} {currency}", "")
    return table
