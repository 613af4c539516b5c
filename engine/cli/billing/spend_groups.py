"""`meterline spend --by`: what all customers, or some, spend on each product, plan, price or meter.

Of all customers, or of one and all below it, at one instant the engine adds up; of one customer, or of several periods, the lines
are added up here as they are listed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
from grpc import Channel

from engine.api.message_json import json_fields, json_line
from engine.cli.billing.billed_periods import ALL_LINES, lines_of_periods
from engine.cli.billing.line_tables import report_unrateable
from engine.cli.billing.period_spend import GROUPED_BY
from engine.cli.billing.period_spend import grouped as grouped_lines
from engine.cli.terminal.connection import NO_CATALOG, TIMEOUT_S, pages
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import footer, grouped, snapshot_fields
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest, ListSpendResponse, SpendGroup
from meterline.v1.spend_pb2_grpc import SpendServiceStub

BEFORE_TERMS = "lines before discounts, commitments, credit and taxes"


def find_groups(
    channel: Channel,
    customer: str | None,
    by: str,
    of: dict[str, Any],
    periods: tuple[datetime, datetime] | None,
    *,
    children: bool,
) -> ListSpendResponse:
    """`of`: the instant (at), and the snapshot. `periods`: all billing periods that start in this time."""
    if periods is None and (customer is None or children):
        grouping = f"SPEND_GROUPING_{by.upper()}"
        request = ListSpendRequest(limit=1, customer_id=customer or "", group_by=grouping, **of)
        response: ListSpendResponse = SpendServiceStub(channel).ListSpend(request, timeout=TIMEOUT_S)
        return response
    call = BillingServiceStub(channel).ListLineItems
    if periods is None:
        return grouped_lines(pages(call, ListLineItemsRequest(customer_id=customer, **ALL_LINES, **of)), by)
    del of["at"]
    request_lines = ListLineItemsRequest(customer_id=customer or "", **ALL_LINES, **of)
    return grouped_lines(lines_of_periods(call, request_lines, *periods), by)


def show_groups(found: ListSpendResponse, by: str, nothing: str, *, as_json: bool) -> None:
    """A row for each. `nothing`: why there is none."""
    if as_json:
        fields = snapshot_fields(found.as_of, found.catalog_revision)
        for each in found.groups:
            click.echo(json_line(fields | json_fields(each)))
    elif found.groups:
        _table(found.groups, by).show()
        click.echo(BEFORE_TERMS)
    else:
        click.echo(f"no spend: {nothing}" if found.catalog_revision else NO_CATALOG)
    if not as_json:
        click.echo(footer(found.as_of, found.catalog_revision))
    if more := found.group_count - len(found.groups):
        click.echo(f"{more:,} more have less", err=True)
    report_unrateable(found.unrateable_customers)


def _table(groups: Iterable[SpendGroup], by: str) -> TextTable:
    table = TextTable(by, NumberColumn("lines"), NumberColumn("spend"))
    for each in groups:
        incomplete = " (incomplete)" if each.incomplete else ""
        table.add(
            _name(each, by),
            f"{each.line_item_count:,}",
            f"{grouped(each.amount)} {each.currency}{incomplete}",
        )
    return table


def _name(group: SpendGroup, by: str) -> str:
    return "/".join(getattr(group, name) for name in GROUPED_BY[by]) or f"(no {by})"
