"""Line items and spend as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table
from rich.text import Text

from meterline.v1.billing_pb2 import LineItem
from meterline.v1.spend_pb2 import Spend


def spend_table(spends: Iterable[Spend], totals: Iterable[Spend]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("customer")
    for name in ("lines", "spend"):
        table.add_column(name, justify="right")
    for spend in spends:
        table.add_row(*_spend_row(spend.customer_id, spend))
    for total in totals:
        table.add_row(*_spend_row("all customers", total), style="bold")
    return table


def _spend_row(name: str, spend: Spend) -> tuple[str | Text, ...]:
    return (
        Text(name),
        f"{spend.line_item_count:,}",
        f"{grouped(spend.amount)} {spend.currency}",
    )


def line_item_table(items: Iterable[LineItem], title: str | None = None) -> Table:
    """One row a line, and below it one a tier."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("price", no_wrap=True)
    table.add_column("working")
    for name in ("quantity", "exact", "amount"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        table.add_row(
            Text(_price_name(item)),
            Text(f"{item.model}, {item.event_count:,} events" if item.meter_id else item.model, style="dim"),
            grouped(item.quantity) if item.meter_id else "",
            item.exact_amount,
            f"{grouped(item.amount)} {item.currency}",
        )
        for tier in item.tiers if len(item.tiers) > 1 else ():
            table.add_row(
                "", Text(_tier_working(tier.up_to, tier.unit_amount, tier.flat_amount)),
                grouped(tier.quantity), tier.amount, "", style="dim",
            )  # fmt: skip
    return table


def _price_name(item: LineItem) -> str:
    dimensions = ", ".join(f"{name}={value}" for name, value in sorted(item.dimensions.items()))
    return f"{item.price_id} [{dimensions}]" if dimensions else item.price_id


def _tier_working(up_to: str, unit_amount: str, flat_amount: str) -> str:
    reach = f"to {grouped(up_to)}" if up_to else "above"
    parts = [
        f"× {unit_amount}" if unit_amount else "",
        f"+ {flat_amount}" if flat_amount not in ("", "0") else "",
    ]
    return f"  {reach} {' '.join(part for part in parts if part)}"


def grouped(number: str) -> str:
    """A decimal string with commas between thousands."""
    sign = "-" if number.startswith("-") else ""
    whole, point, fraction = number.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if whole else number


def instant(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime().isoformat(timespec="microseconds") + "Z"
