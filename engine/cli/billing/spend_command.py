"""`meterline spend`: who has spent what."""

from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import Channel

from engine.api.message_json import json_fields, json_line
from engine.cli.billing.billed_periods import ALL_LINES, NO_PERIOD, lines_of_periods
from engine.cli.billing.line_tables import report_unrateable, spend_table
from engine.cli.billing.period_spend import GROUPED_BY, summed
from engine.cli.billing.reported_spend import show_reported
from engine.cli.billing.spend_groups import BEFORE_TERMS, find_groups, show_groups
from engine.cli.billing.spend_splits import show_splits
from engine.cli.billing.watched_spend import watch_spend
from engine.cli.terminal.connection import NO_CATALOG, TIMEOUT_S, CommandError, connected
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
    "--children", is_flag=True, help="Of --customer and all customers below it, each, with their total."
)
@click.option(
    "--currency",
    type=TextType("a currency"),
    metavar="CODE",
    help="The totals in this currency besides, by the catalog's exchange rates.",
)
@click.option(
    "--splits", is_flag=True, help="What each recipient of a revenue split has of it, and the platform."
)
@click.option(
    "--by",
    type=click.Choice(list(GROUPED_BY)),
    help="What is spent on each product (the label of prices), plan, price or meter, in place of each customer.",
)
@click.option("--watch", is_flag=True, help="Go on, with a line after each change of --customer's spend.")
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
    currency: str | None,
    target: str,
    *,
    children: bool,
    splits: bool,
    as_json: bool,
    **when: Any,  # noqa: ANN401 - the arguments of asked_periods, as_of, catalog_revision, by and watch
) -> None:
    """Show the customers who spend most in their current billing period, or what one customer spends.

    With --children it is what a customer and all below it spend. With --from and --to it is the sum of the lines of all billing periods that start in that time, before discounts, commitments, credit and taxes. What is due is shown of one billing period: the current one, or that of --at.
    """
    watch, by = when.pop("watch"), when.pop("by")
    snapshot: dict[str, Any] = {
        "as_of": timestamp(when.pop("as_of")),
        "catalog_revision": when.pop("catalog_revision") or 0,
    }
    periods = asked_periods(**when)
    if watch:
        if (
            customer is None
            or children
            or splits
            or currency
            or by
            or periods is not None
            or any(snapshot.values())
        ):
            raise CommandError("--watch needs --customer ID, and goes with --at, --json and --target alone")
        watch_spend(target, customer, timestamp(when["at"]), as_json=as_json)
        return
    if children and (customer is None or periods is not None):
        raise CommandError("--children needs --customer ID, and goes without --from and --to")
    if splits and periods is not None:
        raise CommandError("--splits goes without --from and --to: it is of current billing periods")
    if by is not None and (splits or currency):
        raise CommandError("--by goes without --splits and --currency")
    of_all = periods is None and not splits and (customer is None or children)
    if currency is not None and not of_all:
        raise CommandError(
            "--currency converts totals of several customers: it goes without --from and --to, without --splits, and with "
            "--customer only beside --children"
        )
    at = timestamp(when["at"])
    with connected(target) as channel:
        if by is not None:
            found = find_groups(channel, customer, by, {"at": at, **snapshot}, periods, children=children)
            show_groups(found, by, _no_spend(at) if periods is None else NO_PERIOD, as_json=as_json)
            return
        if splits:
            stub, of = SpendServiceStub(channel), {"at": at, **snapshot}
            show_splits(stub, customer, of, children=children, as_json=as_json)
            return
        if periods is None:
            response = _of_instant(
                channel, customer, top, currency, {"at": at, **snapshot}, children=children
            )
            nothing = _no_spend(at)
        else:
            of_lines = ListLineItemsRequest(customer_id=customer or "", **ALL_LINES, **snapshot)
            lines = lines_of_periods(BillingServiceStub(channel).ListLineItems, of_lines, *periods)
            response, nothing = summed(lines, top, of_all=customer is None), NO_PERIOD
    _show(response, nothing, as_json=as_json, is_before_terms=periods is not None)


def _no_spend(at: Timestamp | None) -> str:
    return f"no subscription covers {'this instant' if at is None else instant(at)} (name another with --at)"


def _show(response: ListSpendResponse, nothing: str, *, as_json: bool, is_before_terms: bool) -> None:
    """`nothing`: why there is no spend, if there is none. `is_before_terms`: nothing is known of what is due."""
    if as_json:
        fields = snapshot_fields(response.as_of, response.catalog_revision)
        for each in (*response.spends, *response.totals):
            click.echo(json_line(fields | json_fields(each)))
        if response.HasField("reported"):
            click.echo(json_line(fields | {"reported": json_fields(response.reported)}))
    elif response.spends or response.unrateable_customers:
        spend_table(response.spends, response.totals).show()
        if is_before_terms:
            click.echo(f"{BEFORE_TERMS}; --at shows what is due of one billing period")
        if response.HasField("reported"):
            show_reported(response.reported)
    else:
        click.echo(f"no spend: {nothing}" if response.catalog_revision else NO_CATALOG)
    if not as_json:
        click.echo(footer(response.as_of, response.catalog_revision))
    report_unrateable(response.unrateable_customers)


def _of_instant(
    channel: Channel,
    customer: str | None,
    top: int,
    currency: str | None,
    of: dict[str, Any],
    *,
    children: bool,
) -> ListSpendResponse:
    stub = SpendServiceStub(channel)
    if customer is not None and not children:
        return _of_one_customer(stub, customer, of)
    request = ListSpendRequest(limit=top, customer_id=customer or "", reporting_currency=currency or "", **of)
    response: ListSpendResponse = stub.ListSpend(request, timeout=TIMEOUT_S)
    return response


def _of_one_customer(stub: SpendServiceStub, customer: str, of: dict[str, Any]) -> ListSpendResponse:
    """There are no totals, and a sum that lacks a line says so itself."""
    found = stub.GetSpend(GetSpendRequest(customer_id=customer, **of), timeout=TIMEOUT_S)
    return ListSpendResponse(spends=found.spends, as_of=found.as_of, catalog_revision=found.catalog_revision)
