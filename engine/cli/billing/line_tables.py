"""Line items and spend as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import click
from rich.text import Text

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
    """One row a line, and below it its working: what changes the quantity, tiers, stages, and what is worth a note."""
    table = line_table()
    for item in items:
        events = [counted(item.event_count, "event")] if item.meter_id else []
        add_line(table, item, events, grouped(item.quantity) if item.meter_id else "")
    return table


def line_table() -> TextTable:
    """Without rows."""
    return TextTable("price", "working", *map(NumberColumn, ("quantity", "exact", "amount")))


def add_line(
    table: TextTable, item: LineItem, remarks: Sequence[str], quantity: str, *, by_event: bool = False
) -> None:
    """A line and its working. `by_event`: its tiers are the fees of single events."""
    words = [item.model, *remarks]
    if item.rounding.mode != "half_up":
        words.append(f"rounded {item.rounding.mode}")
    if item.negative_quantity:
        words.append("what is negative bills as zero")
    table.add(
        price_name(item.price_id, item.dimensions),
        Text(", ".join(words), style="dim"),
        quantity,
        item.exact_amount,
        "not rated" if item.unrateable_reason else f"{grouped(item.amount)} {item.currency}",
    )
    for cells in _working(item, by_event=by_event):
        table.add("", *cells, "", style="dim")


def price_name(price_id: str, dimensions: Mapping[str, str]) -> str:
    """A price, and which of its groups."""
    shown = ", ".join(f"{name}={value}" for name, value in sorted(dimensions.items()))
    return f"{price_id} [{shown}]" if shown else price_id


def _working(item: LineItem, *, by_event: bool) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, quantity, exact amount) that explain a line."""
    if item.unrateable_reason:
        yield f"  {item.unrateable_reason}", "", ""
    changes = _changes(item)
    if changes and item.billable_quantity not in ("", item.quantity):
        yield f"  after {changes}", grouped(item.billable_quantity), ""
    for tier in item.tiers if item.model != "flat" else ():
        counts = item.model != "capacity" and not by_event
        what = "fees of the events" if by_event else _tier_working(item, tier)
        yield f"  {what}", grouped(tier.quantity) if counts else "", tier.amount
    for stage in item.stages[1:]:
        yield f"  {stage.stage} {stage.term}", "", stage.amount
    exact, rounded = item.rounding.charge_exact_amount, item.rounding.charge_amount
    # Of amounts that needed no rounding there is nothing to share.
    if item.rounding.group_count and Decimal(exact) != Decimal(rounded):
        together = f"{grouped(exact)} → {grouped(rounded)}"
        yield f"  a share of {item.rounding.group_count:,} groups rounded together: {together}", "", ""
    if count := item.unreadable_event_count:
        what = "event with an unreadable value is" if count == 1 else "events with an unreadable value are"
        yield f"  {count:,} {what} left out", "", ""
    if count := item.missing_value_event_count:
        yield (
            f"  {count:,} {'event doesn' if count == 1 else 'events don'}'t have the metered property",
            "",
            "",
        )


def _changes(item: LineItem) -> str:
    parts = []
    if item.HasField("conversion"):
        by = item.conversion
        parts.append(f"conversion × {by.factor}" if by.factor else f"conversion ÷ {by.divisor}")
    if item.allowance:
        parts.append(f"allowance of {grouped(item.allowance)}")
    if item.free_amount:
        parts.append(f"free amount of {grouped(item.free_amount)}")
    return " and ".join(parts)


def _tier_working(item: LineItem, tier: TierAmount) -> str:
    if item.model == "capacity":
        return f"tier {tier.index + 1}: {tier.flat_amount}"
    reach = f"to {grouped(tier.up_to)}" if tier.up_to else ""
    if not tier.up_to and tier.index and item.model != "matrix":
        reach = "above"
    parts = [reach, _counted(item)]
    if item.model != "stairstep":
        parts.append(f"× {tier.unit_amount}")
    if tier.flat_amount not in ("", "0") or item.model == "stairstep":
        parts.append(f"+ {tier.flat_amount}")
    return " ".join(part for part in parts if part)


def _counted(item: LineItem) -> str:
    """What the quantity of a tier counts, if not units."""
    if item.package_size:
        return f"packages of {grouped(item.package_size)}"
    return f"blocks of {grouped(item.block_size)}" if item.block_size else ""


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
