"""Line items and spend as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable, Iterator, Mapping

import click

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, grouped, visible
from meterline.v1.billing_pb2 import LineItem, TierAmount, UnrateableCustomer
from meterline.v1.spend_pb2 import Spend


def spend_table(spends: Iterable[Spend], totals: Iterable[Spend]) -> TextTable:
    table = TextTable("customer", NumberColumn("lines"), NumberColumn("spend"))
    for spend in spends:
        table.add(spend.customer_id, *_spend_cells(spend))
    for total in totals:
        table.add("all customers", *_spend_cells(total), style="bold")
    return table


def _spend_cells(spend: Spend) -> tuple[str, str]:
    incomplete = " (incomplete)" if spend.incomplete else ""
    return f"{spend.line_item_count:,}", f"{grouped(spend.amount)} {spend.currency}{incomplete}"


def line_item_table(items: Iterable[LineItem]) -> TextTable:
    """One row a line, and below it its working: tiers, stages, and what is worth a note."""
    table = TextTable("price", NumberColumn("quantity"), NumberColumn("exact"), NumberColumn("amount"))
    for item in items:
        rate = _rate(item.tiers[0]) if len(item.tiers) == 1 and item.meter_id else ""
        events = f", {counted(item.event_count, 'event')}" if item.meter_id else ""
        table.add(
            f"{price_name(item.price_id, item.dimensions)}: {item.model}{rate}{events}",
            grouped(item.quantity) if item.meter_id else "",
            item.exact_amount,
            "not rated" if item.unrateable_reason else f"{grouped(item.amount)} {item.currency}",
        )
        for label, quantity, amount in _working(item):
            table.add(f"    {label}", quantity, amount, "", style="dim")
    return table


def price_name(price_id: str, dimensions: Mapping[str, str]) -> str:
    """A price, and which of its groups."""
    shown = ", ".join(f"{name}={value}" for name, value in sorted(dimensions.items()))
    return f"{price_id} [{shown}]" if shown else price_id


def _working(item: LineItem) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, quantity, exact amount) that explain a line."""
    if item.unrateable_reason:
        yield item.unrateable_reason, "", ""
    if len(item.tiers) > 1:
        for tier in item.tiers:
            reach = f"to {grouped(tier.up_to)}" if tier.up_to else "above"
            yield f"{reach}{_rate(tier)}", grouped(tier.quantity), tier.amount
    if len(item.stages) > 1:
        for stage in item.stages:
            yield f"after {stage.stage}", "", stage.amount
    if item.negative_quantity:
        yield "negative: bills as zero", "", ""
    if count := item.unreadable_event_count:
        what = "event with an unreadable value is" if count == 1 else "events with an unreadable value are"
        yield f"{count:,} {what} left out", "", ""
    if count := item.missing_value_event_count:
        yield f"{count:,} {'event doesn' if count == 1 else 'events don'}'t have the metered property", "", ""


def _rate(tier: TierAmount) -> str:
    flat = f" + {tier.flat_amount}" if tier.flat_amount not in ("", "0") else ""
    unit = f" × {tier.unit_amount}" if tier.unit_amount else ""
    return f"{unit}{flat}"


def report_unrateable(unrateable: Iterable[UnrateableCustomer]) -> None:
    """Names the customers with lines that have no amount, on standard error; then the command fails.

    Raises:
        CommandError: there is one.
    """
    customers = list(unrateable)
    for customer in customers:
        click.echo(f"{visible(customer.customer_id)}: {visible(customer.message)}", err=True)
    if customers:
        who = "one customer has" if len(customers) == 1 else f"{len(customers):,} customers have"
        raise CommandError(f"{who} usage that a price can't rate, so totals are incomplete: see above")
