"""The rows of ExplanationService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.explanations.explanation_service import ExplanationService
from meterline.v1.explanations_pb2 import ExplainLineItemRequest


def explanation_operations(explanations: ExplanationService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "ExplanationService.ExplainLineItem",
            ExplainLineItemRequest,
            explanations.explain_line_item,
            Scope.BILL,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
    )
