"""`meterline lines`: rated line items."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, groupby

import click
import grpc

from engine.cli.terminal.connection import (
    INSTANT_HELP,
    NO_CATALOG,
    TIMEOUT_S,
    as_of_option,
    at_option,
    connected,
    report_unrateable,
    revision_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.message_json import json_fields, json_line, snapshot_fields
from engine.cli.terminal.option_text import TextType
from engine.cli.terminal.show import day, footer, line_item_table, print_table
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse
from meterline.v1.billing_pb2_grpc import BillingServiceStub


@click.command(epilog=INSTANT_HELP)
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only this customer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@at_option
@as_of_option
@revision_option
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
        pages = list(_pages(channel, request))
    if as_json:
        for page in pages:
            snapshot = snapshot_fields(page.as_of, page.catalog_revision)
            for item in page.line_items:
                click.echo(json_line(snapshot | json_fields(item)))
    else:
        _show(pages)
    unrateable = {each.customer_id: each for page in pages for each in page.unrateable_customers}
    report_unrateable(unrateable.values())


def _pages(channel: grpc.Channel, request: ListLineItemsRequest) -> Iterator[ListLineItemsResponse]:
    stub = BillingServiceStub(channel)
    while True:
        response = stub.ListLineItems(request, timeout=TIMEOUT_S)
        yield response
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token


def _show(pages: list[ListLineItemsResponse]) -> None:
    items = chain.from_iterable(page.line_items for page in pages)
    shown = False
    for _, group in groupby(items, key=lambda item: item.subscription_id):
        theirs = list(group)
        first = theirs[0]
        period = f"{day(first.period_start)} to {day(first.period_end)}"
        print_table(line_item_table(theirs, f"{first.customer_id}, plan {first.plan_id}, {period}"))
        click.echo()
        shown = True
    if not shown and not any(page.unrateable_customers for page in pages):
        without = "no line items: no subscription covers this instant (name another with --at)"
        click.echo(without if pages[-1].catalog_revision else NO_CATALOG)
    click.echo(footer(pages[-1].as_of, pages[-1].catalog_revision))
