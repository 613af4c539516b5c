"""Reserve, commit and release by a session, and the `with` block of both clients around them."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Self, TypedDict

from meterline.errors import (
    EngineUnavailableError,
    InvalidArgumentError,
    InvalidRequestError,
    RequestFailedError,
)
from meterline.events import Event, Properties, PropertyScalar
from meterline.interruption import Interruption
from meterline.reservations import (
    Reservation,
    ReservationState,
    commit_frame,
    commit_request,
    end_error,
    ended_here,
    granted,
    granted_unreachable,
    read_reservation,
    release_request,
    reserve_error,
    reserve_request,
)
from meterline.session import Session
from meterline.transport import COMMIT_RESERVATION, RELEASE_RESERVATION, RESERVE_USAGE

Quantity = Decimal | int | str
TTL_DEFAULT = timedelta(minutes=5)
# Of one attempt to end a reservation: an event is durable within it, or the engine is in trouble.
_ATTEMPT_S = 10.0
# A block that ends gives back for no longer than this: what it can't expires by itself.
EXIT_RETRY_TIMEOUT_S = 2.0


class ReserveKeywords(TypedDict, total=False):
    """What a reservation may say besides whose it is, of which limit and how much."""

    ttl: timedelta
    reservation_id: str | None
    timeout_s: float
    allow_unknown: bool


def reserve(  # noqa: PLR0913 - as `Client.reserve`
    session: Session,
    customer_id: str,
    limit: str,
    quantity: Quantity,
    *,
    ttl: timedelta = TTL_DEFAULT,
    reservation_id: str | None = None,
    timeout_s: float = 2.0,
    allow_unknown: bool = False,
    stop: Interruption | None = None,
) -> Reservation:
    """See `Client.reserve`."""
    made_id = session.new_id() if reservation_id is None else reservation_id
    request = reserve_request(made_id, customer_id, limit, quantity, ttl)
    try:
        response = session.ask(RESERVE_USAGE, request.SerializeToString(), timeout_s, stop)
    except EngineUnavailableError as error:
        access = session.access.answer(customer_id, [limit], error, allow_unknown=allow_unknown)
        return granted_unreachable(request, access, time.time_ns() // 1_000)
    except RequestFailedError as error:
        raise reserve_error(error) from None
    session.access.remember(customer_id, [response.access])
    return granted(response)


def commit(
    session: Session,
    reservation: Reservation,
    event: Event,
    retry_timeout_s: float,
    stop: Interruption | None = None,
) -> Reservation:
    """See `Client.commit`."""
    frame = commit_frame(reservation, event)
    if not reservation.is_from_engine:
        session.sender.add(frame)
        return ended_here(reservation, ReservationState.COMMITTED)
    request = commit_request(reservation, frame)
    try:
        answer = session.ask(COMMIT_RESERVATION, request, _ATTEMPT_S, stop, retry_timeout_s)
    except RequestFailedError as error:
        raise end_error(error) from None
    return read_reservation(answer.reservation)


def release(
    session: Session, reservation: Reservation, retry_timeout_s: float, stop: Interruption | None = None
) -> Reservation:
    """See `Client.release`."""
    if not reservation.is_from_engine:
        return ended_here(reservation, ReservationState.RELEASED)
    request = release_request(reservation)
    try:
        answer = session.ask(RELEASE_RESERVATION, request, _ATTEMPT_S, stop, retry_timeout_s)
    except RequestFailedError as error:
        raise end_error(error) from None
    return read_reservation(answer.reservation)


class _Block:
    """What a `with` block knows of its reservation. `amount_property`: where its event has the amount; None: nowhere."""

    def __init__(self, event_type: str, amount_property: str | None) -> None:
        self._event_type, self._amount_property = event_type, amount_property
        self._reservation: Reservation | None = None
        # Once a commit was tried nothing is given back: it may have been made, and its usage was.
        self._is_committed = False

    @contextlib.contextmanager
    def _committing(self) -> Iterator[None]:
        self._is_committed = True
        try:
            yield
        except (InvalidArgumentError, InvalidRequestError):
            # Nothing was sent, or nothing of it stands.
            self._is_committed = False
            raise

    @property
    def reservation(self) -> Reservation:
        """As it was granted. Raises InvalidArgumentError before the block."""
        if self._reservation is None:
            raise InvalidArgumentError("the reservation has not begun: use it in a `with` block")
        return self._reservation

    def _event(self, amount: PropertyScalar | None, properties: Properties | None) -> Event:
        made = dict(properties or {})
        if amount is not None:
            if self._amount_property is None:
                raise InvalidArgumentError(
                    "an amount is given, and no property that has it: say amount_property when you reserve, "
                    "or give properties"
                )
            made[self._amount_property] = amount
        return Event(self.reservation.customer_id, self._event_type, made)


class ReservedWork(_Block):
    """The block of `Client.reservation`."""

    def __init__(
        self,
        reserve: Callable[[], Reservation],
        commit: Callable[[Reservation, Event], Reservation],
        release: Callable[[Reservation], Reservation],
        event_type: str,
        amount_property: str | None,
    ) -> None:
        super().__init__(event_type, amount_property)
        self._reserve, self._commit, self._release = reserve, commit, release

    def commit(
        self, amount: PropertyScalar | None = None, properties: Properties | None = None
    ) -> Reservation:
        """Record the usage that the work made, and give the rest back; see `Client.commit`, whose errors it raises."""
        event = self._event(amount, properties)
        with self._committing():
            return self._commit(self.reservation, event)

    def __enter__(self) -> Self:
        self._reservation = self._reserve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_committed:
            # What can't be given back now expires; an error of the work is the one to be heard.
            with contextlib.suppress(EngineUnavailableError if kind is None else RequestFailedError):
                self._release(self.reservation)


class AsyncReservedWork(_Block):
    """The block of `AsyncClient.reservation`."""

    def __init__(
        self,
        reserve: Callable[[], Awaitable[Reservation]],
        commit: Callable[[Reservation, Event], Awaitable[Reservation]],
        release: Callable[[Reservation], Awaitable[Reservation]],
        event_type: str,
        amount_property: str | None,
    ) -> None:
        super().__init__(event_type, amount_property)
        self._reserve, self._commit, self._release = reserve, commit, release

    async def commit(
        self, amount: PropertyScalar | None = None, properties: Properties | None = None
    ) -> Reservation:
        """As `ReservedWork.commit`. Cancelled: it may have been made, and nothing is given back."""
        event = self._event(amount, properties)
        with self._committing():
            return await self._commit(self.reservation, event)

    async def __aenter__(self) -> Self:
        self._reservation = await self._reserve()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_committed:
            with contextlib.suppress(EngineUnavailableError if kind is None else RequestFailedError):
                await self._release(self.reservation)
