"""`meterline compare`: bills of another system beside what Meterline makes of the same usage."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
import pyarrow as pa

from engine.cli.billing.line_tables import report_unrateable
from engine.cli.comparison.causes import Cause, Explained, explained
from engine.cli.comparison.compared_lines import compared_lines, new_rows
from engine.cli.comparison.old_bills import OldBills, old_bills
from engine.cli.comparison.usage_evidence import ASKED_MAX, UsageEvidence
from engine.cli.invoices.ended_periods import months_options, span_of_months
from engine.cli.quote.quote_csv_file import read_csv_table
from engine.cli.terminal.connection import CommandError, ahead, connected, pages
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import FileType, read_bytes, written_whole
from engine.cli.terminal.options import (
    Pair,
    PairType,
    each_once,
    target_option,
    timestamp,
)
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, footer, grouped
from meterline.v1.billing_pb2 import LineItemForm, UnrateableCustomer
from meterline.v1.simulations_pb2 import SimulateCatalogRequest, SimulateCatalogResponse
from meterline.v1.simulations_pb2_grpc import SimulationServiceStub
from rating import EXACT, minor_unit_digits

_TIMEOUT_S: Final = 3_600
_COLUMNS: Final = (
    *("customer_id", "month", "label", "currency", "cause", "detail", "old_quantity", "new_quantity"),
    *("old_amount", "new_amount", "difference"),
)


@click.command(
    epilog="Columns: customer_id, amount, currency; month, or period_start and period_end; price and quantity if there are any."
)
@click.argument("file", type=FileType(path_type=Path, allow_dash=True), metavar="OLD_BILLS.csv")
@months_options
@click.option(
    "--name", "names", type=PairType("LABEL=PRICE"), multiple=True, metavar="LABEL=PRICE",
    help="What a label of the old bills is called in the catalog: a price's id, or PLAN/PRICE. May be given again.",
)  # fmt: skip
@click.option(
    "--tolerance",
    type=str,
    default="0",
    show_default=True,
    metavar="AMOUNT",
    help="Differences of a line up to this are none.",
)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many lines to show of each cause.",
)
@click.option(
    "--csv",
    "csv_path",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Also write all lines that differ there.",
)
@target_option
def compare(
    file: Path,
    start: date,
    end: date,
    zone: ZoneInfo,
    names: Sequence[Pair],
    target: str,
    **shown: Any,  # noqa: ANN401 - tolerance, top, csv_path
) -> None:
    """Set bills of another system beside what Meterline rates for the same usage, line by line, with the likely cause of each
    difference.

    The exit code is 1 if a line differs by more than --tolerance, and 2 for mistakes.
    """
    period_end_after, period_end_until = span_of_months(start, end, zone)
    tolerance = _amount(shown["tolerance"])
    old = old_bills(read_csv_table(str(file), read_bytes(file)), each_once(names, "--name"))
    request = SimulateCatalogRequest(
        period_end_after=timestamp(period_end_after),
        period_end_until=timestamp(period_end_until),
        form=LineItemForm.LINE_ITEM_FORM_ARROW,
    )
    with connected(target) as channel:
        answer = _Answer(
            ahead(pages(SimulationServiceStub(channel).SimulateCatalog, request, timeout_s=_TIMEOUT_S))
        )
        labels = frozenset(old.rows["label"].to_pylist())
        new = new_rows(answer.tables(), zone, labels, has_labels=old.has_labels)
        old = _in_months(old, start, end)
        lines, line_count = compared_lines(old, new)
        before, now = (frozenset(each["customer_id"].to_pylist()) for each in (old.rows, new))
        evidence = UsageEvidence(channel, zone)
        found = explained(lines, before, now, evidence.of)
    found = [
        each for each in found if abs(each.difference) > tolerance or (not tolerance and not each.difference)
    ]
    if shown["csv_path"] is not None:
        _write(shown["csv_path"], found)
    _show(found, line_count, shown["top"])
    if evidence.asked >= ASKED_MAX:
        click.echo(f"time zones and late events were looked for in the first {ASKED_MAX} lines alone")
    click.echo(footer(answer.last.as_of, answer.last.catalog_revision))
    report_unrateable(answer.unrateable, "their old bills have nothing beside them")
    if found:
        click.get_current_context().exit(1)


def _amount(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except ArithmeticError:
        raise CommandError(f"--tolerance: {text!r} is not an amount such as 0.01") from None
    if not found.is_finite() or found < 0:
        raise CommandError(f"--tolerance: {text!r} must be 0 or more")
    return found


class _Answer:
    """The tables of the pages; the last page and who can't be rated are kept."""

    def __init__(self, answer: Iterator[SimulateCatalogResponse]) -> None:
        self._answer = answer
        self.last = SimulateCatalogResponse()
        self.unrateable: list[UnrateableCustomer] = []

    def tables(self) -> Iterator[Any]:
        for page in self._answer:
            self.last = page
            self.unrateable += page.unrateable_customers
            yield pa.ipc.open_stream(page.arrow).read_all()


def _in_months(old: OldBills, start: date, end: date) -> OldBills:
    """Only what is of these months. Raises CommandError if that is nothing."""
    import pyarrow.compute as pc  # noqa: PLC0415 - it takes long to load

    month = old.rows["month"]
    rows = old.rows.filter(
        pc.and_(pc.greater_equal(month, f"{start:%Y-%m}"), pc.less_equal(month, f"{end:%Y-%m}"))
    )
    if not len(rows):
        raise CommandError(f"the old bills have no line of {start:%Y-%m} to {end:%Y-%m}")
    return OldBills(rows, old.has_labels, old.has_quantities)


def _show(found: Sequence[Explained], line_count: int, top: int) -> None:
    click.echo(f"{counted(line_count, 'line')} compared, {line_count - len(found):,} the same")
    by_cause: dict[Cause, list[Explained]] = defaultdict(list)
    for each in found:
        by_cause[each.cause].append(each)
    if found:
        click.echo()
        _summary(by_cause).show()
    for cause in (each for each in Cause if each in by_cause and top):
        click.echo()
        lines = sorted(by_cause[cause], key=lambda each: -abs(each.difference))
        _lines(lines[:top]).show(f"{cause}:")
        if len(lines) > top:
            click.echo(f"and {len(lines) - top:,} more: --csv FILE has them all")


def _summary(by_cause: dict[Cause, list[Explained]]) -> TextTable:
    table = TextTable("likely cause", *map(NumberColumn, ("lines", "customers", "difference")), "currency")
    for cause in (each for each in Cause if each in by_cause):
        for currency in sorted({each.line.currency for each in by_cause[cause]}):
            own = [each for each in by_cause[cause] if each.line.currency == currency]
            total = Decimal(0)
            for each in own:
                total = EXACT.add(total, each.difference)
            customers = {each.line.customer_id for each in own}
            table.add(str(cause), f"{len(own):,}", f"{len(customers):,}", _signed(total, currency), currency)
    return table


def _lines(found: Sequence[Explained]) -> TextTable:
    table = TextTable(
        "customer", "month", "line", *map(NumberColumn, ("old", "Meterline", "difference")), "currency", ""
    )
    for each in found:
        line = each.line
        amounts = (_money(amount, line.currency) for amount in (line.old_amount, line.new_amount))
        table.add(
            line.customer_id, line.month, line.label, *map(grouped, amounts),
            _signed(each.difference, line.currency), line.currency, each.detail,
        )  # fmt: skip
    return table


def _write(path: Path, found: Sequence[Explained]) -> None:
    with written_whole(path) as file:
        file.write(csv_line(_COLUMNS).encode())
        for each in found:
            line = each.line
            quantities = (
                "" if value is None else _plain(value) for value in (line.old_quantity, line.new_quantity)
            )
            amounts = (
                _money(value, line.currency) for value in (line.old_amount, line.new_amount, each.difference)
            )
            cells = (line.customer_id, line.month, line.label, line.currency, str(each.cause), each.detail)
            file.write(csv_line((*cells, *quantities, *amounts)).encode())


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: Decimal, currency: str) -> str:
    """With the digits of its currency, or more where it has them."""
    whole, _, fraction = format(value, "f").partition(".")
    digits = minor_unit_digits(currency)
    fraction = fraction.rstrip("0").ljust(digits, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _signed(value: Decimal, currency: str) -> str:
    return f"{'+' if value > 0 else ''}{grouped(_money(value, currency))}"
