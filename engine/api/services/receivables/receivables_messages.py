"""Payments, refunds and accounts as messages of the wire contract, and back: what a report says."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.billing.accounts.account import EntryKind
from engine.billing.accounts.account_store import AccountKey
from engine.billing.accounts.amounts import AMOUNT_MINOR_MAX, decimal_of, minor_of, text_of
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.receivables.payment import (
    ID_BYTES_MAX,
    INVOICES_MAX,
    TEXT_BYTES_MAX,
    Payment,
    PaymentReport,
    PaymentState,
    Refund,
)
from engine.billing.receivables.statement import AccountSummary, StatementEntry
from engine.catalog.limits import ID_BYTES_MAX as CUSTOMER_BYTES_MAX
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1 import receivables_pb2 as pb
from rating import minor_unit_digits

_AMOUNT: Final = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII)
_STATES: Final = {
    PaymentState.SUCCEEDED: pb.PAYMENT_STATE_SUCCEEDED,
    PaymentState.FAILED: pb.PAYMENT_STATE_FAILED,
}
_KINDS: Final = {
    EntryKind.INVOICE: pb.ACCOUNT_ENTRY_KIND_INVOICE,
    EntryKind.VOID: pb.ACCOUNT_ENTRY_KIND_INVOICE_VOID,
    EntryKind.CREDIT_NOTE: pb.ACCOUNT_ENTRY_KIND_CREDIT_NOTE,
    EntryKind.CREDIT_NOTE_VOID: pb.ACCOUNT_ENTRY_KIND_CREDIT_NOTE_VOID,
    EntryKind.PAYMENT: pb.ACCOUNT_ENTRY_KIND_PAYMENT,
    EntryKind.REFUND: pb.ACCOUNT_ENTRY_KIND_REFUND,
    EntryKind.WRITE_OFF: pb.ACCOUNT_ENTRY_KIND_WRITE_OFF,
    EntryKind.RECOVERY: pb.ACCOUNT_ENTRY_KIND_RECOVERY,
}


def asked_account(
    tenant: str, request: pb.GetAccountRequest | pb.ListAccountEntriesRequest | pb.RecordPaymentRequest
) -> AccountKey:
    """Raises InvalidRequestError, which names the fields."""
    raise_all([*_account_mistakes(request.customer_id, request.currency)])
    return AccountKey(tenant, request.customer_id, request.currency)


def payment_report(
    tenant: str, request: pb.RecordPaymentRequest | pb.RecordPaymentFailureRequest
) -> PaymentReport:
    """What a request reports. Raises InvalidRequestError, which names the fields."""
    reason = request.reason if isinstance(request, pb.RecordPaymentFailureRequest) else None
    mistakes = [
        *stored_text_mistakes("payment_id", request.payment_id, ID_BYTES_MAX),
        *_account_mistakes(request.customer_id, request.currency),
        *stored_text_mistakes("method", request.method, TEXT_BYTES_MAX, may_be_empty=True),
        *stored_text_mistakes("reference", request.reference, TEXT_BYTES_MAX, may_be_empty=True),
    ]
    if reason is not None:
        mistakes += stored_text_mistakes("reason", reason, TEXT_BYTES_MAX)
    if len(request.invoices) > INVOICES_MAX:
        mistakes.append(
            FieldMistake("invoices", f"names {len(request.invoices)} invoices: at most {INVOICES_MAX}")
        )
    for place, name in enumerate(request.invoices):
        mistakes += stored_text_mistakes(f"invoices[{place}]", name, ID_BYTES_MAX)
    raise_all(mistakes)
    return PaymentReport(
        account=AccountKey(tenant, request.customer_id, request.currency),
        payment_id=request.payment_id,
        amount_minor=amount_minor("amount", request.amount, request.currency),
        invoices=list(request.invoices),
        method=request.method,
        reference=request.reference,
        received_at_us=optional_us(request, "received_at"),
        state=PaymentState.SUCCEEDED if reason is None else PaymentState.FAILED,
        failure_reason=reason or "",
    )


def _account_mistakes(customer_id: str, currency: str) -> Iterator[FieldMistake]:
    yield from stored_text_mistakes("customer_id", customer_id, CUSTOMER_BYTES_MAX)
    try:
        minor_unit_digits(currency)
    except ValueError as error:
        yield FieldMistake("currency", str(error))


def amount_minor(field: str, text: str, currency: str) -> int:
    """Of a decimal string above 0, in minor units. Raises InvalidRequestError."""
    if not _AMOUNT.fullmatch(text):
        raise InvalidRequestError(
            FieldMistake(field, f"is {text[:64]!r}: write a decimal above 0, such as 12.00")
        )
    try:
        minor = minor_of(Decimal(text), currency)
    except ValueError as error:
        raise InvalidRequestError(FieldMistake(field, str(error))) from None
    if not 0 < minor <= AMOUNT_MINOR_MAX:
        most = decimal_of(AMOUNT_MINOR_MAX, currency)
        raise InvalidRequestError(FieldMistake(field, f"is {text}: must be above 0, and at most {most}"))
    return minor


def payment_message(payment: Payment) -> pb.Payment:
    def text(minor: int) -> str:
        return text_of(minor, payment.account.currency)

    return pb.Payment(
        payment_id=payment.payment_id,
        state=_STATES[payment.state],
        customer_id=payment.account.customer_id,
        currency=payment.account.currency,
        amount=text(payment.amount_minor),
        invoices=map(invoice_number, payment.invoice_numbers),
        method=payment.method,
        reference=payment.reference,
        failure_reason=payment.failure_reason,
        received_at=to_timestamp(payment.received_at_us),
        recorded_at=to_timestamp(payment.recorded_at_us),
        applied=[
            pb.AppliedPayment(invoice=invoice_number(number), amount=text(minor))
            for number, minor in payment.applied
        ],
        balance=text(payment.balance_minor),
        refunded=text(payment.refunded_minor),
    )


def refund_message(refund: Refund) -> pb.Refund:
    return pb.Refund(
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        customer_id=refund.account.customer_id,
        currency=refund.account.currency,
        amount=text_of(refund.amount_minor, refund.account.currency),
        reason=refund.reason,
        recorded_at=to_timestamp(refund.recorded_at_us),
    )


def account_message(summary: AccountSummary) -> pb.Account:
    def text(minor: int) -> str:
        return text_of(minor, summary.account.currency)

    return pb.Account(
        customer_id=summary.account.customer_id,
        currency=summary.account.currency,
        balance=text(summary.balance_minor),
        outstanding=text(summary.outstanding_minor),
        overdue=text(summary.overdue_minor),
        unused=text(summary.unused_minor),
        written_off=text(summary.written_off_minor),
        open_invoice_count=summary.open_invoice_count,
    )


def entry_message(entry: StatementEntry, currency: str, *, is_bound: bool) -> pb.AccountEntry:
    """`is_bound`: for the customer, whom why something was written off does not concern."""
    is_internal = is_bound and entry.kind is EntryKind.WRITE_OFF
    return pb.AccountEntry(
        recorded_at=to_timestamp(entry.recorded_at_us),
        kind=_KINDS[entry.kind],
        document=entry.document,
        invoice=entry.invoice,
        payment_id=entry.payment_id,
        amount=text_of(entry.amount_minor, currency),
        balance=text_of(entry.balance_minor, currency),
        reason="" if is_internal else entry.reason,
    )
