"""GetInvoiceDocument and GetCreditNoteDocument: an invoice or a credit note as PDF, HTML, JSON or CSV."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from engine.api.messages import ANSWER_BYTES_MAX
from engine.api.operation import Call
from engine.api.services.credit_notes.credit_note_messages import asked_credit_note
from engine.api.services.invoices.invoice_messages import named_invoice
from engine.api.services.turns import Turns
from engine.billing.annex.usage_annex import UsageAnnex
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.documents.booked_sections import BookedInvoice
from engine.billing.documents.credit_note_document import credit_note_document, credited_rows
from engine.billing.documents.document import Document
from engine.billing.documents.invoice_document import invoice_document
from engine.billing.receivables.credit_note_store import CreditNote, CreditNoteStore
from engine.billing.rendering.renderer import DocumentFormat, RenderedDocument, Renderer
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from meterline.v1 import credit_notes_pb2
from meterline.v1 import invoices_pb2 as pb

_FORMATS: Final = {
    pb.DOCUMENT_FORMAT_UNSPECIFIED: DocumentFormat.PDF,
    pb.DOCUMENT_FORMAT_PDF: DocumentFormat.PDF,
    pb.DOCUMENT_FORMAT_HTML: DocumentFormat.HTML,
    pb.DOCUMENT_FORMAT_JSON: DocumentFormat.JSON,
    pb.DOCUMENT_FORMAT_CSV: DocumentFormat.CSV,
}
# Some 2 MiB, whatever the format; a PDF of so many takes some seconds and 50 pages.
_LINES_MAX: Final = 5_000
_PDF_LINES_MAX: Final = 2_000
# Of usage, in all of its annex.
_DAYS_MAX: Final = 10_000
_PDF_DAYS_MAX: Final = 3_000


@dataclass(frozen=True, slots=True)
class DocumentSources:
    """What documents are made of."""

    invoices: InvoiceStore
    notes: CreditNoteStore
    booked: BookedLines
    catalog: CatalogStore
    annex: UsageAnnex


class DocumentService:
    """Gives invoices and credit notes as documents."""

    def __init__(
        self, sources: DocumentSources, renderer: Renderer, turns: Turns, now_us: Callable[[], int]
    ) -> None:
        self._invoices = sources.invoices
        self._notes = sources.notes
        self._booked = sources.booked
        self._catalog = sources.catalog
        self._annex = sources.annex
        self._renderer = renderer
        self._turns = turns
        self._now_us = now_us

    def get_invoice_document(
        self, request: pb.GetInvoiceDocumentRequest, call: Call
    ) -> pb.GetInvoiceDocumentResponse:
        invoice_id, number = named_invoice(request)
        form = _form(request)
        invoice = self._invoices.invoice(call.tenant, invoice_id, number)
        if request.customer_id and invoice.key.customer_id != request.customer_id:
            raise NotFoundError(f"there is no invoice {request.number or invoice_id}")
        _check_lines(invoice, form)
        with self._turns.turn(call.tenant):
            days_max = _PDF_DAYS_MAX if form is DocumentFormat.PDF else _DAYS_MAX
            document = self._of_invoice(invoice, days_max if request.with_usage else None)
            made = self._rendered(document, form, request.locale)
        return pb.GetInvoiceDocumentResponse(
            content=made.content, content_type=made.content_type, file_name=made.file_name
        )

    def get_credit_note_document(
        self, request: credit_notes_pb2.GetCreditNoteDocumentRequest, call: Call
    ) -> credit_notes_pb2.GetCreditNoteDocumentResponse:
        form = _form(request)
        note = asked_credit_note(self._notes, request, call.tenant)
        _check_lines(note, form)
        with self._turns.turn(call.tenant):
            made = self._rendered(self._of_note(note, call.tenant), form, request.locale)
        return credit_notes_pb2.GetCreditNoteDocumentResponse(
            content=made.content, content_type=made.content_type, file_name=made.file_name
        )

    def _of_invoice(self, invoice: Invoice, days_max: int | None) -> Document:
        """`days_max`: of usage; None to leave it out."""
        rows = self._booked.of_invoice(invoice)
        booked = self._booked_invoice(invoice, rows)
        usage = None if days_max is None else self._annex.of_invoice(invoice, rows, days_max)
        return invoice_document(booked, self._catalog.snapshot(invoice.tenant), self._now_us(), usage)

    def _of_note(self, note: CreditNote, tenant: str) -> Document:
        invoice = self._invoices.invoice(tenant, note.invoice_id)
        lines = self._notes.lines(tenant, note.credit_note_id)
        rows = credited_rows(self._booked.of_invoice(invoice), lines)
        booked = self._booked_invoice(invoice, rows)
        return credit_note_document(note, lines, booked, self._catalog.snapshot(tenant))

    def _booked_invoice(self, invoice: Invoice, rows: pa.Table) -> BookedInvoice:
        corrected = filter(None, rows["corrects_invoice_id"].to_pylist())
        return BookedInvoice(invoice, rows, self._invoices.numbers(invoice.tenant, corrected))

    def _rendered(self, document: Document, form: DocumentFormat, locale: str) -> RenderedDocument:
        made = self._renderer.rendered(document, form, locale)
        if len(made.content) > ANSWER_BYTES_MAX:
            raise _too_much(document.number, f"{len(made.content):,} bytes", f"{ANSWER_BYTES_MAX:,}")
        return made


def _form(
    request: pb.GetInvoiceDocumentRequest | credit_notes_pb2.GetCreditNoteDocumentRequest,
) -> DocumentFormat:
    if request.format not in _FORMATS:
        raise InvalidRequestError(FieldMistake("format", f"is {request.format}, which is not a format"))
    return _FORMATS[request.format]


def _check_lines(of: Invoice | CreditNote, form: DocumentFormat) -> None:
    lines_max = _PDF_LINES_MAX if form is DocumentFormat.PDF else _LINES_MAX
    if of.line_count > lines_max:
        raise _too_much(of.name, f"{of.line_count:,} lines", f"{lines_max:,}")


def _too_much(name: str, found: str, most: str) -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake("number", f"{name} has {found}, and such a document at most {most}: list its lines")
    )
