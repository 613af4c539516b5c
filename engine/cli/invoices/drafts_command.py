"""`meterline drafts`: invoices before their issue: listed, shown, held, released, approved."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import click

from engine.api.message_json import message_line
from engine.cli.billing.line_tables import report_unrateable
from engine.cli.invoices.ended_periods import ENDED_PERIODS_EPILOG, ended_period_options, ended_span
from engine.cli.invoices.invoice_tables import lines_table, sums_table, totals_table
from engine.cli.invoices.threshold_run import summed_totals
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected, pages
from engine.cli.terminal.options import (
    MomentType,
    MonthType,
    TextType,
    json_option,
    limit_option,
    target_option,
    timestamp,
    together,
    zone_option,
)
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import counted, day, footer, grouped, visible
from meterline.v1 import draft_invoices_pb2 as pb
from meterline.v1.draft_invoices_pb2_grpc import DraftInvoiceServiceStub
from meterline.v1.invoices_pb2 import InvoiceLine

# A step rates ten thousand subscriptions, and may wait a minute for its turn.
_STEP_TIMEOUT_S = 3_600
_customer = click.argument("customer_id", type=TextType("a customer"), metavar="CUSTOMER")
_customers = click.option(
    "--customer",
    "customers",
    type=TextType("a customer"),
    multiple=True,
    metavar="ID",
    help="Only of this customer; repeat it for others.",
)
_period_options = together(
    click.option(
        "--period", type=MonthType(), metavar="YYYY-MM", help="The billing period that is this month."
    ),
    click.option(
        "--from", "start", type=MomentType(), metavar="INSTANT", help="Where the period begins, with --to."
    ),
    click.option("--to", "end", type=MomentType(), metavar="INSTANT", help="... and where it ends."),
    zone_option("In whose calendar the month, or a date, begins"),
)
_reason = click.option("--reason", type=TextType("a reason"), metavar="TEXT", help="For the audit log.")


@click.group()
def drafts() -> None:
    """Look at invoices before their issue, hold some back, and approve the others.

    A draft is rated when it is read: usage, one-off items and prices that come in are on it at once.
    """


@drafts.command("list", epilog=ENDED_PERIODS_EPILOG)
@_customers
@ended_period_options
@limit_option("drafts")
@json_option
@target_option
def list_(  # noqa: PLR0913 - the options of the command
    customers: Sequence[str],
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    limit: int,
    *,
    as_json: bool,
    target: str,
) -> None:
    """List drafts, by customer, each with what it comes to now, and why it is held."""
    request = pb.ListDraftInvoicesRequest(filter=_filter(customers, period, start, end, zone))
    left: set[str] = set()
    with connected(target) as channel:
        listed = _listed(DraftInvoiceServiceStub(channel), request, left.update)
        found = list(islice(listed, limit))
    show_found(found, _table, "no draft", as_json=as_json)
    _report_open(left)


@drafts.command(epilog=ENDED_PERIODS_EPILOG)
@_customer
@ended_period_options
@json_option
@target_option
def show(
    customer_id: str,
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    *,
    as_json: bool,
    target: str,
) -> None:
    """Show a customer's drafts with their lines, each as its approval alone would issue it."""
    request = pb.ListDraftInvoicesRequest(filter=_filter([customer_id], period, start, end, zone))
    left: set[str] = set()
    with connected(target) as channel:
        stub = DraftInvoiceServiceStub(channel)
        listed = list(_listed(stub, request, left.update))
        if not listed and not as_json:
            click.echo("no draft")
        for each in listed:
            _show(stub, each, as_json=as_json)
    _report_open(left)


@drafts.command(epilog=ENDED_PERIODS_EPILOG)
@_customer
@_period_options
@click.option("--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why it is held.")
@target_option
def hold(
    customer_id: str,
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    reason: str,
    *,
    target: str,
) -> None:
    """Hold a billing period of a customer back: nothing bills it until it is released. Its usage stays billable."""
    first, last = ended_span(period, start, end, zone, "hold")
    request = pb.HoldDraftInvoiceRequest(
        customer_id=customer_id, period_start=timestamp(first), period_end=timestamp(last), reason=reason
    )
    with connected(target) as channel:
        DraftInvoiceServiceStub(channel).HoldDraftInvoice(request, timeout=TIMEOUT_S)
    click.echo(f"{visible(customer_id)}, {day(request.period_start)} to {day(request.period_end)}, is held")


@drafts.command(epilog=ENDED_PERIODS_EPILOG)
@_customer
@_period_options
@_reason
@target_option
def release(
    customer_id: str,
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    reason: str | None,
    *,
    target: str,
) -> None:
    """End the hold of a billing period. It is a draft again, or billed within the hour where nothing is reviewed.

    What ended before the engine began to close by itself, `meterline close` bills, or drafts approve with its --period.
    """
    first, last = ended_span(period, start, end, zone, "release")
    request = pb.ReleaseDraftInvoiceRequest(
        customer_id=customer_id,
        period_start=timestamp(first),
        period_end=timestamp(last),
        reason=reason or "",
    )
    with connected(target) as channel:
        DraftInvoiceServiceStub(channel).ReleaseDraftInvoice(request, timeout=TIMEOUT_S)
    click.echo(
        f"{visible(customer_id)}, {day(request.period_start)} to {day(request.period_end)}, is released"
    )


@drafts.command(epilog=ENDED_PERIODS_EPILOG)
@_customers
@ended_period_options
@click.option("--all", "everything", is_flag=True, help="All drafts that are not held.")
@_reason
@json_option
@target_option
def approve(  # noqa: PLR0913 - the options of the command
    customers: Sequence[str],
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
    reason: str | None,
    *,
    everything: bool,
    as_json: bool,
    target: str,
) -> None:
    """Issue the invoices of drafts, at a new watermark; those that are held stay drafts.

    Run it again at any time: what has an invoice is left alone. A customer with usage that a price can't rate is left open, and
    named; the exit code is then 2.
    """
    chosen = _filter(customers, period, start, end, zone)
    if everything == bool(chosen.ByteSize()):
        raise CommandError("name what to approve: --customer, --period, --from and --to, or --all")
    request = pb.ApproveDraftInvoicesRequest(filter=chosen, reason=reason or "")
    with connected(target) as channel:
        done = _approved(DraftInvoiceServiceStub(channel), request)
    if as_json:
        click.echo(message_line(done))
    else:
        if done.issued_totals:
            totals_table(done.issued_totals).show()
        held = f", {done.held_invoice_count:,} held" if done.held_invoice_count else ""
        click.echo(f"{counted(done.issued_invoice_count, 'invoice')} issued{held}")
        click.echo(footer(done.as_of, done.catalog_revision))
    report_unrateable(done.unrateable_customers, "nothing of theirs was billed", done.open_customer_count)


def _filter(
    customers: Sequence[str],
    period: date | None,
    start: datetime | date | None,
    end: datetime | date | None,
    zone: ZoneInfo,
) -> pb.DraftInvoiceFilter:
    if period is None and start is None and end is None:
        return pb.DraftInvoiceFilter(customer_ids=customers)
    after, until = ended_span(period, start, end, zone, "choose")
    return pb.DraftInvoiceFilter(
        customer_ids=customers, period_end_after=timestamp(after), period_end_until=timestamp(until)
    )


def _listed(
    stub: DraftInvoiceServiceStub,
    request: pb.ListDraftInvoicesRequest,
    leave: Callable[[Sequence[str]], None],
) -> Iterator[pb.DraftInvoice]:
    """`leave` is told of customers who can't be billed."""
    for page in pages(stub.ListDraftInvoices, request, timeout_s=_STEP_TIMEOUT_S):
        leave(page.open_customer_ids)
        yield from page.draft_invoices


def _report_open(customers: set[str]) -> None:
    if customers:
        named = ", ".join(visible(each) for each in sorted(customers)[:10])
        more = f" and {len(customers) - 10:,} more" if len(customers) > 10 else ""
        click.echo(
            f"no draft of {named}{more}: they can't be billed; meterline drafts approve says why", err=True
        )


def _show(stub: DraftInvoiceServiceStub, draft: pb.DraftInvoice, *, as_json: bool) -> None:
    request = pb.GetDraftInvoiceRequest(
        customer_id=draft.customer_id,
        currency=draft.currency,
        period_start=draft.period_start,
        period_end=draft.period_end,
    )
    lines: list[InvoiceLine] = []
    for page in pages(stub.GetDraftInvoice, request, timeout_s=_STEP_TIMEOUT_S):
        lines += page.lines
    page.ClearField("lines")
    page.lines.extend(lines)
    if as_json:
        click.echo(message_line(page))
        return
    found = page.draft_invoice
    click.echo(f"draft: {visible(found.customer_id)}, {_period(found)}, {found.currency}")
    if found.HasField("hold"):
        click.echo(f"held: {visible(found.hold.reason)}")
    click.echo()
    lines_table(lines).show()
    click.echo()
    sums_table(found.amounts, found.currency).show()
    click.echo(footer(page.as_of, page.catalog_revision))


def _approved(
    stub: DraftInvoiceServiceStub, request: pb.ApproveDraftInvoicesRequest
) -> pb.ApproveDraftInvoicesResponse:
    """All that an approval did, without the invoices themselves."""
    done, totals = pb.ApproveDraftInvoicesResponse(), []
    for page in pages(stub.ApproveDraftInvoices, request, timeout_s=_STEP_TIMEOUT_S):
        request.approval_id = page.approval_id
        totals += page.issued_totals
        for name in ("issued_invoice_count", "held_invoice_count", "open_customer_count"):
            setattr(done, name, getattr(done, name) + getattr(page, name))
        done.unrateable_customers.extend(page.unrateable_customers)
        done.approval_id, done.catalog_revision = page.approval_id, page.catalog_revision
        done.as_of.CopyFrom(page.as_of)
    done.issued_totals.extend(summed_totals(totals))
    return done


def _period(draft: pb.DraftInvoice) -> str:
    return f"{day(draft.period_start)} to {day(draft.period_end)}"


def _table(found: Sequence[pb.DraftInvoice]) -> TextTable:
    table = TextTable("customer", "period", NumberColumn("lines"), NumberColumn("due"), "held")
    for each in found:
        due = f"{grouped(each.amounts.due)} {each.currency}"
        table.add(each.customer_id, _period(each), f"{each.line_count:,}", due, each.hold.reason or "-")
    return table
