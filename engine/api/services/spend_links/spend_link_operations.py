"""The row of SpendLinkService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.spend_links.spend_link_service import SpendLinkService
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest


def spend_link_operations(links: SpendLinkService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "SpendLinkService.CreateSpendLink",
            CreateSpendLinkRequest,
            links.create_spend_link,
            Scope.BILL,
            CALL,
            audit=lambda request: f"customer {request.customer_id}",
        ),
    )
