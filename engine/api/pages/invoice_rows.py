"""Earlier invoices: their number, period, state and amounts, and where their documents are."""

from decimal import Decimal
from typing import Any, Final

from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document import Span
from meterline.v1.invoices_pb2 import Invoice, InvoiceState, ListInvoicesRequest, ListInvoicesResponse

Shown = dict[str, Any]
_INVOICES_MAX: Final = 24


def invoices_question(customer_id: str) -> ListInvoicesRequest:
    """The newest ones."""
    return ListInvoicesRequest(customer_id=customer_id, page_size=_INVOICES_MAX)


def shown_invoices(answer: ListInvoicesResponse, names: CatalogNames, words: PageWords) -> list[Shown]:
    return [_invoice(each, names, words) for each in answer.invoices]


def _invoice(invoice: Invoice, names: CatalogNames, words: PageWords) -> Shown:
    start, end = invoice.period_start.ToMicroseconds(), invoice.period_end.ToMicroseconds()
    state = InvoiceState.Name(invoice.state).removeprefix("INVOICE_STATE_").lower()
    outstanding = invoice.figures.outstanding
    is_open = bool(outstanding) and Decimal(outstanding) != 0 and outstanding != invoice.amounts.due
    return {
        "number": invoice.number,
        "period": words.plain.period(Span(start, end), names.zone)
        if start < end
        else words.text("corrections"),
        "due": words.plain.day(invoice.due_at.ToMicroseconds()),
        "amount": words.money(invoice.amounts.due, invoice.currency),
        "outstanding": words.money(outstanding, invoice.currency) if is_open else "",
        "state": words.text(f"state_{state}"),
        "is_overdue": invoice.state == InvoiceState.INVOICE_STATE_OVERDUE,
    }
