"""ReceivablesService: takes reports of money, writes off, shows accounts."""

from collections.abc import Callable
from typing import Final

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.invoices.invoice_messages import invoice_message, named_invoice
from engine.api.services.receivables.receivables_messages import (
    account_message,
    amount_minor,
    asked_account,
    entry_message,
    payment_message,
    payment_report,
    refund_message,
)
from engine.billing.accounts.account_store import AccountKey
from engine.billing.accounts.amounts import text_of
from engine.billing.closing.invoice import Invoice
from engine.billing.receivables.payment import ID_BYTES_MAX, TEXT_BYTES_MAX, RefundReport
from engine.billing.receivables.payment_store import PaymentStore
from engine.billing.receivables.statement import AccountSummary, StatementPlace, Statements
from engine.catalog.limits import ID_BYTES_MAX as CUSTOMER_BYTES_MAX
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import optional_us
from meterline.v1 import receivables_pb2 as pb

_PAGE_SIZES: Final = (250, 1_000)
WriteOff = Callable[[str, str, int, str, int], Invoice]


class ReceivablesService:
    """What was paid, and what is owed."""

    def __init__(
        self,
        payments: PaymentStore,
        statements: Statements,
        write_off: WriteOff,
        is_customer: Callable[[str, str], bool],
        now_us: Callable[[], int],
    ) -> None:
        """`write_off`: of a tenant's invoice, by id or number, with a reason, at an instant."""
        self._payments = payments
        self._statements = statements
        self._write_off = write_off
        self._is_customer = is_customer
        self._now_us = now_us

    def record_payment(self, request: pb.RecordPaymentRequest, call: Call) -> pb.RecordPaymentResponse:
        found = self._payments.record(payment_report(call.tenant, request), self._now_us())
        return pb.RecordPaymentResponse(payment=payment_message(found))

    def record_payment_failure(
        self, request: pb.RecordPaymentFailureRequest, call: Call
    ) -> pb.RecordPaymentFailureResponse:
        found = self._payments.record(payment_report(call.tenant, request), self._now_us())
        return pb.RecordPaymentFailureResponse(payment=payment_message(found))

    def record_refund(self, request: pb.RecordRefundRequest, call: Call) -> pb.RecordRefundResponse:
        raise_all(
            [
                *stored_text_mistakes("refund_id", request.refund_id, ID_BYTES_MAX),
                *stored_text_mistakes("payment_id", request.payment_id, ID_BYTES_MAX),
                *stored_text_mistakes("reason", request.reason, TEXT_BYTES_MAX),
            ]
        )
        currency = self._payments.currency_of(call.tenant, request.payment_id)
        amount = amount_minor("amount", request.amount, currency)
        report = RefundReport(call.tenant, request.refund_id, request.payment_id, amount, request.reason)
        refund, payment = self._payments.refund(report, self._now_us())
        return pb.RecordRefundResponse(refund=refund_message(refund), payment=payment_message(payment))

    def list_payments(self, request: pb.ListPaymentsRequest, call: Call) -> pb.ListPaymentsResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        customer = request.customer_id
        raise_all(stored_text_mistakes("customer_id", customer, CUSTOMER_BYTES_MAX, may_be_empty=True))
        listing, before = question_digest(request), None
        if request.page_token:
            at_us, payment_id = opened(request.page_token, listing, int, str)
            before = int(at_us), str(payment_id)
        # One more says whether there is another page.
        found = self._payments.payments(call.tenant, customer, before, size + 1)
        messages = fitting(payment_message(each) for each in found[:size])
        response = pb.ListPaymentsResponse(payments=messages)
        if len(found) > len(messages):
            last = found[len(messages) - 1]
            response.next_page_token = sealed(listing, last.recorded_at_us, last.payment_id)
        return response

    def write_off_invoice(self, request: pb.WriteOffInvoiceRequest, call: Call) -> pb.WriteOffInvoiceResponse:
        invoice_id, number = named_invoice(request)
        raise_all(stored_text_mistakes("reason", request.reason, TEXT_BYTES_MAX))
        now_us = self._now_us()
        found = self._write_off(call.tenant, invoice_id, number, request.reason, now_us)
        call.is_about(found.name)
        return pb.WriteOffInvoiceResponse(invoice=invoice_message(found, now_us))

    def get_account(self, request: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        key = asked_account(call.tenant, request)
        summary = self._statements.summary(key, self._now_us())
        if summary is None:
            self._check_known(key)
            summary = AccountSummary(key, 0, 0, 0, 0, 0, 0)
        return pb.GetAccountResponse(account=account_message(summary))

    def list_account_entries(
        self, request: pb.ListAccountEntriesRequest, call: Call
    ) -> pb.ListAccountEntriesResponse:
        key, size = asked_account(call.tenant, request), checked_size(request.page_size, *_PAGE_SIZES)
        span = optional_us(request, "recorded_from"), optional_us(request, "recorded_before")
        if span[0] is not None and span[1] is not None and span[1] <= span[0]:
            raise InvalidRequestError(FieldMistake("recorded_before", "must be after recorded_from"))
        listing, place = question_digest(request), None
        if request.page_token:
            after, until = opened(request.page_token, listing, int, int)
            place = StatementPlace(int(after), int(until))
        page = self._statements.page(key, span, place, size)
        if not page.until:
            self._check_known(key)
        is_bound = call.caller.customer_id is not None
        messages = fitting(entry_message(each, key.currency, is_bound=is_bound) for each in page.entries)
        ends = ((page.opening_minor, "opening_balance"), (page.closing_minor, "closing_balance"))
        response = pb.ListAccountEntriesResponse(
            entries=messages, **{name: text_of(minor, key.currency) for minor, name in ends}
        )
        if page.has_more or len(messages) < len(page.entries):
            behind = page.place_behind(len(messages))
            response.next_page_token = sealed(listing, behind.after, behind.until)
        return response

    def _check_known(self, key: AccountKey) -> None:
        """Raises NotFoundError for who is in no catalog, and owes nothing in this currency."""
        if not self._is_customer(key.tenant, key.customer_id):
            raise NotFoundError(f"there is no customer {key.customer_id!r}")
