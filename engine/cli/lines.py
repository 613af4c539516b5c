"""`meterline lines`: rated line items."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import click
import grpc
from google.protobuf.json_format import MessageToJson
from rich.console import Console

from engine.cli.connection import TIMEOUT_S, as_of_option, at_option, connected, target_option, timestamp
from engine.cli.show import line_item_table
from meterline.v1.billing_pb2 import LineItem, ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub


@click.command()
@click.option("--customer", default="", metavar="ID", help="Only this customer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@at_option
@as_of_option
@target_option
def lines(customer: str, as_json: bool, at: datetime | None, as_of: datetime | None, target: str) -> None:
    """Show the rated line items of the current billing period, tier by tier."""
    request = ListLineItemsRequest(customer_id=customer, at=timestamp(at), as_of=timestamp(as_of))
    with connected(target) as channel:
        if as_json:
            for item in _all(channel, request):
                click.echo(_json(item))
            return
        console = Console(highlight=False)
        for (customer_id, subscription_id), items in groupby(
            _all(channel, request), key=lambda item: (item.customer_id, item.subscription_id)
        ):
            console.print(line_item_table(items, title=f"{customer_id} ({subscription_id})"))
            console.print()


def _json(item: LineItem) -> str:
    return MessageToJson(
        item,
        indent=None,
        ensure_ascii=False,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _all(channel: grpc.Channel, request: ListLineItemsRequest) -> Iterator[LineItem]:
    stub = BillingServiceStub(channel)
    while True:
        response = stub.ListLineItems(request, timeout=TIMEOUT_S)
        yield from response.line_items
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token
