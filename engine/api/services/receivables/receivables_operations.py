"""The rows of ReceivablesService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.receivables.receivables_service import ReceivablesService
from meterline.v1.receivables_pb2 import (
    GetAccountRequest,
    ListAccountEntriesRequest,
    ListPaymentsRequest,
    RecordPaymentFailureRequest,
    RecordPaymentRequest,
    RecordRefundRequest,
    WriteOffInvoiceRequest,
)


def receivables_operations(receivables: ReceivablesService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "ReceivablesService.RecordPayment",
            RecordPaymentRequest,
            receivables.record_payment,
            Scope.BILL,
            CALL,
            audit=_payment,
        ),
        Operation(
            "ReceivablesService.RecordPaymentFailure",
            RecordPaymentFailureRequest,
            receivables.record_payment_failure,
            Scope.BILL,
            CALL,
            audit=_payment,
        ),
        Operation(
            "ReceivablesService.RecordRefund",
            RecordRefundRequest,
            receivables.record_refund,
            Scope.BILL,
            CALL,
            audit=lambda request: f"refund {request.refund_id}",
        ),
        Operation(
            "ReceivablesService.ListPayments",
            ListPaymentsRequest,
            receivables.list_payments,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "ReceivablesService.WriteOffInvoice",
            WriteOffInvoiceRequest,
            receivables.write_off_invoice,
            Scope.BILL,
            CALL,
            audit=lambda request: request.number or request.invoice_id,
        ),
        Operation(
            "ReceivablesService.GetAccount",
            GetAccountRequest,
            receivables.get_account,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "ReceivablesService.ListAccountEntries",
            ListAccountEntriesRequest,
            receivables.list_account_entries,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
    )


def _payment(request: RecordPaymentRequest | RecordPaymentFailureRequest) -> str:
    return f"payment {request.payment_id}"


def _customer(request: ListPaymentsRequest | GetAccountRequest | ListAccountEntriesRequest) -> str | None:
    return request.customer_id or None
