"""GetInvoiceDocument: an invoice as PDF, HTML, JSON or CSV."""

from collections.abc import Callable
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX
from engine.api.operation import Call
from engine.api.services.invoices.invoice_messages import named_invoice
from engine.api.services.turns import Turns
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.documents.document import BillingDocument
from engine.billing.documents.invoice_document import invoice_document
from engine.billing.rendering.renderer import DocumentFormat, Renderer
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
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


class DocumentService:
    """Gives invoices as documents."""

    def __init__(
        self,
        invoices: InvoiceStore,
        booked: BookedLines,
        catalog: CatalogStore,
        renderer: Renderer,
        turns: Turns,
        now_us: Callable[[], int],
    ) -> None:
        self._invoices = invoices
        self._booked = booked
        self._catalog = catalog
        self._renderer = renderer
        self._turns = turns
        self._now_us = now_us

    def get_invoice_document(
        self, request: pb.GetInvoiceDocumentRequest, call: Call
    ) -> pb.GetInvoiceDocumentResponse:
        invoice_id, number = named_invoice(request)
        if request.format not in _FORMATS:
            raise InvalidRequestError(FieldMistake("format", f"is {request.format}, which is not a format"))
        invoice = self._invoices.invoice(call.tenant, invoice_id, number)
        if request.customer_id and invoice.key.customer_id != request.customer_id:
            raise NotFoundError(f"there is no invoice {request.number or invoice_id}")
        form = _FORMATS[request.format]
        lines_max = _PDF_LINES_MAX if form is DocumentFormat.PDF else _LINES_MAX
        if invoice.line_count > lines_max:
            raise _too_much(invoice, f"{invoice.line_count:,} lines", f"{lines_max:,}")
        with self._turns.turn(call.tenant):
            made = self._renderer.rendered(self._document(invoice), form, request.locale)
        if len(made.content) > ANSWER_BYTES_MAX:
            raise _too_much(invoice, f"{len(made.content):,} bytes", f"{ANSWER_BYTES_MAX:,}")
        return pb.GetInvoiceDocumentResponse(
            content=made.content, content_type=made.content_type, file_name=made.file_name
        )

    def _document(self, invoice: Invoice) -> BillingDocument:
        rows = self._booked.of_invoice(invoice)
        corrected = filter(None, rows["corrects_invoice_id"].to_pylist())
        numbers = self._invoices.numbers(invoice.tenant, corrected)
        return invoice_document(
            invoice, rows, numbers, self._catalog.snapshot(invoice.tenant), self._now_us()
        )


def _too_much(invoice: Invoice, found: str, most: str) -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "number", f"{invoice.name} has {found}, and such a document at most {most}: list its lines"
        )
    )
