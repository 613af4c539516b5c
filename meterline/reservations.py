"""Quota that running work holds: reserved before it, committed with the usage that it made, or released.

Rules:
1. A reservation's id is made once, here, if the caller gives none, and every repeat sends the same bytes. The event of a commit has the
   reservation's id, and the time at which it was reserved, unless the caller gives others: so a repeat is the same event, in this process
   or in the next, which reserves again under the same id and is given the same reservation.
2. A refusal is an error: work that goes on without looking at an answer would spend what nobody granted.
3. While no engine can be reached, the limit says whether work may begin, as it does for `check_access`. Such a reservation holds nothing,
   and its commit records the event in the background, as `record` does: nothing is refused of usage that was made.
4. A commit is tried for `retry_timeout_s`, over a restart of the engine, too. One that failed may have been made: what it would give back
   is not released, and the same commit may be made again.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from grpc import StatusCode

from meterline.arguments import asked_text, epoch_us, time_of
from meterline.errors import (
    InvalidArgumentError,
    RequestFailedError,
    ReservationConflictError,
    ReservationEndedError,
    ReservationRefusedError,
)
from meterline.events import Event
from meterline.reads.access import UNREACHABLE, Access, FeatureAccess, read_feature
from meterline.sending.messages import encode
from meterline.v1 import entitlements_pb2 as pb
from meterline.v1.usage_pb2 import RecordUsageRequest

_SECOND = timedelta(seconds=1)
_TTL_MAX_S = 86_400
_STATE_PREFIX = "RESERVATION_STATE_"
_NOTHING = Decimal(0)


class ReservationState(StrEnum):
    """What became of a reservation."""

    PENDING = "pending"
    """It holds its quantity, until it expires."""
    COMMITTING = "committing"
    """Its event will be stored for certain, and is being stored."""
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


_STATES = {f"{_STATE_PREFIX}{each.name}": each for each in ReservationState}


@dataclass(frozen=True, slots=True)
class Reservation:
    """A quantity of a limit that was granted, as it was when the engine answered.

    `committed_quantity` is what its commit took of it. `is_from_engine` is False where no engine could be reached and the limit says that
    work may go on then: it holds nothing, and `reserved_at` is of this process's clock.
    """

    reservation_id: str
    customer_id: str
    limit: str
    quantity: Decimal
    state: ReservationState
    committed_quantity: Decimal
    reserved_at: datetime
    expires_at: datetime
    is_from_engine: bool


def reserve_request(
    reservation_id: str, customer_id: str, limit: str, quantity: Decimal | int | str, ttl: timedelta
) -> pb.ReserveUsageRequest:
    """Raises InvalidArgumentError."""
    if not isinstance(ttl, timedelta):
        raise InvalidArgumentError(f"ttl is a {type(ttl).__name__}: give a timedelta")
    ttl_s = ttl // _SECOND
    if not 1 <= ttl_s <= _TTL_MAX_S:
        raise InvalidArgumentError(f"ttl is {ttl}: a reservation holds for a second to a day")
    return pb.ReserveUsageRequest(
        reservation_id=asked_text("reservation_id", reservation_id),
        customer_id=asked_text("customer_id", customer_id),
        limit=asked_text("limit", limit),
        quantity=quantity_text(quantity),
        ttl_s=ttl_s,
    )


def quantity_text(quantity: object) -> str:
    """An exact decimal, as it travels. Raises InvalidArgumentError."""
    if isinstance(quantity, bool) or not isinstance(quantity, Decimal | int | str):
        raise InvalidArgumentError(
            f"quantity is a {type(quantity).__name__} ({quantity!r:.80}): give an int, a Decimal or a str"
        )
    try:
        found = Decimal(quantity)
    except ArithmeticError:
        raise InvalidArgumentError(f"quantity {quantity!r:.80} is not a number") from None
    if not found.is_finite() or abs(found.adjusted()) > 100:
        raise InvalidArgumentError(f"quantity is {quantity!r:.80}: give a finite number")
    return format(found, "f")


def granted(response: pb.ReserveUsageResponse) -> Reservation:
    """What was granted. Raises ReservationRefusedError."""
    access = read_feature(response.access)
    if not response.granted:
        state = _state(response.reservation) if response.HasField("reservation") else None
        raise _refused(access, state)
    return read_reservation(response.reservation)


def granted_unreachable(request: pb.ReserveUsageRequest, access: Access, now_us: int) -> Reservation:
    """In the place of an engine that can't be reached (rule 3). Raises ReservationRefusedError."""
    feature = access.features[request.limit]
    if not feature.allowed:
        raise _refused(feature, None)
    return Reservation(
        request.reservation_id,
        request.customer_id,
        request.limit,
        Decimal(request.quantity),
        ReservationState.PENDING,
        _NOTHING,
        time_of(now_us),
        time_of(now_us + request.ttl_s * 1_000_000),
        is_from_engine=False,
    )


def read_reservation(message: pb.Reservation) -> Reservation:
    """The engine's answer as a value."""
    return Reservation(
        message.reservation_id,
        message.customer_id,
        message.limit,
        Decimal(message.quantity),
        _state(message),
        Decimal(message.committed_quantity or 0),
        message.reserved_at.ToDatetime(UTC),
        message.expires_at.ToDatetime(UTC),
        is_from_engine=True,
    )


def commit_frame(reservation: Reservation, event: Event) -> bytes:
    """The event of a commit as it would be recorded (rule 1). Raises InvalidArgumentError."""
    if event.customer_id != reservation.customer_id:
        raise InvalidArgumentError(
            f"the event is of {event.customer_id!r:.80}: the reservation is of {reservation.customer_id!r}"
        )
    time = reservation.reserved_at if event.event_time is None else event.event_time
    event_id = reservation.reservation_id if event.event_id is None else event.event_id
    return encode(event.customer_id, event.event_type, event.properties, event_id, epoch_us(time))


def commit_request(reservation: Reservation, frame: bytes) -> bytes:
    """A serialized CommitReservationRequest."""
    (event,) = RecordUsageRequest.FromString(frame).events
    request = pb.CommitReservationRequest(reservation_id=reservation.reservation_id, event=event)
    return request.SerializeToString(deterministic=True)


def release_request(reservation: Reservation) -> bytes:
    """A serialized ReleaseReservationRequest."""
    return pb.ReleaseReservationRequest(reservation_id=reservation.reservation_id).SerializeToString()


def ended_here(reservation: Reservation, state: ReservationState) -> Reservation:
    """One that no engine knows, after its commit or release."""
    quantity = reservation.quantity if state is ReservationState.COMMITTED else _NOTHING
    return replace(reservation, state=state, committed_quantity=quantity)


def reserve_error(error: RequestFailedError) -> RequestFailedError:
    """As a caller of `reserve` is told it."""
    is_conflict = error.code is StatusCode.ALREADY_EXISTS
    return ReservationConflictError(str(error), code=error.code) if is_conflict else error


def end_error(error: RequestFailedError) -> RequestFailedError:
    """As a caller of `commit` or `release` is told it."""
    is_ended = error.code is StatusCode.FAILED_PRECONDITION
    return ReservationEndedError(str(error), code=error.code) if is_ended else reserve_error(error)


def _refused(access: FeatureAccess, state: ReservationState | None) -> ReservationRefusedError:
    if state is not None:
        said = f"the reservation is {state.value}: reserve under another id"
        return ReservationRefusedError(said, refusal=state.value, access=access)
    refusal = access.refusal or "limit_reached"
    why = {
        "limit_reached": "not so much of the limit is left",
        UNREACHABLE: "no engine can be reached, and the limit is closed then",
    }.get(refusal, refusal.replace("_", " "))
    return ReservationRefusedError(f"{access.feature}: {why}", refusal=refusal, access=access)


def _state(message: pb.Reservation) -> ReservationState:
    return _STATES[pb.ReservationState.Name(message.state)]
