"""Corrections as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable

import click

from engine.cli.billing.line_tables import price_name
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, day, grouped, instant, visible
from meterline.v1.correction_pb2 import (
    Conflict,
    CorrectedEvent,
    Correction,
    CorrectionEffect,
    CorrectionKind,
    EventVersion,
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
        _changes_table(effect).show()
    more = effect.line_change_count - len(effect.line_changes)
    if more:
        click.echo(f"and {more:,} lines with smaller changes")
    if not effect.line_change_count:
        click.echo("no line item would change")
    for total in effect.totals:
        before, after = grouped(total.amount_before), grouped(total.amount_after)
        click.echo(f"all lines of these customers and periods: {before} -> {after} {total.currency}")
    for each in effect.unrateable_customers:
        click.echo(f"not rated: {visible(each.customer_id)}: {visible(each.message)}")
    if effect.periods_left_out:
        click.echo(f"{effect.periods_left_out:,} older billing periods are not rated here")


def _changes_table(effect: CorrectionEffect) -> TextTable:
    table = TextTable(
        "customer",
        "price",
        "period",
        NumberColumn("events"),
        NumberColumn("quantity"),
        NumberColumn("amount"),
    )
    for change in effect.line_changes:
        table.add(
            change.customer_id,
            price_name(change.price_id, change.dimensions),
            f"{day(change.period_start)} to {day(change.period_end)}",
            f"{change.event_count_before:,} -> {change.event_count_after:,}",
            f"{grouped(change.quantity_before)} -> {grouped(change.quantity_after)}",
            f"{grouped(change.amount_before)} -> {grouped(change.amount_after)} {change.currency}",
        )
    return table


def corrections_table(corrections: Iterable[Correction]) -> TextTable:
    table = TextTable("correction", "recorded", "by", "what", NumberColumn("events"), "state", "reason")
    for each in corrections:
        what = kind_name(each.kind)
        if each.undoes_correction_id:
            what += f" {each.undoes_correction_id}"
        state = "in effect"
        if each.undone_by_correction_id:
            state = f"undone by {each.undone_by_correction_id}"
            state += "" if not each.in_effect else ", which is undone"
        signature = each.signature
        table.add(
            signature.correction_id,
            instant(each.recorded_at),
            signature.recorded_by,
            what,
            f"{each.event_count:,}",
            state,
            signature.reason,
        )
    return table


def events_table(events: Iterable[CorrectedEvent]) -> TextTable:
    table = TextTable("event_id", "", "event time", "customer", "event type", "properties")
    for event in events:
        name = event.event_id
        if event.HasField("before"):
            table.add(name, "was", *_version_cells(event.before))
            name = ""
        if event.HasField("after"):
            table.add(name, "is", *_version_cells(event.after))
        else:
            table.add("", "is void", "", "", "", "")
    return table


def conflicts_table(found: Iterable[Conflict]) -> TextTable:
    table = TextTable("event_id", "", "ingested", "event time", "customer", "event type", "properties")
    for conflict in found:
        void = "restored" if conflict.restored else "void"
        for name, state, version in (
            (conflict.event_id, "stands", conflict.stands),
            ("", void, conflict.voided),
        ):
            ingested = instant(version.ingested_at) if version.HasField("ingested_at") else "expired"
            table.add(name, state, ingested, *_version_cells(version))
    return table


def _version_cells(version: EventVersion) -> tuple[str, ...]:
    """When, whose, of which type, with which properties."""
    properties = ", ".join(f"{name}={text}" for name, text in sorted(version.properties.items()))
    return instant(version.event_time), version.customer_id, version.event_type, properties
