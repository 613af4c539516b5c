"""`meterline items`: amounts that customers are charged once, or given back once; listed, shown, deleted."""

import secrets
from collections.abc import Sequence
from datetime import datetime

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import TIMEOUT_S, connected, some_of
from engine.cli.terminal.options import (
    InstantType,
    TextType,
    json_option,
    limit_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import day, grouped, visible
from meterline.v1.invoice_items_pb2 import (
    CreateInvoiceItemRequest,
    DeleteInvoiceItemRequest,
    GetInvoiceItemRequest,
    InvoiceItem,
    ListInvoiceItemsRequest,
)
from meterline.v1.invoice_items_pb2_grpc import InvoiceItemServiceStub

_item = click.argument("item_id", type=TextType("an item"), metavar="ID")


@click.group()
def items() -> None:
    """Charge a customer once, or give something back once: a line of its own on the invoice of its period."""


@items.command()
@click.option("--customer", type=TextType("a customer"), required=True, metavar="ID", help="Who is charged.")
@click.option(
    "--amount",
    type=TextType("an amount"),
    required=True,
    metavar="DECIMAL",
    help="What is charged; below 0 it is given back.",
)
@click.option("--currency", type=TextType("a currency"), required=True, metavar="CODE", help="ISO 4217.")
@click.option(
    "--description",
    type=TextType("a description"),
    required=True,
    metavar="TEXT",
    help="What the invoice says.",
)
@click.option("--product", type=TextType("a product"), metavar="ID", help="A label, as that of a price.")
@click.option("--untaxed", is_flag=True, help="No tax is on it, whatever the customer's other lines have.")
@click.option(
    "--date",
    "service_start",
    type=InstantType(),
    metavar="INSTANT",
    help="When what it is for was rendered, or began to be. Default: now.",
)
@click.option(
    "--until", "service_end", type=InstantType(), metavar="INSTANT", help="Until when. Default: a day."
)
@click.option("--id", "item_id", type=TextType("an id"), metavar="ID", help="Default: one is made up.")
@click.option(
    "--idempotency-key",
    type=TextType("a key"),
    metavar="TEXT",
    help="The same again with the same key is the same item. Default: a random one.",
)
@json_option
@target_option
def create(  # noqa: PLR0913 - the options of the command
    customer: str,
    amount: str,
    currency: str,
    description: str,
    product: str | None,
    *,
    untaxed: bool,
    service_start: datetime | None,
    service_end: datetime | None,
    item_id: str | None,
    idempotency_key: str | None,
    as_json: bool,
    target: str,
) -> None:
    """Give a customer an item: it is on the next invoice in its currency whose billing period has its date, or a later one."""
    request = CreateInvoiceItemRequest(
        invoice_item_id=item_id or "",
        customer_id=customer,
        description=description,
        currency=currency,
        amount=amount,
        product=product or "",
        untaxed=untaxed,
        service_start=timestamp(service_start),
        service_end=timestamp(service_end),
        idempotency_key=idempotency_key or secrets.token_hex(16),
    )
    with connected(target) as channel:
        made = InvoiceItemServiceStub(channel).CreateInvoiceItem(request, timeout=TIMEOUT_S).invoice_item
    if as_json:
        click.echo(message_line(made))
    else:
        whose = f"{grouped(made.amount)} {made.currency} of {visible(made.customer_id)}"
        click.echo(f"{made.invoice_item_id}: {whose}, on the invoice of {_period(made)}")


@items.command()
@_item
@target_option
def delete(item_id: str, *, target: str) -> None:
    """Take an item back that is on no invoice."""
    request = DeleteInvoiceItemRequest(invoice_item_id=item_id, idempotency_key=secrets.token_hex(16))
    with connected(target) as channel:
        InvoiceItemServiceStub(channel).DeleteInvoiceItem(request, timeout=TIMEOUT_S)
    click.echo(f"{visible(item_id)} is deleted: it will be on no invoice")


@items.command()
@_item
@json_option
@target_option
def show(item_id: str, *, as_json: bool, target: str) -> None:
    """Show an item, and which invoice has it."""
    with connected(target) as channel:
        request = GetInvoiceItemRequest(invoice_item_id=item_id)
        found = InvoiceItemServiceStub(channel).GetInvoiceItem(request, timeout=TIMEOUT_S).invoice_item
    show_found([found], _table, "no item", as_json=as_json)


@items.command("list")
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only of this customer.")
@limit_option("items")
@json_option
@target_option
def list_(customer: str | None, limit: int, *, as_json: bool, target: str) -> None:
    """List items, the newest first, each with the invoice that has it."""
    request = ListInvoiceItemsRequest(customer_id=customer or "")
    with connected(target) as channel:
        found = some_of(InvoiceItemServiceStub(channel).ListInvoiceItems, request, "invoice_items", limit)
    show_found(found, _table, "no item", as_json=as_json)


def _period(item: InvoiceItem) -> str:
    return f"{day(item.period_start)} to {day(item.period_end)}"


def _table(found: Sequence[InvoiceItem]) -> TextTable:
    table = TextTable("item", "customer", NumberColumn("amount"), "period", "invoice", "description")
    for each in found:
        amount = f"{grouped(each.amount)} {each.currency}"
        table.add(
            each.invoice_item_id,
            each.customer_id,
            amount,
            _period(each),
            each.invoice or "-",
            each.description,
        )
    return table
