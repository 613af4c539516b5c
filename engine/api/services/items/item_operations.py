"""The rows of InvoiceItemService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.items.item_service import InvoiceItemService
from meterline.v1.invoice_items_pb2 import (
    CreateInvoiceItemRequest,
    DeleteInvoiceItemRequest,
    GetInvoiceItemRequest,
    ListInvoiceItemsRequest,
)


def item_operations(items: InvoiceItemService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "InvoiceItemService.CreateInvoiceItem",
            CreateInvoiceItemRequest,
            items.create_invoice_item,
            Scope.BILL,
            CALL,
            audit=lambda request: request.invoice_item_id,
        ),
        Operation(
            "InvoiceItemService.DeleteInvoiceItem",
            DeleteInvoiceItemRequest,
            items.delete_invoice_item,
            Scope.BILL,
            CALL,
            audit=lambda request: request.invoice_item_id,
        ),
        Operation(
            "InvoiceItemService.GetInvoiceItem",
            GetInvoiceItemRequest,
            items.get_invoice_item,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
        Operation(
            "InvoiceItemService.ListInvoiceItems",
            ListInvoiceItemsRequest,
            items.list_invoice_items,
            Scope.BILL,
            CALL,
            customer_of=_customer,
        ),
    )


def _customer(request: GetInvoiceItemRequest | ListInvoiceItemsRequest) -> str | None:
    return request.customer_id or None
