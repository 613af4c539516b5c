"""Invoices and their lines as messages of the wire contract, and back: what a request names."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from engine.api.messages import add_tiers, money_text
from engine.billing.accounts.amounts import text_of
from engine.billing.accounts.document_numbers import invoice_number, read_invoice_number
from engine.billing.accounts.invoice_states import InvoiceState, state_at
from engine.billing.closing.booked_lines import amount_texts
from engine.billing.closing.invoice import (
    SUMS,
    Invoice,
    InvoiceTotal,
)
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.rated_again import MODELS, rated_again
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import datetime_us, to_timestamp
from meterline.v1 import invoices_pb2 as pb
from meterline.v1.credit_notes_pb2 import CreateCreditNoteRequest
from meterline.v1.receivables_pb2 import WriteOffInvoiceRequest

_STATES: Final = {
    InvoiceState.ISSUED: pb.INVOICE_STATE_ISSUED,
    InvoiceState.VOID: pb.INVOICE_STATE_VOID,
    InvoiceState.PARTLY_PAID: pb.INVOICE_STATE_PARTLY_PAID,
    InvoiceState.PAID: pb.INVOICE_STATE_PAID,
    InvoiceState.OVERDUE: pb.INVOICE_STATE_OVERDUE,
    InvoiceState.UNCOLLECTIBLE: pb.INVOICE_STATE_UNCOLLECTIBLE,
}
_STATE_OF: Final[Mapping[int, InvoiceState | None]] = {number: state for state, number in _STATES.items()} | {
    pb.INVOICE_STATE_UNSPECIFIED: None
}
_INVOICE_ID: Final = re.compile("[0-9a-f]{32}")
_SAME: Final = (
    *("line_number", "kind", "line_item_id", "subscription_id", "plan_id", "plan_version", "price_id"),
    *("price_version", "model", "meter_id", "meter_version", "product", "currency"),
    *("quantity", "billable_quantity", "exact_amount", "event_count", "event_digest"),
)
_INSTANTS: Final = ("period_start", "period_end", "service_start", "service_end")


def invoice_message(invoice: Invoice, now_us: int) -> pb.Invoice:
    """As it is at an instant."""
    key, details = invoice.key, json.loads(invoice.billing_details)
    return pb.Invoice(
        invoice_id=invoice.invoice_id,
        number=invoice.name,
        state=_STATES[state_at(invoice.state, invoice.due_at_us, now_us)],
        customer_id=key.customer_id,
        currency=key.currency,
        period_start=to_timestamp(key.start_us),
        period_end=to_timestamp(key.end_us),
        amounts=amounts_message(invoice.sums),
        line_count=invoice.line_count,
        issued_at=to_timestamp(invoice.issued_at_us),
        close_id=invoice.close_id,
        as_of=to_timestamp(invoice.as_of_us),
        catalog_revision=invoice.catalog_revision,
        voided_at=to_timestamp(invoice.voided_at_us) if invoice.voided_at_us else None,
        void_reason=invoice.void_reason,
        due_at=to_timestamp(invoice.due_at_us),
        payment_terms_days=invoice.payment_terms_days,
        part=invoice.part,
        figures=pb.InvoiceFigures(
            **{
                name.removesuffix("_minor"): text_of(minor, key.currency)
                for name, minor in invoice.figures._asdict().items()
            }
        ),
        # Their fields are those of the messages.
        **{who: pb.BillingParty(**details[who]) for who in ("customer", "seller") if details.get(who)},
    )


def total_message(currency: str, total: InvoiceTotal) -> pb.InvoiceTotal:
    return pb.InvoiceTotal(currency=currency, invoice_count=total.count, amounts=amounts_message(total.sums))


def amounts_message(sums: Mapping[str, Decimal]) -> pb.InvoiceAmounts:
    return pb.InvoiceAmounts(**{name: money_text(sums[name]) for name in SUMS})


def line_messages(
    invoice: Invoice, rows: pa.Table, numbers: Mapping[str, int], names: CatalogNames | None = None
) -> Iterator[pb.InvoiceLine]:
    """Of booked lines. `numbers`: of the invoices that they correct. `names`: None to leave their tiers out."""
    amounts = amount_texts(rows, invoice.key.currency)
    own = (invoice.key.start_us, invoice.key.end_us)
    listed = rows.to_pylist()
    rated = {} if names is None else rated_again(listed, own, names, MODELS)
    for place, row in enumerate(listed):
        corrected = row["corrects_invoice_id"]
        period = (datetime_us(row["period_start"]), datetime_us(row["period_end"]))
        fields: dict[str, Any] = {name: row[name] for name in _SAME}
        fields |= {name: to_timestamp(datetime_us(row[name])) for name in _INSTANTS}
        fields |= {name: texts[place] for name, texts in amounts.items()}
        message = pb.InvoiceLine(
            **fields,
            # A run corrects periods that ended before those that it bills.
            is_adjustment=period != own,
            corrects_number=invoice_number(numbers[corrected]) if corrected else "",
            dimensions=dict(row["dimensions"]),
        )
        if place in rated:
            add_tiers(message, rated[place])
        yield message


def state_number(state: InvoiceState) -> pb.InvoiceState:
    """As the wire has it."""
    return _STATES[state]


def asked_state(state: int) -> InvoiceState | None:
    """Raises InvalidRequestError for a number that is no state."""
    if state not in _STATE_OF:
        raise InvalidRequestError(FieldMistake("state", f"is {state}, which is not a state of invoices"))
    return _STATE_OF[state]


def named_invoice(
    request: pb.GetInvoiceRequest
    | pb.ListInvoiceLinesRequest
    | pb.GetInvoiceDocumentRequest
    | pb.VoidInvoiceRequest
    | WriteOffInvoiceRequest
    | CreateCreditNoteRequest,
) -> tuple[str, int]:
    """The id or the number that a request has; the other is empty, or 0.

    Raises:
        InvalidRequestError: it has both, or none, or not in their form.
    """
    if bool(request.invoice_id) == bool(request.number):
        raise InvalidRequestError(
            FieldMistake("number", "name an invoice by its number or by its invoice_id")
        )
    if request.invoice_id:
        if not _INVOICE_ID.fullmatch(request.invoice_id):
            raise InvalidRequestError(FieldMistake("invoice_id", "is not an id: 32 hexadecimal digits"))
        return request.invoice_id, 0
    number = read_invoice_number(request.number)
    if number is None:
        raise InvalidRequestError(FieldMistake("number", "is not a number such as INV-000042"))
    return "", number
