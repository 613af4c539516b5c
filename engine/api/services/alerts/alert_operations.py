"""The rows of AlertService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.alerts.alert_service import AlertService
from engine.api.services.alerts.customer_alert_service import CustomerAlertService
from meterline.v1.alerts_pb2 import (
    ListAlertCrossingsRequest,
    ListCustomerAlertsRequest,
    SetCustomerBudgetRequest,
)


def alert_operations(
    alerts: AlertService, customer_alerts: CustomerAlertService
) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "AlertService.ListAlertCrossings",
            ListAlertCrossingsRequest,
            alerts.list_alert_crossings,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
        Operation(
            "AlertService.ListCustomerAlerts",
            ListCustomerAlertsRequest,
            customer_alerts.list_customer_alerts,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
        Operation(
            "AlertService.SetCustomerBudget",
            SetCustomerBudgetRequest,
            customer_alerts.set_customer_budget,
            Scope.BUDGET,
            CALL,
            customer_of=lambda request: request.customer_id or None,
            audit=lambda request: f"customer {request.customer_id}",
        ),
    )
