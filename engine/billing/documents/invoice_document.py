"""An invoice, its booked lines and the catalog's names to a document. Pure."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from engine.billing.accounts.amounts import decimal_of
from engine.billing.accounts.invoice_states import InvoiceState, state_at
from engine.billing.closing.invoice import Invoice
from engine.billing.documents.booked_sections import (
    BookedInvoice,
    booked_sections,
    checked_subtotal,
    period_of,
    summed_terms,
    zone_of,
)
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document import InvoiceDocument
from engine.billing.documents.usage_behind import UsageBehind
from engine.catalog.snapshots.snapshot import Catalog

_FIGURES: Final = ("paid", "credited", "written_off", "outstanding")


def invoice_document(
    booked: BookedInvoice, catalog: Catalog, now_us: int, usage: Sequence[UsageBehind] | None = None
) -> InvoiceDocument:
    """The document of an invoice, with all its lines, as it is at an instant. `usage`: of its annex; None for none.

    Raises:
        MeterlineError: its lines don't add up to its header.
    """
    invoice = booked.invoice
    key, details = invoice.key, json.loads(invoice.billing_details)
    names = CatalogNames(catalog, key.customer_id)
    sections = booked_sections(booked, names)
    subtotal = checked_subtotal(invoice.name, sections, invoice.sums, key.currency)
    return InvoiceDocument(
        number=invoice.name,
        invoice_id=invoice.invoice_id,
        state=state_at(invoice.state, invoice.due_at_us, now_us).value,
        currency=key.currency,
        customer_id=key.customer_id,
        customer=details.get("customer") or {},
        seller=details.get("seller") or {},
        issued_us=invoice.issued_at_us,
        due_us=invoice.due_at_us,
        payment_terms_days=invoice.payment_terms_days,
        period=period_of(invoice),
        zone=zone_of(sections, names),
        voided_us=invoice.voided_at_us,
        void_reason=invoice.void_reason,
        usage_until_us=invoice.as_of_us if invoice.part else 0,
        usage=usage,
        sections=sections,
        totals=[*summed_terms(subtotal, invoice.sums), *_settled(invoice)],
    )


def _settled(invoice: Invoice) -> list[tuple[str, Decimal]]:
    """What became of it: nothing of a void invoice, and of one of which all is outstanding."""
    if invoice.state is InvoiceState.VOID:
        return []
    figures = {
        name: decimal_of(getattr(invoice.figures, f"{name}_minor"), invoice.key.currency) for name in _FIGURES
    }
    if figures["outstanding"] == invoice.sums["due"]:
        return []
    return [(name, amount) for name, amount in figures.items() if amount or name == "outstanding"]
