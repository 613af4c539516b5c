"""The rows of CreditNoteService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.credit_notes.credit_note_service import CreditNoteService
from engine.api.services.invoices.document_service import DocumentService
from meterline.v1.credit_notes_pb2 import (
    CreateCreditNoteRequest,
    GetCreditNoteDocumentRequest,
    GetCreditNoteRequest,
    ListCreditNotesRequest,
    VoidCreditNoteRequest,
)


def credit_note_operations(
    notes: CreditNoteService, documents: DocumentService
) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "CreditNoteService.CreateCreditNote",
            CreateCreditNoteRequest,
            notes.create_credit_note,
            Scope.BILL,
            CALL,
            audit=lambda request: request.number or request.invoice_id,
        ),
        Operation(
            "CreditNoteService.VoidCreditNote",
            VoidCreditNoteRequest,
            notes.void_credit_note,
            Scope.BILL,
            CALL,
            audit=lambda request: request.number or request.credit_note_id,
        ),
        Operation(
            "CreditNoteService.GetCreditNote",
            GetCreditNoteRequest,
            notes.get_credit_note,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "CreditNoteService.GetCreditNoteDocument",
            GetCreditNoteDocumentRequest,
            documents.get_credit_note_document,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "CreditNoteService.ListCreditNotes",
            ListCreditNotesRequest,
            notes.list_credit_notes,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
    )


def _customer(
    request: GetCreditNoteRequest | GetCreditNoteDocumentRequest | ListCreditNotesRequest,
) -> str | None:
    return request.customer_id or None
