"""Builds reservations: what is used, what is held, and the one way in for the events of commits."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.api.services.entitlements.commit_events import CommitEvents
from engine.api.services.entitlements.entitlement_service import EntitlementService
from engine.api.services.entitlements.reservation_service import ReservationService
from engine.app.reading import Reading
from engine.app.recording import Recording
from engine.app.stores import Stores
from engine.entitlements.limit_usage import LimitUsage
from engine.entitlements.reservation_store import ReservationStore
from engine.entitlements.reservations import Reservations
from ingest import Limits


@dataclass(frozen=True, slots=True)
class Reserving:
    """`reservations` is upkeep, too."""

    reservations: Reservations
    entitlement_service: EntitlementService
    reservation_service: ReservationService


def build_reserving(
    stores: Stores, recording: Recording, reading: Reading, limits: Limits, now_us: Callable[[], int]
) -> Reserving:
    store = ReservationStore(stores.database)
    events = CommitEvents(recording.recorder, recording.admission_for, limits, now_us)
    reservations = Reservations(
        reading.rater,
        LimitUsage(reading.rater, reading.periods),
        store,
        stores.usage,
        events.record,
        now_us,
    )
    return Reserving(
        reservations,
        EntitlementService(reservations),
        ReservationService(reservations, store, events),
    )
