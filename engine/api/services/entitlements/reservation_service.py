"""Reservations of EntitlementService: quota that running work holds."""

from decimal import Decimal
from typing import Final

from engine.api.messages import decimal_text, fitting
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.entitlements.commit_events import CommitEvents
from engine.api.services.entitlements.entitlement_messages import access_message
from engine.catalog.limits import ID_BYTES_MAX
from engine.entitlements.reservation import Reservation, ReservationState
from engine.entitlements.reservation_store import ReservationStore
from engine.entitlements.reservations import Reservations
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from fields import DecimalNumber
from meterline.v1 import entitlements_pb2 as pb

_TTL_DEFAULT_S: Final = 5 * 60
# Work of more than a day reserves again.
_TTL_MAX_S: Final = 24 * 60 * 60
_PAGE_SIZES: Final = (250, 1_000)
_QUANTITY: Final = DecimalNumber(positive=True, integer_digits=18, fraction_digits=12)
_STATES: Final = {
    ReservationState.PENDING: pb.RESERVATION_STATE_PENDING,
    ReservationState.COMMITTING: pb.RESERVATION_STATE_COMMITTING,
    ReservationState.COMMITTED: pb.RESERVATION_STATE_COMMITTED,
    ReservationState.RELEASED: pb.RESERVATION_STATE_RELEASED,
    ReservationState.EXPIRED: pb.RESERVATION_STATE_EXPIRED,
}
_NAMES: Final = {message: state for state, message in _STATES.items()}


class ReservationService:
    """Reserves, commits and releases."""

    def __init__(self, reservations: Reservations, store: ReservationStore, events: CommitEvents) -> None:
        self._reservations = reservations
        self._store = store
        self._events = events

    def reserve_usage(self, request: pb.ReserveUsageRequest, call: Call) -> pb.ReserveUsageResponse:
        ttl_s = request.ttl_s or _TTL_DEFAULT_S
        mistakes = [
            *stored_text_mistakes("reservation_id", request.reservation_id, ID_BYTES_MAX),
            *stored_text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX),
            *stored_text_mistakes("limit", request.limit, ID_BYTES_MAX),
        ]
        if ttl_s > _TTL_MAX_S:
            mistakes.append(FieldMistake("ttl_s", f"is {ttl_s}: at most {_TTL_MAX_S}, a day"))
        quantity = Decimal(0)
        try:
            quantity = _QUANTITY.read(request.quantity)
        except ValueError as error:
            mistakes.append(FieldMistake("quantity", str(error)))
        raise_all(mistakes)
        found = self._reservations.reserve(
            call.tenant, request.reservation_id, request.customer_id, request.limit, quantity, ttl_s
        )
        reservation = found.reservation
        return pb.ReserveUsageResponse(
            granted=found.is_granted,
            reservation=None if reservation is None else reservation_message(reservation),
            access=access_message(found.access),
        )

    def commit_reservation(
        self, request: pb.CommitReservationRequest, call: Call
    ) -> pb.CommitReservationResponse:
        raise_all(stored_text_mistakes("reservation_id", request.reservation_id, ID_BYTES_MAX))
        if not request.HasField("event"):
            raise InvalidRequestError(FieldMistake("event", "is missing: the usage that the work has made"))
        event = self._events.read(request.event, call)
        found = self._reservations.commit(call.tenant, request.reservation_id, event)
        return pb.CommitReservationResponse(reservation=reservation_message(found))

    def release_reservation(
        self, request: pb.ReleaseReservationRequest, call: Call
    ) -> pb.ReleaseReservationResponse:
        raise_all(stored_text_mistakes("reservation_id", request.reservation_id, ID_BYTES_MAX))
        found = self._reservations.release(call.tenant, request.reservation_id)
        return pb.ReleaseReservationResponse(reservation=reservation_message(found))

    def list_reservations(
        self, request: pb.ListReservationsRequest, call: Call
    ) -> pb.ListReservationsResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        customer = request.customer_id
        raise_all(stored_text_mistakes("customer_id", customer, ID_BYTES_MAX, may_be_empty=True))
        states = [_NAMES[each].value for each in request.states if each in _NAMES]
        if len(states) < len(request.states):
            raise InvalidRequestError(FieldMistake("states", "names a state that there isn't"))
        listing, before = question_digest(request), None
        if request.page_token:
            at_us, reservation_id = opened(request.page_token, listing, int, str)
            before = int(at_us), str(reservation_id)
        # One more says whether there is another page.
        found = self._store.listed(call.tenant, customer, states, before, size + 1)
        messages = fitting(reservation_message(each) for each in found[:size])
        response = pb.ListReservationsResponse(reservations=messages)
        if len(found) > len(messages):
            last = found[len(messages) - 1]
            response.next_page_token = sealed(listing, last.reserved_at_us, last.reservation_id)
        return response


def reservation_message(reservation: Reservation) -> pb.Reservation:
    return pb.Reservation(
        reservation_id=reservation.reservation_id,
        customer_id=reservation.customer_id,
        limit=reservation.limit_id,
        state=_STATES[reservation.state],
        quantity=decimal_text(reservation.quantity),
        committed_quantity=decimal_text(reservation.committed_quantity),
        reserved_at=to_timestamp(reservation.reserved_at_us),
        expires_at=to_timestamp(reservation.expires_at_us),
    )
