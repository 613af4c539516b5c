"""The rows of AlertService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.alerts.alert_service import AlertService
from meterline.v1.alerts_pb2 import ListAlertCrossingsRequest


def alert_operations(alerts: AlertService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "AlertService.ListAlertCrossings",
            ListAlertCrossingsRequest,
            alerts.list_alert_crossings,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
    )
