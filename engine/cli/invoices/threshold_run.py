"""`meterline close --threshold`: what may be billed of periods that run becomes invoices."""

from collections.abc import Iterable
from decimal import MAX_PREC, Context, Decimal, localcontext
from typing import Final

import click
from google.protobuf.message import Message

from engine.api.message_json import json_fields, json_line
from engine.cli.billing.line_tables import report_unrateable
from engine.cli.invoices.invoice_tables import totals_table
from engine.cli.terminal.connection import NO_CATALOG, connected, pages
from engine.cli.terminal.text import counted, footer
from meterline.v1.invoices_pb2 import (
    InvoiceTotal,
    IssueThresholdInvoicesRequest,
    IssueThresholdInvoicesResponse,
)
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub

_TIMEOUT_S: Final = 3_600


def bill_by_threshold(customer_id: str, *, regardless: bool, as_json: bool, target: str) -> None:
    """All steps of a run, and what they did."""
    request = IssueThresholdInvoicesRequest(customer_id=customer_id, regardless=regardless)
    done, totals = IssueThresholdInvoicesResponse(), list[InvoiceTotal]()
    with connected(target) as channel:
        for page in pages(InvoiceServiceStub(channel).IssueThresholdInvoices, request, timeout_s=_TIMEOUT_S):
            totals += page.issued_totals
            done.issued_invoice_count += page.issued_invoice_count
            done.unrateable_customers.extend(page.unrateable_customers)
            done.as_of.CopyFrom(page.as_of)
            done.catalog_revision = page.catalog_revision
    done.issued_totals.extend(summed_totals(totals))
    if as_json:
        click.echo(run_line(done))
    elif not done.catalog_revision:
        click.echo(NO_CATALOG)
    else:
        if done.issued_totals:
            totals_table(done.issued_totals).show()
        click.echo(f"{counted(done.issued_invoice_count, 'invoice')} issued")
        click.echo(footer(done.as_of, done.catalog_revision))
    report_unrateable(done.unrateable_customers, "nothing of theirs was billed")


def run_line(done: Message) -> str:
    """What a run did as JSON, without the invoices themselves."""
    fields = json_fields(done)
    return json_line({name: fields[name] for name in fields if name not in ("issued", "next_page_token")})


def summed_totals(totals: Iterable[InvoiceTotal]) -> list[InvoiceTotal]:
    """Those of all pages, one of each currency, in alphabetical order."""
    found: dict[str, InvoiceTotal] = {}
    for more in totals:
        if more.currency not in found:
            found[more.currency] = more
            continue
        total = found[more.currency]
        total.invoice_count += more.invoice_count
        # Sums of decimals are exact.
        with localcontext(Context(prec=MAX_PREC)):
            for field in more.amounts.DESCRIPTOR.fields:
                both = (Decimal(getattr(each.amounts, field.name)) for each in (total, more))
                setattr(total.amounts, field.name, format(sum(both, Decimal(0)), "f"))
    return [found[currency] for currency in sorted(found)]
