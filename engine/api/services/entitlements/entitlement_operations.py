"""The rows of EntitlementService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.entitlements.entitlement_service import EntitlementService
from meterline.v1 import entitlements_pb2 as pb


def entitlement_operations(entitlements: EntitlementService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "EntitlementService.CheckAccess",
            pb.CheckAccessRequest,
            entitlements.check_access,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
    )
