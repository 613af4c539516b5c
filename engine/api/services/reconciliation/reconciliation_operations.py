"""The rows of ReconciliationService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.reconciliation.reconciliation_service import ReconciliationService
from meterline.v1.reconciliation_pb2 import ReconcileBillingRequest


def reconciliation_operations(reconciliation: ReconciliationService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "ReconciliationService.ReconcileBilling",
            ReconcileBillingRequest,
            reconciliation.reconcile_billing,
            Scope.BILL,
            CALL,
        ),
    )
