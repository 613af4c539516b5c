"""Headers of invoices and runs to rows of the catalog store, and back."""

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, and_

from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.invoice import SUMS, Close, Invoice, InvoiceKey
from engine.sql.invoice_tables import INVOICES


def read_close(row: Row[Any]) -> Close:
    """Of a row of CLOSES."""
    found = {name: getattr(row, name) for name in Close.__slots__}
    return Close(**found | {"of_drafts": bool(row.of_drafts)})


def close_values(close: Close) -> dict[str, Any]:
    """A row of CLOSES that is under way."""
    values = {name: getattr(close, name) for name in Close.__slots__}
    return values | {"of_drafts": int(close.of_drafts), "ended_at_us": None}


def invoice_values(invoice: Invoice) -> dict[str, Any]:
    """A row of INVOICES, without its number."""
    key = invoice.key
    return {
        "tenant": invoice.tenant,
        "invoice_id": invoice.invoice_id,
        "state": invoice.state.value,
        "customer_id": key.customer_id,
        "currency": key.currency,
        "period_start_us": key.start_us,
        "period_end_us": key.end_us,
        "part": invoice.part,
        "close_id": invoice.close_id,
        "as_of_us": invoice.as_of_us,
        "catalog_revision": invoice.catalog_revision,
        "issued_at_us": invoice.issued_at_us,
        "line_count": invoice.line_count,
        "payment_terms_days": invoice.payment_terms_days,
        "due_at_us": invoice.due_at_us,
        "billing_details": invoice.billing_details,
        **{name: format(invoice.sums[name], "f") for name in SUMS},
        "voided_at_us": None,
        "void_reason": "",
        "erased_at_us": None,
    }


def read_invoice(row: Row[Any]) -> Invoice:
    """Of a row of INVOICES, without its figures."""
    return Invoice(
        tenant=row.tenant,
        invoice_id=row.invoice_id,
        number=row.number,
        state=InvoiceState(row.state),
        key=InvoiceKey(row.customer_id, row.currency, row.period_start_us, row.period_end_us),
        close_id=row.close_id,
        as_of_us=row.as_of_us,
        catalog_revision=row.catalog_revision,
        issued_at_us=row.issued_at_us,
        line_count=row.line_count,
        sums={name: Decimal(getattr(row, name)) for name in SUMS},
        payment_terms_days=row.payment_terms_days,
        due_at_us=row.due_at_us,
        billing_details=row.billing_details,
        voided_at_us=row.voided_at_us or 0,
        void_reason=row.void_reason,
        is_erased=row.erased_at_us is not None,
        part=row.part,
    )


def is_in(state: InvoiceState, now_us: int) -> ColumnElement[bool]:
    """Whether an invoice is in a state at an instant."""
    columns, opened = INVOICES.c, (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)
    if state is InvoiceState.OVERDUE:
        kept = [each.value for each in opened]
        return and_(columns.state.in_(kept), columns.due_at_us <= now_us)
    kept_in = columns.state == state.value
    return and_(kept_in, columns.due_at_us > now_us) if state in opened else kept_in
