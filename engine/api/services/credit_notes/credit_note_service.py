"""CreditNoteService: creates credit notes, shows and voids them."""

from collections.abc import Callable
from typing import Final

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.credit_notes.credit_note_messages import (
    asked_credit_note,
    asked_lines,
    credit_note_message,
    line_messages,
    named_credit_note,
)
from engine.api.services.invoices.invoice_messages import named_invoice
from engine.billing.accounts.document_numbers import read_invoice_number
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.receivables.credit_note import CreditNoteRequest
from engine.billing.receivables.credit_note_store import CreditNoteStore, creditable_lines
from engine.billing.receivables.payment import ID_BYTES_MAX, TEXT_BYTES_MAX
from engine.catalog.limits import ID_BYTES_MAX as CUSTOMER_BYTES_MAX
from engine.errors import FieldMistake, InvalidRequestError
from meterline.v1 import credit_notes_pb2 as pb

_PAGE_SIZES: Final = (250, 1_000)


class CreditNoteService:
    """What is given back."""

    def __init__(
        self,
        notes: CreditNoteStore,
        invoices: InvoiceStore,
        booked: BookedLines,
        now_us: Callable[[], int],
    ) -> None:
        self._notes = notes
        self._invoices = invoices
        self._booked = booked
        self._now_us = now_us

    def create_credit_note(
        self, request: pb.CreateCreditNoteRequest, call: Call
    ) -> pb.CreateCreditNoteResponse:
        invoice_id, number = named_invoice(request)
        key = request.idempotency_key
        raise_all(
            [
                *stored_text_mistakes("reason", request.reason, TEXT_BYTES_MAX),
                *stored_text_mistakes("idempotency_key", key, ID_BYTES_MAX),
            ]
        )
        invoice = self._invoices.invoice(call.tenant, invoice_id, number)
        lines = asked_lines(request, invoice.key.currency)
        asked = CreditNoteRequest(call.tenant, key, invoice.invoice_id, lines, request.reason)
        made = self._notes.create(
            asked, lambda: creditable_lines(self._booked.of_invoice(invoice)), self._now_us()
        )
        call.is_about(f"{made.name} of {invoice.name}")
        return pb.CreateCreditNoteResponse(credit_note=credit_note_message(made))

    def void_credit_note(self, request: pb.VoidCreditNoteRequest, call: Call) -> pb.VoidCreditNoteResponse:
        credit_note_id, number = named_credit_note(request)
        raise_all(stored_text_mistakes("reason", request.reason, TEXT_BYTES_MAX))
        voided = self._notes.void(call.tenant, credit_note_id, number, request.reason, self._now_us())
        call.is_about(voided.name)
        return pb.VoidCreditNoteResponse(credit_note=credit_note_message(voided))

    def get_credit_note(self, request: pb.GetCreditNoteRequest, call: Call) -> pb.GetCreditNoteResponse:
        found = asked_credit_note(self._notes, request, call.tenant)
        lines = self._notes.lines(call.tenant, found.credit_note_id)
        return pb.GetCreditNoteResponse(
            credit_note=credit_note_message(found), lines=line_messages(lines, found.account.currency)
        )

    def list_credit_notes(self, request: pb.ListCreditNotesRequest, call: Call) -> pb.ListCreditNotesResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        customer = request.customer_id
        raise_all(stored_text_mistakes("customer_id", customer, CUSTOMER_BYTES_MAX, may_be_empty=True))
        invoice_id = self._invoice_id(call.tenant, request.invoice) if request.invoice else ""
        listing = question_digest(request)
        before = int(opened(request.page_token, listing, int)[0]) if request.page_token else 0
        # One more says whether there is another page.
        found = self._notes.notes(call.tenant, customer, invoice_id, before, size + 1)
        messages = fitting(map(credit_note_message, found[:size]))
        response = pb.ListCreditNotesResponse(credit_notes=messages)
        if len(found) > len(messages):
            response.next_page_token = sealed(listing, found[len(messages) - 1].number)
        return response

    def _invoice_id(self, tenant: str, name: str) -> str:
        """Raises InvalidRequestError, NotFoundError."""
        number = read_invoice_number(name)
        if number is None:
            raise InvalidRequestError(FieldMistake("invoice", "is not a number such as INV-000042"))
        return self._invoices.invoice(tenant, number=number).invoice_id
