"""`meterline spend --splits`: what recipients of revenue splits have, of one customer's invoices or of all customers'."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
from google.protobuf.message import Message

from engine.api.message_json import json_fields, json_line
from engine.cli.billing.line_tables import report_unrateable
from engine.cli.terminal.connection import TIMEOUT_S
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import day, footer, grouped, snapshot_fields
from meterline.v1.spend_pb2 import AppliedShare, GetSpendRequest, ListSpendRequest, RecipientTotal
from meterline.v1.spend_pb2_grpc import SpendServiceStub

_NOTHING = "nothing is split: no revenue split holds for a price of these customers (or the API key is one customer's)"


def show_splits(
    stub: SpendServiceStub, customer: str | None, of: dict[str, Any], *, children: bool, as_json: bool
) -> None:
    """Each share of one customer; sums by recipient of all, or of one and all below it."""
    if customer is None or children:
        listed = stub.ListSpend(
            ListSpendRequest(limit=1, customer_id=customer or "", **of), timeout=TIMEOUT_S
        )
        _show(listed, listed.recipients, _totals(listed.recipients), as_json=as_json)
        if more := listed.recipient_count - len(listed.recipients):
            click.echo(f"{more:,} more recipients have less", err=True)
        report_unrateable(listed.unrateable_customers)
    else:
        found = stub.GetSpend(GetSpendRequest(customer_id=customer, **of), timeout=TIMEOUT_S)
        _show(found, found.shares, _shares(found.shares), as_json=as_json)


def _show(answer: Any, rows: Sequence[Message], table: TextTable, *, as_json: bool) -> None:  # noqa: ANN401 - either answer
    if as_json:
        fields = snapshot_fields(answer.as_of, answer.catalog_revision)
        for each in rows:
            click.echo(json_line(fields | json_fields(each)))
        return
    if rows:
        table.show()
    else:
        click.echo(_NOTHING)
    click.echo(footer(answer.as_of, answer.catalog_revision))


def _totals(totals: Iterable[RecipientTotal]) -> TextTable:
    table = TextTable("recipient", NumberColumn("share"))
    for each in totals:
        table.add(_name(each.recipient_id), f"{grouped(each.amount)} {each.currency}")
    return table


def _shares(shares: Iterable[AppliedShare]) -> TextTable:
    table = TextTable("revenue split", "period", "recipient", NumberColumn("of"), NumberColumn("share"))
    for each in shares:
        period = f"{day(each.period_start)} to {day(each.period_end)}"
        amounts = (f"{grouped(amount)} {each.currency}" for amount in (each.split_amount, each.amount))
        table.add(each.revenue_split_id, period, _name(each.recipient_id), *amounts)
    return table


def _name(recipient_id: str) -> str:
    return recipient_id or "(the platform)"
