"""Reservations in the catalog database: each change in one transaction, and all of them in turn.

Writers of reservations wait for each other, of all gateways (engine.sql.postgresql.Writers; SQLite has one writer in all). So
what a transaction sums up is what stands until it ends. It survives power loss before anybody is told.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from engine.entitlements.reservation import NEVER_US, Reservation, ReservationState
from engine.errors import NotFoundError, StoreUnavailableError, TooManyReservationsError
from engine.sql.database import Database
from engine.sql.postgresql import Writers
from engine.sql.reservation_table import RESERVATIONS
from rating import EXACT

_C: Final = RESERVATIONS.c
_PENDING: Final = ReservationState.PENDING.value
# Each is summed up at every call about its customer.
OPEN_MAX: Final = 10_000
_RETRY_AFTER_MS: Final = 200


class ReservationStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database.beside(writers=Writers.RESERVATIONS)

    def held(self, tenant: str, customer_id: str, as_of_us: int, now_us: int) -> Mapping[str, Decimal]:
        """What is held of a customer's limits besides what is used as of a watermark, by their ids."""
        with self._database.reading() as connection:
            return _held(connection, tenant, customer_id, as_of_us, now_us)

    def reserve(
        self, asked: Reservation, as_of_us: int, has_room: Callable[[Decimal], bool]
    ) -> tuple[Reservation | None, Decimal]:
        """Makes a reservation, or finds it made; None where there is no room for it. And what its limit is held by now.

        has_room: whether there is room beside what is held, as of a watermark that was asked for before.

        Raises:
            IdempotencyKeyUsedError: the id is that of another one.
            TooManyReservationsError: the customer has OPEN_MAX that are open.
        """
        now_us = asked.reserved_at_us
        with self._database.writing() as connection:
            known = _found(connection, asked.tenant, asked.reservation_id)
            _expire(connection, now_us, _C.tenant == asked.tenant, _C.customer_id == asked.customer_id)
            held = _held(connection, asked.tenant, asked.customer_id, as_of_us, now_us)
            of_limit = held.get(asked.limit_id, Decimal(0))
            if known is not None:
                known.check_same(asked)
                return _one(connection, asked.tenant, asked.reservation_id), of_limit
            _check_window(connection, asked, as_of_us)
            if not has_room(of_limit):
                return None, of_limit
            open_count = connection.scalar(
                select(func.count()).where(
                    _C.tenant == asked.tenant,
                    _C.customer_id == asked.customer_id,
                    _C.open_until_us == NEVER_US,
                )
            )
            if int(open_count or 0) >= OPEN_MAX:
                raise TooManyReservationsError(
                    f"customer {asked.customer_id!r} has {OPEN_MAX} open reservations: commit or release some"
                )
            connection.execute(insert(RESERVATIONS).values(_row(asked)))
            return asked, EXACT.add(of_limit, asked.held)

    def get(self, tenant: str, reservation_id: str) -> Reservation:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return _one(connection, tenant, reservation_id)

    def claim(
        self, tenant: str, reservation_id: str, event: str, digest: str, quantity: Decimal, now_us: int
    ) -> Reservation:
        """From here on it is committed: its event is kept with it until it is stored, and what is left is given back.

        Raises:
            NotFoundError, IdempotencyKeyUsedError, ReservationStateError: as engine.entitlements.reservation.
        """
        with self._database.writing() as connection:
            known = _one(connection, tenant, reservation_id)
            if known.event_digest:
                known.check_event(digest)
                return known
            known.check_pending("committed", now_us)
            _change(
                connection,
                known,
                state=ReservationState.COMMITTING.value,
                committed_quantity=format(quantity, "f"),
                ended_at_us=now_us,
                event=event,
                event_digest=digest,
            )
            return _one(connection, tenant, reservation_id)

    def committed(self, claimed: Reservation, as_of_us: int, now_us: int) -> Reservation:
        """Its event is in every read as of this watermark."""
        with self._database.writing() as connection:
            known = _one(connection, claimed.tenant, claimed.reservation_id)
            if known.event_digest == claimed.event_digest and known.state is ReservationState.COMMITTING:
                _change(
                    connection,
                    known,
                    state=ReservationState.COMMITTED.value,
                    ended_at_us=now_us,
                    open_until_us=as_of_us,
                    event="",
                )
            return _one(connection, claimed.tenant, claimed.reservation_id)

    def rejected(self, claimed: Reservation, now_us: int) -> None:
        """Its event was stored nowhere, and never will be: it is what it was before the commit."""
        with self._database.writing() as connection:
            known = _found(connection, claimed.tenant, claimed.reservation_id)
            if (
                known is not None
                and known.event_digest == claimed.event_digest
                and known.state is ReservationState.COMMITTING
            ):
                _change(
                    connection,
                    known,
                    state=_PENDING,
                    committed_quantity="",
                    ended_at_us=now_us,
                    event="",
                    event_digest="",
                )

    def release(self, tenant: str, reservation_id: str, now_us: int) -> Reservation:
        """Gives all of it back.

        Raises:
            NotFoundError, ReservationStateError: as engine.entitlements.reservation.
        """
        with self._database.writing() as connection:
            known = _one(connection, tenant, reservation_id)
            # What has expired holds nothing any more, which is what is asked for.
            if known.state not in (ReservationState.RELEASED, ReservationState.EXPIRED):
                if known.is_overdue(now_us):
                    _expire(connection, now_us, _C.tenant == tenant, _C.reservation_id == reservation_id)
                else:
                    known.check_pending("released", now_us)
                    _change(
                        connection,
                        known,
                        state=ReservationState.RELEASED.value,
                        ended_at_us=now_us,
                        open_until_us=0,
                    )
            return _one(connection, tenant, reservation_id)

    def expire(self, now_us: int) -> int:
        """Ends all whose time is over; how many."""
        with self._database.writing() as connection:
            return _expire(connection, now_us)

    def unfinished(
        self, claimed_before_us: int, count: int, besides: Collection[str] = ()
    ) -> Sequence[Reservation]:
        """Commits whose event is not known to be stored, the oldest first; of all tenants besides these."""
        wanted = (
            select(RESERVATIONS)
            .where(_C.state == ReservationState.COMMITTING.value, _C.ended_at_us < claimed_before_us)
            .where(_C.tenant.not_in(sorted(besides)))
            .order_by(_C.ended_at_us)
            .limit(count)
        )
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(wanted)]

    def forget(self, ended_before_us: int) -> None:
        """Deletes those that have ended so long ago: a call about one of them finds none."""
        ended = [each.value for each in ReservationState if each.name in ("COMMITTED", "RELEASED", "EXPIRED")]
        with self._database.writing() as connection:
            connection.execute(
                delete(RESERVATIONS).where(_C.state.in_(ended), _C.ended_at_us < ended_before_us)
            )

    def open_count(self) -> int:
        """Of all tenants."""
        holding = (_PENDING, ReservationState.COMMITTING.value)
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.count()).where(_C.state.in_(holding))) or 0)

    def listed(
        self, tenant: str, customer_id: str, states: Sequence[str], before: tuple[int, str] | None, count: int
    ) -> list[Reservation]:
        """The newest first, those behind `before` (when reserved, id); of one customer, or of all."""
        wanted = select(RESERVATIONS).where(_C.tenant == tenant)
        if customer_id:
            wanted = wanted.where(_C.customer_id == customer_id)
        if states:
            wanted = wanted.where(_C.state.in_(states))
        if before is not None:
            at_us, reservation_id = before
            same = and_(_C.reserved_at_us == at_us, _C.reservation_id < reservation_id)
            wanted = wanted.where(or_(_C.reserved_at_us < at_us, same))
        order = (_C.reserved_at_us.desc(), _C.reservation_id.desc())
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(wanted.order_by(*order).limit(count))]


def _check_window(connection: Connection, asked: Reservation, as_of_us: int) -> None:
    """Raises StoreUnavailableError where somebody has reserved in a billing period that began after the watermark."""
    latest_us = connection.scalar(
        select(func.max(_C.window_start_us)).where(
            _C.tenant == asked.tenant, _C.customer_id == asked.customer_id, _C.limit_id == asked.limit_id
        )
    )
    if latest_us is not None and int(latest_us) > as_of_us:
        raise StoreUnavailableError(
            "a billing period has begun meanwhile: try again", retry_after_ms=_RETRY_AFTER_MS
        )


def _expire(connection: Connection, now_us: int, *which: Any) -> int:  # noqa: ANN401 - conditions of SQLAlchemy
    done = connection.execute(
        update(RESERVATIONS)
        .where(_C.state == _PENDING, _C.expires_at_us <= now_us, *which)
        .values(state=ReservationState.EXPIRED.value, ended_at_us=now_us, open_until_us=0)
    )
    return int(done.rowcount)


def _held(
    connection: Connection, tenant: str, customer_id: str, as_of_us: int, now_us: int
) -> dict[str, Decimal]:
    wanted = select(RESERVATIONS).where(
        _C.tenant == tenant, _C.customer_id == customer_id, _C.open_until_us > as_of_us
    )
    found: dict[str, Decimal] = {}
    for each in map(_read, connection.execute(wanted)):
        if not each.is_overdue(now_us):
            found[each.limit_id] = EXACT.add(found.get(each.limit_id, Decimal(0)), each.held)
    return found


def _found(connection: Connection, tenant: str, reservation_id: str) -> Reservation | None:
    wanted = select(RESERVATIONS).where(_C.tenant == tenant, _C.reservation_id == reservation_id)
    row = connection.execute(wanted).first()
    return None if row is None else _read(row)


def _one(connection: Connection, tenant: str, reservation_id: str) -> Reservation:
    found = _found(connection, tenant, reservation_id)
    if found is None:
        raise NotFoundError(f"there is no reservation {reservation_id!r}")
    return found


def _change(connection: Connection, known: Reservation, **values: object) -> None:
    connection.execute(
        update(RESERVATIONS)
        .where(_C.tenant == known.tenant, _C.reservation_id == known.reservation_id)
        .values(**values)
    )


def _row(reservation: Reservation) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(reservation, name) for name in _C.keys()}  # noqa: SIM118 - of columns
    committed = reservation.committed_quantity
    return found | {
        "state": reservation.state.value,
        "quantity": format(reservation.quantity, "f"),
        "committed_quantity": "" if committed is None else format(committed, "f"),
    }


def _read(row: Row[Any]) -> Reservation:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name for it
    committed = fields["committed_quantity"]
    return Reservation(
        **fields
        | {
            "state": ReservationState(fields["state"]),
            "quantity": Decimal(fields["quantity"]),
            "committed_quantity": Decimal(committed) if committed else None,
        }
    )
