"""`meterline lines`: rated line items."""

from collections.abc import Iterator
from datetime import datetime
from decimal import MAX_PREC, Context, Decimal, localcontext
from itertools import groupby
from typing import Any

import click

from engine.api.message_json import JsonFields, json_fields
from engine.cli.billing.billed_periods import ALL_LINES, NO_PERIOD, lines_of_periods
from engine.cli.billing.line_files import write_lines
from engine.cli.billing.line_tables import line_item_table, report_unrateable
from engine.cli.terminal.connection import NO_CATALOG, connected, pages
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
from engine.cli.terminal.output import chosen_form, opened, output_options, write_json
from engine.cli.terminal.text import counted, day, footer, grouped, snapshot_fields
from meterline.v1.billing_pb2 import (
    ListLineItemsRequest,
    ListLineItemsResponse,
    UnrateableCustomer,
)
from meterline.v1.billing_pb2_grpc import BillingServiceStub

_FORMS = ("json", "csv", "ndjson", "parquet")
_NOT_COVERED = "no subscription covers this instant (name another with --at)"


@click.command(epilog=INSTANT_HELP)
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only this customer.")
@billing_period_options
@as_of_option
@revision_option()
@output_options(*_FORMS)
@target_option
def lines(
    customer: str | None,
    at: datetime | None,
    start: datetime | None,
    end: datetime | None,
    as_of: datetime | None,
    catalog_revision: int | None,
    target: str,
    **to: Any,  # noqa: ANN401 - the arguments of chosen_form
) -> None:
    """Show the rated line items of the current billing period, tier by tier, and what they come to.

    --from and --to show those of all billing periods that start in that time, also of some that are to come.

    The same --as-of and --catalog-revision give the same lines, byte for byte; both are on every line of
    JSON and below the tables. csv, ndjson and parquet are for all lines of many customers: they have the
    values of each line in columns, and json its tiers, stages and formula, too.
    """
    form, periods = chosen_form(_FORMS, **to), asked_periods(at, start, end)
    request = ListLineItemsRequest(
        customer_id=customer or "",
        at=timestamp(at),
        as_of=timestamp(as_of),
        catalog_revision=catalog_revision or 0,
    )
    unrateable: dict[str, UnrateableCustomer] = {}
    with connected(target) as channel:
        if form not in ("table", "json"):
            request.MergeFrom(ListLineItemsRequest(**ALL_LINES))
        call = BillingServiceStub(channel).ListLineItems
        found = lines_of_periods(call, request, *periods) if periods else pages(call, request)
        answer = _watched(found, unrateable)
        if form == "table":
            _show(list(answer), NO_PERIOD if periods else _NOT_COVERED)
        else:
            with opened(to["output"]) as file:
                if form == "json":
                    write_json(file, answer, _objects)
                else:
                    last = write_lines(form, file, answer)
                    click.echo(footer(last.as_of, last.catalog_revision), err=True)
    report_unrateable(unrateable.values())


def _watched(
    answer: Iterator[ListLineItemsResponse], unrateable: dict[str, UnrateableCustomer]
) -> Iterator[ListLineItemsResponse]:
    """The pages; the customers whose lines are missing are noted as they go by."""
    for page in answer:
        for each in page.unrateable_customers:
            unrateable.setdefault(each.customer_id, each)
        yield page


def _objects(page: ListLineItemsResponse) -> Iterator[JsonFields]:
    snapshot = snapshot_fields(page.as_of, page.catalog_revision)
    return (snapshot | json_fields(item) for item in page.line_items)


def _show(answer: list[ListLineItemsResponse], why_none: str) -> None:
    items = [item for page in answer for item in page.line_items]
    for _, group in groupby(
        items, key=lambda item: (item.subscription_id, item.period_start.ToMicroseconds())
    ):
        theirs = list(group)
        first = theirs[0]
        period = f"{day(first.period_start)} to {day(first.period_end)}"
        line_item_table(theirs).show(f"{first.customer_id}, plan {first.plan_id}, {period}")
        click.echo()
    if not items and not any(page.unrateable_customers for page in answer):
        without = f"no line items: {why_none}"
        click.echo(without if answer[-1].catalog_revision else NO_CATALOG)
    for currency in sorted({item.currency for item in items}):
        theirs = [item for item in items if item.currency == currency]
        amounts = [Decimal(item.amount) for item in theirs if not item.unrateable_reason]
        with localcontext(Context(prec=MAX_PREC)):
            total = grouped(format(sum(amounts, Decimal(0)), "f"))
        missing = len(theirs) - len(amounts)
        incomplete = f"; incomplete: {counted(missing, 'line item')} not rated" if missing else ""
        click.echo(f"total of {counted(len(amounts), 'line item')}: {total} {currency}{incomplete}")
    click.echo(footer(answer[-1].as_of, answer[-1].catalog_revision))
