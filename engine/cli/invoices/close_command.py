"""`meterline close`: billing periods that are over become invoices."""

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from engine.cli.billing.line_tables import report_unrateable
from engine.cli.invoices.ended_periods import ENDED_PERIODS_EPILOG, GRACE, ended_period_options, ended_span
from engine.cli.invoices.invoice_tables import totals_table
from engine.cli.invoices.threshold_run import bill_by_threshold, run_line, summed_totals
from engine.cli.terminal.connection import NO_CATALOG, CommandError, connected, pages
from engine.cli.terminal.options import json_option, target_option, timestamp
from engine.cli.terminal.text import counted, footer
from meterline.v1.invoices_pb2 import ClosePeriodsRequest, ClosePeriodsResponse, InvoiceTotal
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub

# A step rates ten thousand subscriptions, and may wait a minute for its turn.
_TIMEOUT_S = 3_600
_COUNTS = (
    *("issued_invoice_count", "adjustment_line_count", "standing_invoice_count"),
    *("not_due_invoice_count", "held_invoice_count", "open_customer_count"),
)


@click.command(epilog=ENDED_PERIODS_EPILOG)
@ended_period_options
@click.option(
    "--grace",
    "grace_s",
    type=GRACE,
    metavar="SECONDS",
    help="How long after its end a billing period takes in usage that is under way. Default: as `meterline billing-settings` says, at first 3600.",
)
@click.option(
    "--threshold",
    "by_threshold",
    is_flag=True,
    help="In place of periods that are over: bill of those that run usage of each subscription that has come to its invoicing threshold, and fees in advance.",
)
@click.option(
    "--customer", "customer_id", metavar="ID", default="", help="With --threshold: of this customer alone."
)
@click.option(
    "--regardless",
    is_flag=True,
    help="With --threshold and --customer: whatever usage is not billed yet, with a threshold or without.",
)
@json_option
@target_option
def close(  # noqa: PLR0913 - the options of the command
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    grace_s: int | None,
    customer_id: str,
    *,
    by_threshold: bool,
    regardless: bool,
    as_json: bool,
    target: str,
) -> None:
    """Close billing periods that are over: what they come to becomes invoices, which never change.

    November is closed by --period 2026-11: every billing period that ends after 1 November 00:00, up to 1 December 00:00.
    Usage that comes later is on each customer's next invoice. Run it again at any time: what has an invoice is left alone,
    and what broke off goes on.

    A customer with usage that a price can't rate is left open, whole, and named; the exit code is then 2.

    With --threshold what subscriptions have used since they were billed last is invoiced at once where it has come to the
    `invoicing_threshold` of their plan, or their own, and so are fees in advance of what has begun. The close of the period
    bills the rest.
    """
    if by_threshold:
        if period is not None or start is not None or end is not None or grace_s is not None:
            raise CommandError(
                "--threshold bills periods that run: leave out --period, --from, --to and --grace"
            )
        if regardless and not customer_id:
            raise CommandError("--regardless goes with --customer: name whose usage is to be billed")
        bill_by_threshold(customer_id, regardless=regardless, as_json=as_json, target=target)
        return
    if customer_id or regardless:
        raise CommandError("--customer and --regardless go with --threshold")
    after, until = ended_span(period, start, end, zone, "close")
    request = ClosePeriodsRequest(
        period_end_after=timestamp(after), period_end_until=timestamp(until), grace_s=grace_s
    )
    with connected(target) as channel:
        done = _summed(_with_progress(InvoiceServiceStub(channel), request))
    if as_json:
        click.echo(run_line(done))
    else:
        _show(done)
    report_unrateable(done.unrateable_customers, "nothing of theirs was billed", done.open_customer_count)


def _with_progress(stub: InvoiceServiceStub, request: ClosePeriodsRequest) -> Iterator[ClosePeriodsResponse]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task, issued = progress.add_task("close", total=None, done="the first subscriptions"), 0
        for page in pages(stub.ClosePeriods, request, timeout_s=_TIMEOUT_S):
            yield page
            for name in ("period_end_after", "period_end_until", "grace_s"):
                request.ClearField(name)
            request.close_id = page.close_id
            issued += page.issued_invoice_count
            how_far = (
                f"{page.closed_subscription_count:,} of {counted(page.subscription_count, 'subscription')}"
            )
            progress.update(task, done=f"{how_far}, {counted(issued, 'invoice')} issued")
            if not console.is_terminal and page.next_page_token:
                click.echo(f"{how_far}, {counted(issued, 'invoice')} issued", err=True)


def _summed(answers: Iterator[ClosePeriodsResponse]) -> ClosePeriodsResponse:
    """All that a run did, without the invoices themselves."""
    done, totals = ClosePeriodsResponse(), list[InvoiceTotal]()
    for page in answers:
        page.ClearField("issued")
        counts = {name: getattr(done, name) + getattr(page, name) for name in _COUNTS}
        unrateable = [*done.unrateable_customers, *page.unrateable_customers]
        totals += page.issued_totals
        done.CopyFrom(page)
        for name, count in counts.items():
            setattr(done, name, count)
        done.ClearField("unrateable_customers")
        done.unrateable_customers.extend(unrateable)
    done.ClearField("issued_totals")
    done.issued_totals.extend(summed_totals(totals))
    return done


def _show(done: ClosePeriodsResponse) -> None:
    if not done.catalog_revision:
        click.echo(NO_CATALOG)
        return
    if done.issued_totals:
        totals_table(done.issued_totals).show()
    said = [f"{counted(done.issued_invoice_count, 'invoice')} issued"]
    if done.adjustment_line_count:
        said.append(f"with {counted(done.adjustment_line_count, 'adjustment line')}")
    if done.standing_invoice_count:
        said.append(f"{done.standing_invoice_count:,} stood already")
    if done.not_due_invoice_count:
        said.append(f"{done.not_due_invoice_count:,} not due yet")
    if done.held_invoice_count:
        said.append(f"{done.held_invoice_count:,} held")
    click.echo(", ".join(said))
    click.echo(footer(done.as_of, done.catalog_revision))
