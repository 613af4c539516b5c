"""What a change of the catalog would make of what customers owe, for people."""

from decimal import Decimal
from typing import Final

import click

from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import grouped
from meterline.v1.catalog_pb2 import CatalogEffect, OwedChange

_SHOWN_MAX: Final = 20


def show_effect(effect: CatalogEffect, what: str) -> None:
    """The customers whom it changes most, and the totals. `what`: for which time they would owe it."""
    if not effect.change_count:
        click.echo(f"nobody would owe anything else for {what}")
        return
    table = TextTable("customer", *map(NumberColumn, ("owed", "would owe", "difference")))
    for change in effect.changes[:_SHOWN_MAX]:
        table.add(change.customer_id, *_cells(change))
    for total in effect.totals:
        table.add("all of them", *_cells(total), style="bold")
    table.show(f"owed for {what}:")
    if more := effect.change_count - len(effect.changes[:_SHOWN_MAX]):
        click.echo(f"and {more:,} more customers")
    if effect.incomplete:
        click.echo("some lines have no amount, and are not in these sums")


def _cells(change: OwedChange) -> list[str]:
    # The difference of two texts of the wire, exact.
    difference = Decimal(change.after) - Decimal(change.before)
    sign = "+" if difference > 0 else ""
    return [
        f"{grouped(change.before)} {change.currency}",
        f"{grouped(change.after)} {change.currency}",
        f"{sign}{grouped(format(difference, 'f'))} {change.currency}",
    ]
