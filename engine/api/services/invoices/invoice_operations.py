"""The rows of InvoiceService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.invoices.billing_settings_service import BillingSettingsService
from engine.api.services.invoices.document_service import DocumentService
from engine.api.services.invoices.invoice_service import InvoiceService
from meterline.v1.billing_settings_pb2 import (
    ClosingMode,
    GetBillingSettingsRequest,
    UpdateBillingSettingsRequest,
)
from meterline.v1.invoices_pb2 import (
    ClosePeriodsRequest,
    GetInvoiceDocumentRequest,
    GetInvoiceRequest,
    IssueThresholdInvoicesRequest,
    ListInvoiceLinesRequest,
    ListInvoicesRequest,
    VoidInvoiceRequest,
)


def invoice_operations(
    invoices: InvoiceService, documents: DocumentService, settings: BillingSettingsService
) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "BillingSettingsService.GetBillingSettings",
            GetBillingSettingsRequest,
            settings.get_billing_settings,
            Scope.BILL,
            CALL,
        ),
        Operation(
            "BillingSettingsService.UpdateBillingSettings",
            UpdateBillingSettingsRequest,
            settings.update_billing_settings,
            Scope.BILL,
            CALL,
            audit=_changed_settings,
        ),
        Operation(
            "InvoiceService.ClosePeriods",
            ClosePeriodsRequest,
            invoices.close_periods,
            Scope.BILL,
            CALL,
            # The service says the span, also of a call that names the run alone.
            audit=lambda request: request.close_id,
        ),
        Operation(
            "InvoiceService.IssueThresholdInvoices",
            IssueThresholdInvoicesRequest,
            invoices.issue_threshold_invoices,
            Scope.BILL,
            CALL,
            audit=lambda request: request.customer_id or "all customers",
        ),
        Operation(
            "InvoiceService.ListInvoices",
            ListInvoicesRequest,
            invoices.list_invoices,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "InvoiceService.GetInvoice",
            GetInvoiceRequest,
            invoices.get_invoice,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "InvoiceService.ListInvoiceLines",
            ListInvoiceLinesRequest,
            invoices.list_invoice_lines,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "InvoiceService.GetInvoiceDocument",
            GetInvoiceDocumentRequest,
            documents.get_invoice_document,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "InvoiceService.VoidInvoice",
            VoidInvoiceRequest,
            invoices.void_invoice,
            Scope.BILL,
            CALL,
            audit=lambda request: request.number or request.invoice_id,
        ),
    )


def _changed_settings(request: UpdateBillingSettingsRequest) -> str:
    automatic = request.closing_mode == ClosingMode.CLOSING_MODE_AUTOMATIC
    said = [f"close={'automatic' if automatic else 'manual'}"] if request.closing_mode else []
    said += [f"grace_s={request.grace_s}"] if request.HasField("grace_s") else []
    said += [f"review={'on' if request.review else 'off'}"] if request.HasField("review") else []
    return " ".join(said)


def _customer(
    request: ListInvoicesRequest | GetInvoiceRequest | ListInvoiceLinesRequest | GetInvoiceDocumentRequest,
) -> str | None:
    return request.customer_id or None
