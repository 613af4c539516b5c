"""Corrections as tables for people. The text of the wire is shown as it is: nothing is computed."""

import click
from rich.table import Table
from rich.text import Text

from engine.cli.terminal.show import counted, day, grouped, instant, print_table, visible
from meterline.v1.correction_pb2 import (
    CorrectedEvent,
    Correction,
    CorrectionEffect,
    CorrectionKind,
    EventVersion,
    LineChange,
)


def kind_name(kind: int) -> str:
    return CorrectionKind.Name(kind).removeprefix("CORRECTION_KIND_").lower()


def events_text(count: int) -> str:
    return counted(count, "event")


def show_effect(verb: str, effect: CorrectionEffect) -> None:
    """What a correction would change, in tables."""
    already = (
        f" ({events_text(effect.unchanged_event_count)} so already)" if effect.unchanged_event_count else ""
    )
    click.echo(f"would {verb} {events_text(effect.event_count)}{already}")
    if effect.line_changes:
        click.echo()
        print_table(_changes_table(effect))
    more = effect.line_change_count - len(effect.line_changes)
    if more:
        click.echo(f"and {more:,} lines with smaller changes")
    if not effect.line_change_count:
        click.echo("no line item would change")
    for total in effect.totals:
        before, after = grouped(total.amount_before), grouped(total.amount_after)
        click.echo(f"all lines of these customers and periods: {before} -> {after} {total.currency}")
    for each in effect.unrateable_customers:
        click.echo(Text(f"not rated: {each.customer_id}: ").plain + visible(each.message).plain)
    if effect.periods_left_out:
        click.echo(f"{effect.periods_left_out:,} older billing periods are not rated here")


def _changes_table(effect: CorrectionEffect) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("customer", "left"), ("price", "left"), ("period", "left")):
        table.add_column(name, justify="left" if justify == "left" else "right", no_wrap=True)
    for name in ("events", "quantity", "amount"):
        table.add_column(name, justify="right", no_wrap=True)
    for change in effect.line_changes:
        table.add_row(
            visible(change.customer_id),
            visible(_price(change)),
            f"{day(change.period_start)} to {day(change.period_end)}",
            f"{change.event_count_before:,} -> {change.event_count_after:,}",
            f"{grouped(change.quantity_before)} -> {grouped(change.quantity_after)}",
            f"{grouped(change.amount_before)} -> {grouped(change.amount_after)} {change.currency}",
        )
    return table


def _price(change: LineChange) -> str:
    dimensions = ", ".join(f"{name}={value}" for name, value in sorted(change.dimensions.items()))
    return f"{change.price_id} [{dimensions}]" if dimensions else change.price_id


def corrections_table(corrections: list[Correction]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("correction", "recorded", "by", "what", "events", "state", "reason"):
        table.add_column(name, justify="right" if name == "events" else "left", no_wrap=name != "reason")
    for each in corrections:
        what = kind_name(each.kind)
        if each.undoes_correction_id:
            what += f" {each.undoes_correction_id}"
        state = "in effect"
        if each.undone_by_correction_id:
            state = f"undone by {each.undone_by_correction_id}"
            state += "" if not each.in_effect else ", which is undone"
        table.add_row(
            visible(each.signature.correction_id),
            instant(each.recorded_at),
            visible(each.signature.recorded_by),
            visible(what),
            f"{each.event_count:,}",
            visible(state),
            visible(each.signature.reason),
        )
    return table


def events_table(events: list[CorrectedEvent]) -> Table:
    columns = ("event_id", "", "event time", "customer", "event type", "properties")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for event in events:
        name = event.event_id
        if event.HasField("before"):
            _add(table, name, "was", event.before)
            name = ""
        if event.HasField("after"):
            _add(table, name, "is", event.after)
        else:
            table.add_row("", "is void", "", "", "", "")
    return table


def _add(table: Table, event_id: str, state: str, version: EventVersion) -> None:
    table.add_row(
        visible(event_id),
        state,
        *version_cells(version),
    )


def version_cells(version: EventVersion) -> tuple[str, Text, Text, Text]:
    """When, whose, of which type, with which properties."""
    properties = ", ".join(f"{name}={text}" for name, text in sorted(version.properties.items()))
    return (
        instant(version.event_time),
        visible(version.customer_id),
        visible(version.event_type),
        visible(properties),
    )
