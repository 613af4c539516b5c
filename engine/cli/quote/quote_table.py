"""Quotes as tables for people: one quote tier by tier, several a row each."""

from collections.abc import Iterator

import click
from rich.text import Text

from engine.api.messages import decimal_text, money_text
from engine.billing.quote.quotes import Quotes
from engine.cli.billing.line_tables import price_name
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import grouped
from rating import Model, Price, RatedLine, RatedTier, RoundingMode

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
    """One quote: a row a line, below it one for each tier and stage, and the total."""
    table = TextTable("price", "working", *map(NumberColumn, ("quantity", "exact", "amount")))
    for row in quotes.order[:_LINES_SHOWN_MAX].tolist():
        line, quoted = quotes.lines.line(row), quotes.price_of(row)
        table.add(
            price_name(quoted.id, quotes.dimensions_of(row)),
            Text(_summary(line), style="dim"),
            _quantity(quotes, row, line),
            decimal_text(line.exact_amount),
            f"{grouped(money_text(line.amount))} {line.currency}",
        )
        for cells in _steps(line):
            table.add("", *cells, "", style="dim")
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


def _summary(line: RatedLine) -> str:
    parts = [str(line.price.model)]
    if line.rounding.mode is not RoundingMode.HALF_UP:
        parts.append(f"rounded {line.rounding.mode}")
    if line.negative_quantity:
        parts.append("what is negative bills as zero")
    return ", ".join(parts)


def _steps(line: RatedLine) -> Iterator[tuple[str, str, str]]:
    """(working, quantity, exact amount) of what changes the quantity, of each tier, and of each further stage."""
    price = line.price
    changes = _changes(price)
    if changes and line.billable_quantity != line.quantity:
        yield f"  after {changes}", grouped(decimal_text(line.billable_quantity)), ""
    for tier in line.tiers if price.model is not Model.FLAT else ():
        yield f"  {_tier_working(price, tier)}", _tier_quantity(price, tier), decimal_text(tier.amount)
    for stage, amount in line.stages[1:]:
        yield f"  {stage} {decimal_text(getattr(price, stage))}", "", decimal_text(amount)


def _changes(price: Price) -> str:
    parts = []
    if price.conversion is not None:
        divided = price.conversion.factor is None
        ratio = price.conversion.divisor if divided else price.conversion.factor
        parts.append(f"conversion {'÷' if divided else '×'} {decimal_text(ratio)}")
    if price.allowance:
        parts.append(f"allowance of {grouped(decimal_text(price.allowance))}")
    if price.free_amount is not None and not price.needs_events:
        parts.append(f"free amount of {grouped(decimal_text(price.free_amount))}")
    return " and ".join(parts)


def _tier_quantity(price: Price, tier: RatedTier) -> str:
    by_tier_only = price.model is Model.CAPACITY or price.needs_events
    return "" if by_tier_only else grouped(decimal_text(tier.quantity))


def _tier_working(price: Price, tier: RatedTier) -> str:
    if price.needs_events:
        return "fees of the events"
    if price.model is Model.CAPACITY:
        return f"tier {tier.index + 1}: {decimal_text(tier.flat_amount)}"
    reach = ""
    if len(price.tiers or ()) > 1:
        reach = "above" if tier.up_to is None else f"to {grouped(decimal_text(tier.up_to))}"
    parts = [reach, _blocks(price)]
    if price.model is not Model.STAIRSTEP:
        parts.append(f"× {decimal_text(tier.unit_amount)}")
    if tier.flat_amount or price.model is Model.STAIRSTEP:
        parts.append(f"+ {decimal_text(tier.flat_amount)}")
    return " ".join(part for part in parts if part)


def _blocks(price: Price) -> str:
    """What the quantity of a tier counts, if not units."""
    if price.package_size is not None:
        return f"packages of {grouped(decimal_text(price.package_size))}"
    return "" if price.block_size is None else f"blocks of {grouped(decimal_text(price.block_size))}"
