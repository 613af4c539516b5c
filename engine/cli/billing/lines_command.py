"""`meterline lines`: rated line items."""

from datetime import datetime
from itertools import chain, groupby

import click

from engine.cli.billing.line_tables import line_item_table, report_unrateable
from engine.cli.terminal.connection import NO_CATALOG, connected, pages
from engine.cli.terminal.message_json import json_fields, json_line, snapshot_fields
from engine.cli.terminal.options import (
    INSTANT_HELP,
    TextType,
    as_of_option,
    at_option,
    json_option,
    revision_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import day, footer
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse
from meterline.v1.billing_pb2_grpc import BillingServiceStub


@click.command(epilog=INSTANT_HELP)
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only this customer.")
@json_option
@at_option
@as_of_option
@revision_option()
@target_option
def lines(
    customer: str | None,
    as_json: bool,
    at: datetime | None,
    as_of: datetime | None,
    catalog_revision: int | None,
    target: str,
) -> None:
    """Show the rated line items of the current billing period, tier by tier.

    The same --as-of and --catalog-revision give the same lines, byte for byte; both are on every line of
    JSON and below the tables.
    """
    request = ListLineItemsRequest(
        customer_id=customer or "",
        at=timestamp(at),
        as_of=timestamp(as_of),
        catalog_revision=catalog_revision or 0,
    )
    with connected(target) as channel:
        answer = list(pages(BillingServiceStub(channel).ListLineItems, request))
    if as_json:
        for page in answer:
            snapshot = snapshot_fields(page.as_of, page.catalog_revision)
            for item in page.line_items:
                click.echo(json_line(snapshot | json_fields(item)))
    else:
        _show(answer)
    unrateable = {each.customer_id: each for page in answer for each in page.unrateable_customers}
    report_unrateable(unrateable.values())


def _show(answer: list[ListLineItemsResponse]) -> None:
    items = chain.from_iterable(page.line_items for page in answer)
    shown = False
    for _, group in groupby(items, key=lambda item: item.subscription_id):
        theirs = list(group)
        first = theirs[0]
        period = f"{day(first.period_start)} to {day(first.period_end)}"
        line_item_table(theirs).show(f"{first.customer_id}, plan {first.plan_id}, {period}")
        click.echo()
        shown = True
    if not shown and not any(page.unrateable_customers for page in answer):
        without = "no line items: no subscription covers this instant (name another with --at)"
        click.echo(without if answer[-1].catalog_revision else NO_CATALOG)
    click.echo(footer(answer[-1].as_of, answer[-1].catalog_revision))
