"""Quota held while work runs: reserved before it, committed with the usage that it made, or released.

What is promised: of a hard limit no reservation is granted beyond the bound. At each grant the usage that was acknowledged
before the call began, what is held besides it, and the quantity that is asked for are at most the bound.

Rules:
1. A commit records the usage itself. First its event is kept with the reservation, in the transaction that ends the state
   pending (the claim); then it is recorded as any event is; then the reservation gets the watermark that has it. After the
   claim the event will be recorded for certain, by whoever finishes it: the caller who repeats the commit, or the upkeep of
   any gateway. However often it is recorded, it is the same event, and counts once.
2. So each quantity is held or used at every instant, and may be both for a moment, which is safe: a reservation holds
   against every read of usage as of a watermark before its own, and a read as of a later one has its event.
3. A grant reads usage as of a watermark W first, and then, in a transaction that no other grant, commit or expiry runs beside,
   sums up what is held against W. What was held when W was asked for and isn't any more was either released, expired, or
   has a watermark that W includes.
4. Time ends a reservation only in a transaction that says so (expired): gateways whose clocks differ never disagree about it.
   A claim ends its time: what is being committed does not expire.
5. What an event comes to is computed by the meter's own SQL before the claim, and is never more than was reserved. The event
   lies in the billing period in which it was reserved, or in a later one that has begun, against whose limit it was held, too.
   Which period that is, W decides, and no clock: watermarks rise at all gateways together. A grant that finds another in a
   later period is made anew.
6. Only meters that count or sum can be reserved: of others nobody knows what one more event adds. Of a limit of spend an
   amount is held until the event is stored; what it costs is what rating says, and the caller reserves the most that it may.
7. Usage that is recorded without a reservation is never refused. It counts at the next grant, and may pass the bound.
8. An event that admission refuses is stored nowhere: its reservation is pending again.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol

import structlog

from engine.billing.meter_usage import find_meter, measure_of
from engine.billing.rater import Rater, Snapshot
from engine.entitlements.access import FeatureAccess, access_to
from engine.entitlements.entitled import HeldLimit, entitled_at
from engine.entitlements.limit_usage import LimitUsage
from engine.entitlements.reservation import NEVER_US, Reservation, ReservationState
from engine.entitlements.reservation_store import ReservationStore
from engine.errors import (
    FieldMistake,
    InvalidRequestError,
    LimitExceededError,
    QueueFullError,
    RetryLaterError,
    log_text,
)
from engine.metrics import METRICS
from engine.usage.facts.single_event import (
    amount_of_any_event,
    event_amount_query,
    read_event_amount,
)
from engine.usage.store.usage_store import UsageStore

_log = structlog.get_logger(__name__)
_US: Final = 1_000_000
# A commit that takes longer than this is finished by upkeep, if its caller doesn't come again.
_CLAIM_AGE_US: Final = 10 * _US
_AT_ONCE: Final = 100
# In the place of a credential, where no call finishes a commit.
_UPKEEP: Final = "engine"
_OUTCOMES: Final = ("granted", "refused", "committed", "released", "expired")
# As long as a producer may send an event again by default.
_FORGOTTEN_AFTER_US: Final = 35 * 24 * 60 * 60 * _US


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event as it would be stored. request: a RecordUsageRequest with it, in canonical bytes. credential: who sent it."""

    request: bytes
    customer_id: str
    event_type: str
    event_time_us: int
    properties: dict[str, str]
    credential: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """mistakes: why it was not stored; none for one that is, and is in every read as of the watermark `as_of_us`."""

    as_of_us: int
    mistakes: Sequence[FieldMistake] = ()


class EventRecorder(Protocol):
    """Records a RecordUsageRequest with one event, which a credential sent."""

    def __call__(self, tenant: str, request: bytes, credential: str) -> StoredEvent: ...


@dataclass(frozen=True, slots=True)
class ReserveResult:
    """reservation: None where it was refused. access: to the limit, with it. is_granted: whether work may begin, or go on: of a repeat
    not where the reservation was released or has expired since.
    """

    reservation: Reservation | None
    access: FeatureAccess
    is_granted: bool = False


class Reservations:
    """Reserves, commits, releases. Thread-safe."""

    def __init__(
        self,
        rater: Rater,
        usage: LimitUsage,
        store: ReservationStore,
        usage_store: UsageStore,
        record: EventRecorder,
        now_us: Callable[[], int],
    ) -> None:
        self._rater = rater
        self._usage = usage
        self._store = store
        self._usage_store = usage_store
        self._record = record
        self._now_us = now_us
        for outcome in _OUTCOMES:
            # There from the start: a rate needs a first value.
            METRICS.reservations.labels(outcome)

    def access(
        self, tenant: str, customer_id: str, names: Sequence[str]
    ) -> tuple[list[FeatureAccess], Snapshot]:
        """To these features, or all that the customer's plans name.

        Raises:
            NotFoundError: no such customer.
        """
        snapshot = self._rater.snapshot(tenant, None, None)
        entitled = entitled_at(snapshot.catalog, customer_id, snapshot.at_us)
        asked = names or entitled.names()
        wanted = set(asked)
        limits = [each for each in entitled.limits if each.limit.id in wanted]
        used = self._usage.used(snapshot, customer_id, limits)
        held = self._store.held(tenant, customer_id, snapshot.as_of_us, self._now_us()) if limits else {}
        return access_to(asked, entitled, used, held), snapshot

    def reserve(
        self, tenant: str, reservation_id: str, customer_id: str, limit_id: str, quantity: Decimal, ttl_s: int
    ) -> ReserveResult:
        """Holds a quantity of a limit for so long.

        Raises:
            NotFoundError: no such customer.
            InvalidRequestError: the limit can't be reserved (rule 6).
            IdempotencyKeyUsedError: the id is that of another reservation.
        """
        snapshot = self._snapshot(tenant)
        entitled = entitled_at(snapshot.catalog, customer_id, snapshot.at_us)
        limits = entitled.limits_of(limit_id)
        if not limits:
            (access,) = access_to([limit_id], entitled, {}, {})
            if access.refusal is None:
                raise InvalidRequestError(FieldMistake("limit", f"{limit_id!r} is a feature, not a limit"))
            return ReserveResult(None, access)
        _check_reservable(snapshot, limits)
        used = self._usage.used(snapshot, customer_id, limits)
        now_us = self._now_us()
        asked = Reservation(
            tenant=tenant,
            reservation_id=reservation_id,
            customer_id=customer_id,
            limit_id=limit_id,
            state=ReservationState.PENDING,
            quantity=quantity,
            committed_quantity=None,
            ttl_s=ttl_s,
            window_start_us=max(each.start_us for each in limits),
            reserved_at_us=now_us,
            expires_at_us=now_us + ttl_s * _US,
            ended_at_us=now_us,
            open_until_us=NEVER_US,
            event="",
            event_digest="",
        )

        def has_room(held: Decimal) -> bool:
            (found,) = access_to([limit_id], entitled, used, {limit_id: held})
            return all(each.has_room_for(quantity) for each in found.limits if each.held.limit.is_hard)

        reservation, held = self._store.reserve(asked, snapshot.as_of_us, has_room)
        METRICS.reservations.labels("refused" if reservation is None else "granted").inc()
        (access,) = access_to([limit_id], entitled, used, {limit_id: held})
        is_granted = reservation is not None and reservation.is_granted(now_us)
        return ReserveResult(reservation, access, is_granted)

    def commit(self, tenant: str, reservation_id: str, event: SentEvent) -> Reservation:
        """Records the event that the work has made, and gives back what it doesn't come to.

        Raises:
            NotFoundError, IdempotencyKeyUsedError, ReservationStateError, InvalidRequestError: in the order of
                engine.entitlements.reservation.
            StoreUnavailableError: the event is not stored yet; it will be.
        """
        known = self._store.get(tenant, reservation_id)
        digest = hashlib.sha256(event.request).hexdigest()
        if known.event_digest:
            known.check_event(digest)
            return (
                known if known.state is ReservationState.COMMITTED else self._finish(known, event.credential)
            )
        known.check_pending("committed", self._now_us())
        quantity = self._checked_quantity(known, event)
        claimed = self._store.claim(
            tenant,
            reservation_id,
            base64.b64encode(event.request).decode("ascii"),
            digest,
            quantity,
            self._now_us(),
        )
        return (
            claimed
            if claimed.state is ReservationState.COMMITTED
            else self._finish(claimed, event.credential)
        )

    def release(self, tenant: str, reservation_id: str) -> Reservation:
        """Gives all of it back.

        Raises:
            NotFoundError, ReservationStateError: as engine.entitlements.reservation.
        """
        before = self._store.get(tenant, reservation_id).state
        found = self._store.release(tenant, reservation_id, self._now_us())
        if before is not found.state:
            METRICS.reservations.labels(found.state.value).inc()
        return found

    def next_pass(self) -> None:
        """Upkeep: ends what has expired, finishes commits whose gateway died, forgets what ended long ago."""
        now_us = self._now_us()
        METRICS.reservations.labels(ReservationState.EXPIRED.value).inc(self._store.expire(now_us))
        self._finish_claimed(now_us - _CLAIM_AGE_US)
        self._store.forget(now_us - _FORGOTTEN_AFTER_US)
        METRICS.open_reservations.set(self._store.open_count())

    def _finish_claimed(self, claimed_before_us: int) -> None:
        """Commits whose gateway died, the oldest first; those of a tenant that may not record now wait for a later pass, and
        hold up nobody else's.
        """
        waiting: set[str] = set()
        while claimed := self._store.unfinished(claimed_before_us, _AT_ONCE, waiting):
            known = len(waiting)
            for each in claimed:
                if each.tenant in waiting:
                    continue
                try:
                    self._finish(each, _UPKEEP)
                except InvalidRequestError as error:
                    _log.warning("a reservation's event was refused", error=log_text(error))
                except (LimitExceededError, QueueFullError):
                    # Its limit of events, or its share of the queue.
                    waiting.add(each.tenant)
                except RetryLaterError as error:
                    _log.warning("a commit of a reservation is not finished yet", error=log_text(error))
                    return
            if len(waiting) == known:
                return

    def _snapshot(self, tenant: str) -> Snapshot:
        """Of the billing periods that contain its watermark (rule 5)."""
        snapshot = self._rater.snapshot(tenant, None, None)
        return replace(snapshot, at_us=snapshot.as_of_us)

    def _finish(self, claimed: Reservation, credential: str) -> Reservation:
        stored = self._record(claimed.tenant, base64.b64decode(claimed.event), credential)
        now_us = self._now_us()
        if stored.mistakes:
            self._store.rejected(claimed, now_us)
            raise InvalidRequestError(*stored.mistakes)
        METRICS.reservations.labels(ReservationState.COMMITTED.value).inc()
        return self._store.committed(claimed, stored.as_of_us, now_us)

    def _checked_quantity(self, known: Reservation, event: SentEvent) -> Decimal:
        """What the event takes of the reservation (rule 5). Raises InvalidRequestError."""
        snapshot = self._snapshot(known.tenant)
        catalog = snapshot.catalog
        own = {
            known.customer_id,
            *catalog.customers.aliases_of([known.customer_id]).get(known.customer_id, ()),
        }
        if event.customer_id not in own:
            raise _event_mistake("customer_id", f"is not the reservation's, {known.customer_id!r}")
        if event.event_time_us < known.window_start_us:
            raise _event_mistake("event_time", "is before the billing period in which it was reserved")
        limits = entitled_at(catalog, known.customer_id, snapshot.at_us).limits_of(known.limit_id)
        if any(event.event_time_us >= each.end_us for each in limits):
            raise _event_mistake("event_time", "is in a billing period that has not begun")
        meters = {each.limit.meter for each in limits}
        # Of a limit of spend all of it is held until the event is stored (rule 6).
        holds_money = None in meters
        amounts = [self._amount(snapshot, meter, event) for meter in meters if meter is not None]
        if not amounts:
            # Of spend, or of a limit that the customer has no more.
            return known.quantity
        quantity = max(amounts)
        if min(amounts) < 0:
            raise _event_mistake("properties", "come to less than 0: record it without a reservation")
        if quantity > known.quantity:
            raise _event_mistake(
                "properties",
                f"come to {format(quantity.normalize(), 'f')}, more than the {format(known.quantity, 'f')} that were reserved",
            )
        return known.quantity if holds_money else quantity

    def _amount(self, snapshot: Snapshot, meter_id: str, event: SentEvent) -> Decimal:
        measure = measure_of(snapshot.catalog.tenant, find_meter(snapshot.catalog, meter_id).resource)
        amount = None
        if measure.event_type == event.event_type:
            amount = amount_of_any_event(measure)
            if amount is None:
                query = event_amount_query(measure, event.properties)
                amount = read_event_amount(self._usage_store.query(query))
        if amount is None:
            raise _event_mistake(
                "event_type", f"or properties: the event doesn't count for the meter {meter_id!r}"
            )
        return amount


def _check_reservable(snapshot: Snapshot, limits: Sequence[HeldLimit]) -> None:
    for each in limits:
        if each.limit.meter is not None:
            meter = find_meter(snapshot.catalog, each.limit.meter).resource
            if not meter.is_additive:
                raise InvalidRequestError(
                    FieldMistake(
                        "limit",
                        f"is of the meter {meter.id!r}, of which nothing can be reserved: it doesn't count or sum within a "
                        "billing period",
                    )
                )


def _event_mistake(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(f"event.{field}", message))
