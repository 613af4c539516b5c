"""EntitlementService: what a customer may use now."""

from typing import Final

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.services.entitlements.entitlement_messages import access_message
from engine.catalog.limits import ID_BYTES_MAX
from engine.entitlements.reservations import Reservations
from engine.errors import FieldMistake
from engine.times import to_timestamp
from meterline.v1.entitlements_pb2 import CheckAccessRequest, CheckAccessResponse

# As many as the features and limits of a plan.
_FEATURES_MAX: Final = 300


class EntitlementService:
    """Checks access."""

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations

    def check_access(self, request: CheckAccessRequest, call: Call) -> CheckAccessResponse:
        mistakes = [*text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX)]
        if len(request.features) > _FEATURES_MAX:
            mistakes.append(
                FieldMistake("features", f"names {len(request.features)}: at most {_FEATURES_MAX} at once")
            )
        else:
            for place, name in enumerate(request.features):
                mistakes += text_mistakes(f"features[{place}]", name, ID_BYTES_MAX)
        raise_all(mistakes)
        found, snapshot = self._reservations.access(call.tenant, request.customer_id, request.features)
        return CheckAccessResponse(
            features=fitting(map(access_message, found)),
            as_of=to_timestamp(snapshot.as_of_us),
            catalog_revision=snapshot.catalog.revision,
        )
