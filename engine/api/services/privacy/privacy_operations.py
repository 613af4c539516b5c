"""The rows of PrivacyService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.privacy.privacy_service import PrivacyService
from meterline.v1.privacy_pb2 import EraseCustomerRequest, ExportCustomerRequest, ListErasuresRequest


def privacy_operations(privacy: PrivacyService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "PrivacyService.ExportCustomer",
            ExportCustomerRequest,
            privacy.export_customer,
            Scope.ADMIN,
            CALL,
            # The first page says who was exported; of whom nothing is held, no id is written down.
            audit=lambda request: None if request.page_token else "",
        ),
        Operation(
            "PrivacyService.EraseCustomer",
            EraseCustomerRequest,
            privacy.erase_customer,
            Scope.ADMIN,
            CALL,
            # Never the customer's id: the service says the pseudonym.
            audit=lambda request: None if request.dry_run else "",
        ),
        Operation(
            "PrivacyService.ListErasures",
            ListErasuresRequest,
            privacy.list_erasures,
            Scope.ADMIN,
            CALL,
        ),
    )
