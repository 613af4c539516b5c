"""`meterline spend`: who has spent what."""

from datetime import datetime
from typing import Any

import click

from engine.api.message_json import json_fields, json_line
from engine.cli.billing.billed_periods import ALL_LINES, NO_PERIOD, lines_of_periods
from engine.cli.billing.line_tables import report_unrateable, spend_table
from engine.cli.billing.period_spend import summed
from engine.cli.terminal.connection import NO_CATALOG, TIMEOUT_S, connected
from engine.cli.terminal.options import (
    INSTANT_HELP,
    TextType,
    as_of_option,
    asked_periods,
    billing_period_options,
    revision_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import footer, instant, snapshot_fields
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest, ListSpendResponse
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
@billing_period_options
@as_of_option
@revision_option()
@target_option
def spend(
    customer: str | None,
    top: int,
    as_of: datetime | None,
    catalog_revision: int | None,
    target: str,
    *,
    as_json: bool,
    **when: Any,  # noqa: ANN401 - the arguments of asked_periods
) -> None:
    """Show the customers who spend most in their current billing period, or what one customer spends.

    With --from and --to it is the sum of all billing periods that start in that time.
    """
    periods = asked_periods(**when)
    at = timestamp(when["at"])
    snapshot: dict[str, Any] = {"as_of": timestamp(as_of), "catalog_revision": catalog_revision or 0}
    with connected(target) as channel:
        if periods is not None:
            request = ListLineItemsRequest(customer_id=customer or "", **ALL_LINES, **snapshot)
            lines = lines_of_periods(BillingServiceStub(channel).ListLineItems, request, *periods)
            response = summed(lines, top, of_all=customer is None)
        else:
            response = _of_one_instant(SpendServiceStub(channel), customer, top, {"at": at, **snapshot})
    if as_json:
        fields = snapshot_fields(response.as_of, response.catalog_revision)
        for each in (*response.spends, *response.totals):
            click.echo(json_line(fields | json_fields(each)))
    elif response.spends or response.unrateable_customers:
        spend_table(response.spends, response.totals).show()
    elif not response.catalog_revision:
        click.echo(NO_CATALOG)
    elif periods is not None:
        click.echo(f"no spend: {NO_PERIOD}")
    else:
        instant_of = "this instant" if at is None else instant(at)
        click.echo(f"no spend: no subscription covers {instant_of} (name another with --at)")
    if not as_json:
        click.echo(footer(response.as_of, response.catalog_revision))
    report_unrateable(response.unrateable_customers)


def _of_one_instant(
    stub: SpendServiceStub, customer: str | None, top: int, of: dict[str, Any]
) -> ListSpendResponse:
    """Of one customer there are no totals, and a sum that lacks a line says so itself."""
    if customer is None:
        all_customers: ListSpendResponse = stub.ListSpend(
            ListSpendRequest(limit=top, **of), timeout=TIMEOUT_S
        )
        return all_customers
    found = stub.GetSpend(GetSpendRequest(customer_id=customer, **of), timeout=TIMEOUT_S)
    return ListSpendResponse(spends=found.spends, as_of=found.as_of, catalog_revision=found.catalog_revision)
