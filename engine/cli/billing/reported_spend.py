"""`meterline spend --currency`: the totals in one currency, and the exchange rates that they were converted at."""

import click

from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import day, grouped
from meterline.v1.spend_pb2 import ReportedSpend


def show_reported(reported: ReportedSpend) -> None:
    """A row for each original currency, their total, and a line for each rate."""
    table = TextTable(f"in {reported.currency}", NumberColumn("spend"), NumberColumn("due"))
    for each in reported.totals:
        table.add(f"all {each.currency}", grouped(each.amount), grouped(each.due))
    table.add("all currencies", grouped(reported.amount), grouped(reported.due), style="bold")
    table.show()
    for rate in reported.rates:
        since = day(rate.effective_from)
        click.echo(f"1 {rate.from_currency} is {rate.rate} {reported.currency} from {since} on")
