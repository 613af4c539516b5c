"""Earlier invoices and credit notes: their numbers, periods, states and amounts, and what is asked for a document of one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import Span
from engine.errors import FieldMistake, InvalidRequestError
from meterline.v1.credit_notes_pb2 import (
    CREDIT_NOTE_STATE_VOID,
    CreditNote,
    GetCreditNoteDocumentRequest,
    ListCreditNotesRequest,
    ListCreditNotesResponse,
)
from meterline.v1.invoices_pb2 import (
    DOCUMENT_FORMAT_HTML,
    DOCUMENT_FORMAT_PDF,
    GetInvoiceDocumentRequest,
    Invoice,
    InvoiceState,
    ListInvoicesRequest,
    ListInvoicesResponse,
)

Shown = dict[str, Any]
_ROWS_MAX: Final = 24
_FORMATS: Final = {"pdf": DOCUMENT_FORMAT_PDF, "html": DOCUMENT_FORMAT_HTML}


class DocumentKind(NamedTuple):
    """path: below the page. example: the name of a file of it."""

    path: str
    operation: str
    request: Callable[..., Message]
    example: str


DOCUMENT_KINDS: Final = (
    DocumentKind(
        "invoices", "InvoiceService.GetInvoiceDocument", GetInvoiceDocumentRequest, "INV-000042.pdf"
    ),
    DocumentKind(
        "credit-notes",
        "CreditNoteService.GetCreditNoteDocument",
        GetCreditNoteDocumentRequest,
        "CN-000042.pdf",
    ),
)


def document_question(kind: DocumentKind, file_name: str, customer_id: str, locale: str) -> Message:
    """Raises InvalidRequestError for a name that ends in no format."""
    number, _, form = file_name.rpartition(".")
    if form not in _FORMATS:
        raise InvalidRequestError(FieldMistake("file_name", f"ends in .pdf or .html, such as {kind.example}"))
    return kind.request(number=number, format=_FORMATS[form], customer_id=customer_id, locale=locale)


def invoices_question(customer_id: str) -> ListInvoicesRequest:
    """The newest ones."""
    return ListInvoicesRequest(customer_id=customer_id, page_size=_ROWS_MAX)


def shown_invoices(answer: ListInvoicesResponse, names: CatalogNames, words: PageWords) -> list[Shown]:
    return [_invoice(each, names, words) for each in answer.invoices]


def credit_notes_question(customer_id: str) -> ListCreditNotesRequest:
    """The newest ones."""
    return ListCreditNotesRequest(customer_id=customer_id, page_size=_ROWS_MAX)


def shown_credit_notes(answer: ListCreditNotesResponse, words: PageWords) -> list[Shown]:
    return [_credit_note(each, words) for each in answer.credit_notes]


def _credit_note(note: CreditNote, words: PageWords) -> Shown:
    is_void = note.state == CREDIT_NOTE_STATE_VOID
    return {
        "number": note.number,
        "invoice": note.invoice,
        "issued": words.plain.day(note.issued_at.ToMicroseconds()),
        "amount": words.money(note.amounts.due, note.currency),
        "reason": note.reason,
        "state": words.text("state_void") if is_void else "",
    }


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
