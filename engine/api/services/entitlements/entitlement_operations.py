"""The rows of EntitlementService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL, USAGE
from engine.api.operation import Operation
from engine.api.services.entitlements.entitlement_service import EntitlementService
from engine.api.services.entitlements.reservation_service import ReservationService
from meterline.v1 import entitlements_pb2 as pb


def entitlement_operations(
    entitlements: EntitlementService, reservations: ReservationService
) -> tuple[Operation[Any], ...]:
    """Reservations are part of what usage is recorded by, and as little audited as that."""
    return (
        Operation(
            "EntitlementService.CheckAccess",
            pb.CheckAccessRequest,
            entitlements.check_access,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
        Operation(
            "EntitlementService.ReserveUsage",
            pb.ReserveUsageRequest,
            reservations.reserve_usage,
            Scope.INGEST,
            CALL,
        ),
        Operation(
            "EntitlementService.CommitReservation",
            pb.CommitReservationRequest,
            reservations.commit_reservation,
            Scope.INGEST,
            USAGE,
        ),
        Operation(
            "EntitlementService.ReleaseReservation",
            pb.ReleaseReservationRequest,
            reservations.release_reservation,
            Scope.INGEST,
            CALL,
        ),
        Operation(
            "EntitlementService.ListReservations",
            pb.ListReservationsRequest,
            reservations.list_reservations,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
    )
