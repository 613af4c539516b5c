"""Credit notes as messages of the wire contract, and back: what a request names."""

import re
from collections.abc import Mapping
from typing import Final

from engine.api.messages import money_text
from engine.api.services.receivables.receivables_messages import amount_minor
from engine.billing.accounts.amounts import text_of
from engine.billing.accounts.document_numbers import invoice_number, read_credit_note_number
from engine.billing.closing.invoice import SUMS
from engine.billing.receivables.credit_note import LINES_MAX, AskedLine, LineAmounts
from engine.billing.receivables.credit_note_store import CreditNote, CreditNoteStore
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import to_timestamp
from meterline.v1 import credit_notes_pb2 as pb
from meterline.v1.invoices_pb2 import InvoiceAmounts

_CREDIT_NOTE_ID: Final = re.compile("[0-9a-f]{32}")


def credit_note_message(note: CreditNote) -> pb.CreditNote:
    return pb.CreditNote(
        credit_note_id=note.credit_note_id,
        number=note.name,
        state=pb.CREDIT_NOTE_STATE_VOID if note.is_void else pb.CREDIT_NOTE_STATE_ISSUED,
        invoice=invoice_number(note.invoice_number),
        invoice_id=note.invoice_id,
        customer_id=note.account.customer_id,
        currency=note.account.currency,
        amounts=InvoiceAmounts(**{name: money_text(note.sums[name]) for name in SUMS}),
        line_count=note.line_count,
        reason=note.reason,
        issued_at=to_timestamp(note.issued_at_us),
        voided_at=to_timestamp(note.voided_at_us) if note.voided_at_us else None,
        void_reason=note.void_reason,
    )


def line_messages(lines: Mapping[int, LineAmounts], currency: str) -> list[pb.CreditNoteLine]:
    return [
        pb.CreditNoteLine(
            line_number=number,
            **{name: text_of(getattr(each, name), currency) for name in LineAmounts.__slots__},
        )
        for number, each in lines.items()
    ]


def asked_lines(request: pb.CreateCreditNoteRequest, currency: str) -> list[AskedLine]:
    """Raises InvalidRequestError, which names the field."""
    if len(request.lines) > LINES_MAX:
        raise InvalidRequestError(
            FieldMistake("lines", f"are {len(request.lines):,}: name at most {LINES_MAX:,}")
        )
    return [
        AskedLine(
            each.line_number,
            amount_minor(f"lines[{place}].amount", each.amount, currency) if each.amount else None,
        )
        for place, each in enumerate(request.lines)
    ]


def named_credit_note(
    request: pb.GetCreditNoteRequest | pb.GetCreditNoteDocumentRequest | pb.VoidCreditNoteRequest,
) -> tuple[str, int]:
    """The id or the number that a request has; the other is empty, or 0.

    Raises:
        InvalidRequestError: it has both, or none, or not in their form.
    """
    if bool(request.credit_note_id) == bool(request.number):
        raise InvalidRequestError(
            FieldMistake("number", "name a credit note by its number or by its credit_note_id")
        )
    if request.credit_note_id:
        if not _CREDIT_NOTE_ID.fullmatch(request.credit_note_id):
            raise InvalidRequestError(FieldMistake("credit_note_id", "is not an id: 32 hexadecimal digits"))
        return request.credit_note_id, 0
    number = read_credit_note_number(request.number)
    if number is None:
        raise InvalidRequestError(FieldMistake("number", "is not a number such as CN-000001"))
    return "", number


def asked_credit_note(
    notes: CreditNoteStore, request: pb.GetCreditNoteRequest | pb.GetCreditNoteDocumentRequest, tenant: str
) -> CreditNote:
    """The note that a request names.

    Raises:
        InvalidRequestError: as `named_credit_note`.
        NotFoundError: there is none, or it is another customer's.
    """
    credit_note_id, number = named_credit_note(request)
    found = notes.note(tenant, credit_note_id, number)
    if request.customer_id and found.account.customer_id != request.customer_id:
        raise NotFoundError(f"there is no credit note {request.number or credit_note_id}")
    return found
