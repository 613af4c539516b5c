"""Quotes as tables for people: one quote tier by tier, several a row each."""

import click

from engine.api.messages import decimal_text, money_text, rated_message
from engine.billing.quote.quotes import Quotes
from engine.cli.billing.line_tables import add_line, line_table
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import grouped
from rating import Model, RatedLine

# What a person reads; the machine's forms have all of it.
_LINES_SHOWN_MAX = 200
_QUOTES_SHOWN_MAX = 50


def show_table(quotes: Quotes) -> None:
    """The table, how much of it isn't shown, and what was given no quantity."""
    is_single = quotes.count == 1
    if is_single:
        _working(quotes).show(", ".join(quotes.names_of(0).values()))
    else:
        _overview(quotes).show()
    shown, of = (_LINES_SHOWN_MAX, len(quotes.lines)) if is_single else (_QUOTES_SHOWN_MAX, quotes.count)
    notes = quotes.remarks()
    if of > shown:
        what = "lines" if is_single else "quotes"
        notes.insert(0, f"the first {shown} of {of:,} {what}; all of them with --format csv, tiers or json")
    for note in notes:
        click.secho(note, dim=True)


def _working(quotes: Quotes) -> TextTable:
    """One quote: each line with its working, and the total."""
    table = line_table()
    for row in quotes.order[:_LINES_SHOWN_MAX].tolist():
        line, quoted = quotes.lines.line(row), quotes.price_of(row)
        message = rated_message(line)
        message.price_id = quoted.id
        message.dimensions.update(quotes.dimensions_of(row))
        add_line(table, message, (), _quantity(quotes, row, line))
    for currency, total in quotes.totals.items():
        table.add("total", "", "", "", f"{grouped(money_text(total.decimal(0)))} {currency}", style="bold")
    return table


def _overview(quotes: Quotes) -> TextTable:
    """Several quotes: a row each, with the amount of each price."""
    totals = [f"total {currency}" for currency in quotes.totals]
    table = TextTable("quote", *quotes.names, *map(NumberColumn, (*quotes.prices.ids, *totals)))
    width = len(quotes.prices)
    for quote in range(min(quotes.count, _QUOTES_SHOWN_MAX)):
        amounts = []
        for place, each in enumerate(quotes.prices.prices):
            cell = slice(quote * width + place, quote * width + place + 1)
            sums = quotes.amounts.take(cell).rescale(each.price.digits)
            amounts.append(grouped(money_text(sums.decimal(0))) if quotes.line_counts[cell.start] else "")
        amounts += [grouped(money_text(total.decimal(quote))) for total in quotes.totals.values()]
        table.add(f"{quote + 1:,}", *quotes.names_of(quote).values(), *amounts)
    blank = [""] * (len(quotes.names) + width)
    grand = [grouped(money_text(total.total())) for total in quotes.totals.values()]
    table.add("total", *blank, *grand, style="bold")
    return table


def _quantity(quotes: Quotes, row: int, line: RatedLine) -> str:
    if line.price.model is Model.FLAT:
        return ""
    units = quotes.units_of(row)
    if units:
        return ", ".join(f"{unit} {grouped(decimal_text(value))}" for unit, value in units.items())
    return grouped(decimal_text(line.quantity))
