"""RetentionService: raw events expire."""

from engine.api.operation import Call
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us
from engine.upkeep.retention import Retention
from meterline.v1.retention_pb2 import ExpireUsageRequest, ExpireUsageResponse


class RetentionService:
    """Has usage expire on demand."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    def expire_usage(self, request: ExpireUsageRequest, call: Call) -> ExpireUsageResponse:
        before_us = optional_us(request, "before")
        if before_us is None:
            raise InvalidRequestError(
                FieldMistake("before", "is not set: name the first month whose events stay")
            )
        extent = self._retention.expire(call.tenant, before_us, dry_run=request.dry_run)
        return ExpireUsageResponse(
            event_count=extent.events,
            customer_count=extent.customers,
            kept_customer_count=extent.kept_customers,
            size_bytes=extent.size_bytes,
        )
