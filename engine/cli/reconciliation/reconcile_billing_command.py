"""`meterline reconcile-billing`: closed periods worked out a second time."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.api.message_json import json_fields, json_line
from engine.cli.invoices.ended_periods import ENDED_PERIODS_EPILOG, ended_period_options, ended_span
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.options import json_option, target_option, timestamp
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import counted, footer
from meterline.v1.reconciliation_pb2 import (
    BillingDifference,
    ReconcileBillingRequest,
    ReconcileBillingResponse,
)
from meterline.v1.reconciliation_pb2_grpc import ReconciliationServiceStub

# A page reads the raw events of five hundred customers, and may wait for its turn.
_TIMEOUT_S = 3_600
_SHOWN_MAX = 100
_COLUMNS = ("kind", "customer_id", "invoice_number", "line_number", "what", "expected", "found")
Write = Callable[[BillingDifference], object]


@dataclass(slots=True)
class _Summary:
    """What all pages said. `shown`: the first differences."""

    judged: Counter[str] = field(default_factory=Counter)
    not_judged: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: list[BillingDifference] = field(default_factory=list)
    difference_count: int = 0
    late_event_count: int = 0
    late_customer_count: int = 0
    customer_count: int = 0
    last: ReconcileBillingResponse = field(default_factory=ReconcileBillingResponse)

    def add(self, page: ReconcileBillingResponse) -> None:
        for check in page.checks:
            self.judged[check.check] += check.judged_count
            for left in check.not_judged:
                self.not_judged[check.check, left.reason] += left.count
        self.shown += page.differences[: _SHOWN_MAX - len(self.shown)]
        for name in ("difference_count", "late_event_count", "late_customer_count", "customer_count"):
            setattr(self, name, getattr(self, name) + getattr(page, name))
        self.last = page

    def left(self, check: str) -> dict[str, int]:
        """By reason, most first."""
        own = {reason: count for (of, reason), count in self.not_judged.items() if of == check}
        return dict(sorted(own.items(), key=lambda each: (-each[1], each[0])))


@click.command(epilog=ENDED_PERIODS_EPILOG)
@ended_period_options
@click.option(
    "--csv",
    "csv_path",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Also write all differences there.",
)
@json_option
@target_option
def reconcile_billing(
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    csv_path: Path | None,
    *,
    as_json: bool,
    target: str,
) -> None:
    """Work closed billing periods out a second time, from raw events, and show what differs from the invoices.

    Invoices are held against their lines, lines against events and prices, and what all documents bill of a period
    against what it comes to. What can't be judged is counted, with the reason. Nothing is written.

    The exit code is 1 where something differs. Late usage is no difference: the next invoice has it.
    """
    after, until = ended_span(period, start, end, zone, "reconcile")
    request = ReconcileBillingRequest(period_end_after=timestamp(after), period_end_until=timestamp(until))
    with connected(target) as channel, _written(csv_path) as write:
        found = _summed(ReconciliationServiceStub(channel), request, write)
    if as_json:
        click.echo(json_line(_json(found)))
    else:
        _show(found)
    if found.difference_count:
        click.get_current_context().exit(1)


@contextlib.contextmanager
def _written(path: Path | None) -> Iterator[Write]:
    """Writes differences to a file: whole, or not at all."""
    if path is None:
        yield lambda _: None
        return
    with written_whole(path) as file:
        file.write(csv_line(_COLUMNS).encode())
        yield lambda each: file.write(csv_line(_cells(each)).encode())


def _cells(of: BillingDifference) -> list[str]:
    return [
        of.kind,
        of.customer_id,
        of.invoice_number,
        str(of.line_number) if of.line_number else "",
        of.what,
        of.expected,
        of.found,
    ]


def _summed(stub: ReconciliationServiceStub, request: ReconcileBillingRequest, write: Write) -> _Summary:
    found, console = _Summary(), Console(stderr=True)
    columns = (TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("reconcile", total=None, done="the first customers")
        for page in pages(stub.ReconcileBilling, request, timeout_s=_TIMEOUT_S):
            found.add(page)
            for each in page.differences:
                write(each)
            done = f"{counted(found.customer_count, 'customer')}, {counted(found.difference_count, 'difference')}"
            progress.update(task, done=done)
    return found


def _json(found: _Summary) -> dict[str, object]:
    checks = [
        {
            "check": check.check,
            "judged": found.judged[check.check],
            "not_judged": [{"reason": of, "count": count} for of, count in found.left(check.check).items()],
        }
        for check in found.last.checks
    ]
    return {
        "checks": checks,
        "differences": [json_fields(each) for each in found.shown],
        "difference_count": found.difference_count,
        "late_event_count": found.late_event_count,
        "late_customer_count": found.late_customer_count,
        "customer_count": found.customer_count,
        "as_of": json_fields(found.last)["as_of"],
    }


def _show(found: _Summary) -> None:
    if not found.customer_count and not found.difference_count:
        click.echo("no invoice is of a billing period that ends in that time")
        click.echo(footer(found.last.as_of))
        return
    table = TextTable("check", NumberColumn("judged"), NumberColumn("not judged"), "why not")
    for check in found.last.checks:
        left = list(found.left(check.check).items()) or [("", 0)]
        for place, (reason, count) in enumerate(left):
            first = (check.check, f"{found.judged[check.check]:,}") if place == 0 else ("", "")
            table.add(*first, f"{count:,}", reason)
    table.show()
    if found.shown:
        click.echo()
        differences = TextTable(
            "difference", "customer", "invoice", NumberColumn("line"), "what", "expected", "found"
        )
        for each in found.shown:
            differences.add(*_cells(each))
        differences.show()
        if found.difference_count > len(found.shown):
            click.echo(f"and {found.difference_count - len(found.shown):,} more: --csv FILE has them all")
    click.echo()
    what = (
        counted(found.difference_count, "difference")
        if found.difference_count
        else "everything that was judged is right"
    )
    click.echo(f"{counted(found.customer_count, 'customer')}: {what}")
    if found.late_event_count:
        late = counted(found.late_event_count, "event")
        click.echo(
            f"pending: {late} of {counted(found.late_customer_count, 'customer')}, for the next invoices"
        )
    click.echo(footer(found.last.as_of))
