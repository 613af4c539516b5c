"""The rows of DraftInvoiceService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.drafts.draft_service import DraftInvoiceService
from meterline.v1 import draft_invoices_pb2 as pb


def draft_operations(drafts: DraftInvoiceService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "DraftInvoiceService.ListDraftInvoices",
            pb.ListDraftInvoicesRequest,
            drafts.list_draft_invoices,
            Scope.BILL,
            CALL,
        ),
        Operation(
            "DraftInvoiceService.GetDraftInvoice",
            pb.GetDraftInvoiceRequest,
            drafts.get_draft_invoice,
            Scope.BILL,
            CALL,
        ),
        Operation(
            "DraftInvoiceService.HoldDraftInvoice",
            pb.HoldDraftInvoiceRequest,
            drafts.hold_draft_invoice,
            Scope.BILL,
            CALL,
            # The service says the period and the reason.
            audit=lambda request: request.customer_id,
        ),
        Operation(
            "DraftInvoiceService.ReleaseDraftInvoice",
            pb.ReleaseDraftInvoiceRequest,
            drafts.release_draft_invoice,
            Scope.BILL,
            CALL,
            audit=lambda request: request.customer_id,
        ),
        Operation(
            "DraftInvoiceService.ApproveDraftInvoices",
            pb.ApproveDraftInvoicesRequest,
            drafts.approve_draft_invoices,
            Scope.BILL,
            CALL,
            audit=lambda request: request.approval_id,
        ),
    )
