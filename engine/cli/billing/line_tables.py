"""Line items and spend as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import click
from rich.text import Text

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, day, grouped, visible
from meterline.v1.billing_pb2 import EventFees, LineItem, Proration, TierAmount, UnrateableCustomer
from meterline.v1.spend_pb2 import Spend

# What is shown of SettledAmounts beside the sum of the lines, where any of these isn't zero.
_SETTLED = {
    "discounts": "discounts",
    "commitments": "commitments",
    "credits": "credits",
    "included_tax": "tax in prices",
    "tax": "tax",
}


def spend_table(spends: Iterable[Spend], totals: Iterable[Spend]) -> TextTable:
    """With what is due and how it comes to be, where that is something else than the lines' sum."""
    spends, totals = list(spends), list(totals)
    names = [
        name
        for name in _SETTLED
        if any(Decimal(getattr(each.settled, name) or 0) for each in (*spends, *totals))
    ]
    due = ["due"] if names else []
    settled = [NumberColumn(_SETTLED[name]) for name in names] + [NumberColumn(name) for name in due]
    table = TextTable("customer", NumberColumn("lines"), NumberColumn("spend"), *settled)
    for spend in spends:
        table.add(spend.customer_id, *_spend_cells(spend, [*names, *due]))
    for total in totals:
        table.add("all customers", *_spend_cells(total, [*names, *due]), style="bold")
    return table


def _spend_cells(spend: Spend, names: Iterable[str]) -> list[str]:
    incomplete = " (incomplete)" if spend.incomplete else ""
    settled = [grouped(getattr(spend.settled, name)) for name in names]
    return [f"{spend.line_item_count:,}", f"{grouped(spend.amount)} {spend.currency}{incomplete}", *settled]


def line_item_table(items: Iterable[LineItem]) -> TextTable:
    """One row a line, and below it its working: what changes the quantity, tiers, stages, and what is worth a note.

    items: of one billing period. Lines of other plans than the first one's (after an upgrade, of add-ons) name theirs.
    """
    table, plan = line_table(), ""
    for item in items:
        plan = plan or item.plan_id
        remarks = [counted(item.event_count, "event")] if item.meter_id else []
        remarks += [f"plan {item.plan_id}"] if item.plan_id != plan else []
        remarks += _part(item)
        add_line(table, item, remarks, grouped(item.quantity) if item.meter_id else "")
    return table


def _part(item: LineItem) -> list[str]:
    """Which part of its billing period a line is for, unless it is all of it."""
    start, end = item.service_start, item.service_end
    if (start, end) == (item.period_start, item.period_end):
        return []
    return [f"{day(start)} to {day(end)}"]


def line_table() -> TextTable:
    """Without rows."""
    return TextTable("price", "working", *map(NumberColumn, ("quantity", "exact", "amount")))


def add_line(table: TextTable, item: LineItem, remarks: Sequence[str], quantity: str) -> None:
    """A line and its working."""
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
    for cells in _working(item):
        table.add("", *cells, "", style="dim")


def price_name(price_id: str, dimensions: Mapping[str, str]) -> str:
    """A price, and which of its groups."""
    shown = ", ".join(f"{name}={value}" for name, value in sorted(dimensions.items()))
    return f"{price_id} [{shown}]" if shown else price_id


def _working(item: LineItem) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, quantity, exact amount) that explain a line."""
    if item.unrateable_reason:
        yield f"  {item.unrateable_reason}", "", ""
    if item.proration.carried_quantity:
        yield "  after what earlier parts of the period had", grouped(item.proration.carried_quantity), ""
    changes = _changes(item)
    if changes and item.billable_quantity not in ("", item.quantity):
        yield f"  after {changes}", grouped(item.billable_quantity), ""
    yield from _fees_working(item.event_fees) if item.HasField("event_fees") else _tiers_working(item)
    for before, stage in pairwise(item.stages):
        term = stage.term if stage.stage != "proration" else f"{_share(item.proration)} of {before.amount}"
        yield f"  {stage.stage} {term}", "", stage.amount
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


def _share(part: Proration) -> Fraction:
    """How much of its billing period a part is."""
    return Fraction(part.end - part.start, part.total)


def _tiers_working(item: LineItem) -> Iterator[tuple[str, str, str]]:
    for tier in item.tiers if item.model != "flat" else ():
        quantity = grouped(tier.quantity) if item.model != "capacity" else ""
        yield f"  {_tier_working(item, tier)}", quantity, tier.amount


def _fees_working(fees: EventFees) -> Iterator[tuple[str, str, str]]:
    if fees.free_event_count:
        yield f"  free: {counted(fees.free_event_count, 'event')}", "", ""
    paying = counted(fees.charged_event_count, "event")
    yield f"  {fees.percent} % of {paying}", grouped(fees.charged_amount), fees.percent_amount
    if fees.fixed_amount_per_event:
        what = f"  {fees.fixed_amount_per_event} for each"
        yield what, f"{fees.charged_event_count:,}", fees.fixed_amount
    if fees.above_maximum not in ("", "0"):
        yield f"  at most {fees.maximum_per_event} for each", "", f"-{fees.above_maximum}"
    if fees.below_minimum not in ("", "0"):
        yield f"  at least {fees.minimum_per_event} for each", "", fees.below_minimum


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
    if not tier.up_to and tier.from_quantity:
        reach = f"above {grouped(tier.from_quantity)}"
    elif not tier.up_to and tier.index and item.model != "matrix":
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


def report_unrateable(
    unrateable: Iterable[UnrateableCustomer], outcome: str = "", customer_count: int = 0
) -> None:
    """Names the customers with lines that have no amount, on standard error; then the command fails. `outcome`: what that means
    for them, if not for totals. `customer_count`: how many there are, where not all are named.

    Raises:
        CommandError: there is one.
    """
    customers = list(unrateable)
    for customer in customers:
        click.echo(f"{visible(customer.customer_id)}: {visible(customer.message)}", err=True)
    if customers:
        count = max(customer_count, len(customers))
        who = "one customer has" if count == 1 else f"{count:,} customers have"
        so = outcome or "totals are incomplete"
        raise CommandError(f"{who} usage that a price can't rate, so {so}: see above")
