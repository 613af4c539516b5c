"""What was simulated as tables for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from engine.cli.simulation.simulated_sums import Change, Sum
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import grouped


def totals_table(totals: Sequence[Sum]) -> TextTable:
    """Amounts and what is due, a row each."""
    table = TextTable("all customers", *map(NumberColumn, ("before", "after", "difference", "change")))
    for each in totals:
        table.add(f"amount, {each.currency}", *change_cells(each.amount))
        table.add(f"due, {each.currency}", *change_cells(each.due), style="bold")
    return table


def sums_table(what: Sequence[str], sums: Iterable[Sum], of: str) -> TextTable:
    """Sums by their keys. `of`: "amount" or "due"."""
    numbers = map(NumberColumn, (f"{of} before", "after", "difference", "change"))
    table = TextTable(*what, *numbers, "currency")
    for each in sums:
        table.add(*key_cells(each, len(what)), *change_cells(getattr(each, of)), each.currency)
    return table


def key_cells(each: Sum, count: int) -> list[str]:
    """What a sum is of: of a price, what a commitment adds is called so."""
    keys = list(each.keys[:-1])
    if len(keys) == 3:
        plan, price, kind = keys
        keys = [plan, price if kind == "charge" else f"(commitment: {kind.replace('_', '-')})"]
    return keys[:count]


def change_cells(change: Change) -> list[str]:
    sign = "+" if change.difference > 0 else ""
    numbers = [grouped(format(each, "f")) for each in (change.before, change.after, change.difference)]
    numbers[2] = f"{sign}{numbers[2]}"
    return [*numbers, percent_text(change)]


def percent_text(change: Change) -> str:
    if change.percent is None:
        return "new" if change.after else "0.0%"
    return f"{'+' if change.percent > 0 else ''}{grouped(format(change.percent, 'f'))}%"


def sum_fields(each: Sum, names: Sequence[str]) -> dict[str, Any]:
    """A sum as a JSON object."""
    fields: dict[str, Any] = dict(zip(names, each.keys, strict=True))
    for name in ("amount", "due"):
        change = getattr(each, name)
        fields[name] = {
            "before": format(change.before, "f"),
            "after": format(change.after, "f"),
            "difference": format(change.difference, "f"),
            "percent": None if change.percent is None else format(change.percent, "f"),
        }
    return fields
