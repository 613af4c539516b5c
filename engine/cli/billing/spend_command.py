"""`meterline spend`: who has spent what."""

from datetime import datetime
from typing import Any

import click

from engine.cli.billing.line_tables import report_unrateable, spend_table
from engine.cli.terminal.connection import NO_CATALOG, TIMEOUT_S, connected
from engine.cli.terminal.message_json import json_fields, json_line, snapshot_fields
from engine.cli.terminal.options import (
    INSTANT_HELP,
    TextType,
    as_of_option,
    at_option,
    revision_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import footer, instant
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub


@click.command(epilog=INSTANT_HELP)
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only this customer.")
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many customers in each currency.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line; after the customers each currency's total, whose customer_id is empty.",
)
@at_option
@as_of_option
@revision_option()
@target_option
def spend(
    customer: str | None,
    top: int,
    as_json: bool,
    at: datetime | None,
    as_of: datetime | None,
    catalog_revision: int | None,
    target: str,
) -> None:
    """Show the customers who spend most in their current billing period, or what one customer spends."""
    of: dict[str, Any] = {
        "at": timestamp(at),
        "as_of": timestamp(as_of),
        "catalog_revision": catalog_revision or 0,
    }
    with connected(target) as channel:
        stub = SpendServiceStub(channel)
        if customer is None:
            response = stub.ListSpend(ListSpendRequest(limit=top, **of), timeout=TIMEOUT_S)
            totals, unrateable = response.totals, response.unrateable_customers
        else:
            response = stub.GetSpend(GetSpendRequest(customer_id=customer, **of), timeout=TIMEOUT_S)
            totals, unrateable = (), ()
    if as_json:
        snapshot = snapshot_fields(response.as_of, response.catalog_revision)
        for each in (*response.spends, *totals):
            click.echo(json_line(snapshot | json_fields(each)))
    elif response.spends or unrateable:
        spend_table(response.spends, totals).show()
    elif not response.catalog_revision:
        click.echo(NO_CATALOG)
    else:
        when = "this instant" if at is None else instant(of["at"])
        click.echo(f"no spend: no subscription covers {when} (name another with --at)")
    if not as_json:
        click.echo(footer(response.as_of, response.catalog_revision))
    report_unrateable(unrateable)
