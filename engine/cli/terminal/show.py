"""Line items and spend as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable, Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from meterline.v1.billing_pb2 import LineItem, TierAmount
from meterline.v1.spend_pb2 import Spend

# Wider than any line of text that an id or a dimension may make.
_WIDTH_MAX = 10_000


def print_table(table: Table) -> None:
    """Prints the table as wide as it is: a number that is cut short or broken in two would be a wrong one."""
    console = Console(highlight=False)
    natural = console.measure(table, options=console.options.update(width=_WIDTH_MAX)).maximum
    if natural > console.width:
        console = Console(highlight=False, width=natural)
    console.print(table)


def spend_table(spends: Iterable[Spend], totals: Iterable[Spend]) -> Table:
    table = _table("customer", ("lines", "spend"))
    for spend in spends:
        table.add_row(*_spend_row(spend.customer_id, spend))
    for total in totals:
        table.add_row(*_spend_row("all customers", total), style="bold")
    return table


def _table(label: str, numbers: Iterable[str], title: str | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column(label, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _spend_row(name: str, spend: Spend) -> tuple[Text, ...]:
    return (
        printable(name),
        Text(f"{spend.line_item_count:,}"),
        Text(f"{grouped(spend.amount)} {spend.currency}"),
    )


def line_item_table(items: Iterable[LineItem], title: str | None = None) -> Table:
    """One row a line, and below it its working: tiers, stages, and what is worth a note."""
    table = _table("price", ("quantity", "exact", "amount"), title)
    for item in items:
        rate = _rate(item.tiers[0]) if len(item.tiers) == 1 and item.meter_id else ""
        table.add_row(
            printable(f"{_price_name(item)}: {item.model}{rate}{_events(item)}"),
            grouped(item.quantity) if item.meter_id else "",
            item.exact_amount,
            f"{grouped(item.amount)} {item.currency}",
        )
        for label, quantity, amount in _working(item):
            table.add_row(printable(f"    {label}"), quantity, amount, "", style="dim")
    return table


def _price_name(item: LineItem) -> str:
    dimensions = ", ".join(f"{name}={value}" for name, value in sorted(item.dimensions.items()))
    return f"{item.price_id} [{dimensions}]" if dimensions else item.price_id


def _events(item: LineItem) -> str:
    if not item.meter_id:
        return ""
    return f", {counted(item.event_count, 'event')}"


def _working(item: LineItem) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, quantity, exact amount) that explain a line."""
    if len(item.tiers) > 1:
        for tier in item.tiers:
            reach = f"to {grouped(tier.up_to)}" if tier.up_to else "above"
            yield f"{reach}{_rate(tier)}", grouped(tier.quantity), tier.amount
    if len(item.stages) > 1:
        for stage in item.stages:
            yield f"after {stage.stage}", "", stage.amount
    if item.negative_quantity:
        yield "negative: bills as zero", "", ""
    if item.unreadable_event_count:
        count = item.unreadable_event_count
        what = "event with an unreadable value is" if count == 1 else "events with an unreadable value are"
        yield f"{count:,} {what} left out", "", ""
    if item.missing_value_event_count:
        count = item.missing_value_event_count
        what = "event doesn't" if count == 1 else "events don't"
        yield f"{count:,} {what} have the metered property", "", ""


def _rate(tier: TierAmount) -> str:
    flat = f" + {tier.flat_amount}" if tier.flat_amount not in ("", "0") else ""
    unit = f" × {tier.unit_amount}" if tier.unit_amount else ""
    return f"{unit}{flat}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def grouped(number: str) -> str:
    """A decimal string with commas between thousands."""
    sign = "-" if number.startswith("-") else ""
    whole, point, fraction = number.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if whole else number


def printable(text: str) -> Text:
    """Text for a terminal: control characters, which could steer it, are shown by their escapes."""
    return Text(
        "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    )


def instant(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime().isoformat(timespec="microseconds") + "Z"


def day(timestamp: Timestamp) -> str:
    """The date, or the whole instant where it isn't midnight."""
    moment = timestamp.ToDatetime()
    return moment.isoformat() + "Z" if moment.time().isoformat() != "00:00:00" else moment.date().isoformat()


def footer(as_of: Timestamp, catalog_revision: int | None = None) -> str:
    """What the answer was made from."""
    revision = "" if catalog_revision is None else f", catalog revision {catalog_revision}"
    return f"as of {instant(as_of)}{revision}"


def visible(text: str) -> Text:
    """A producer's text, as it is but for what a terminal would act upon."""
    return Text("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))
