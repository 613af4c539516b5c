"""Builds what runs in the background, and what a person may start by hand beside it: settling ids, expiry, backups."""

import contextlib
import importlib.metadata
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event as ThreadEvent

from engine.api.services.invoices.invoice_service import InvoiceParts
from engine.app.entitlements.reserving import Reserving
from engine.app.reading import Reading, build_reconciliation
from engine.app.stores import Stores
from engine.app.watching.watch_loops import alerts_loop, top_ups_loop
from engine.app.webhooks import Webhooks, build_webhooks
from engine.backup.backups import Backups, Copied
from engine.billing.automatic.automatic_close import AutomaticClose
from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.automatic.part_watch import PartWatch
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.closer import Closer
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.closing.unchanged import UnchangedCustomers
from engine.billing.meter_usage import measures_of
from engine.billing.rater import Rater
from engine.billing.receivables.overdue import OverdueInvoices
from engine.billing.reconciliation.daily_reconciliation import DailyReconciliation
from engine.billing.running_periods.part_biller import PartBiller
from engine.cluster.deployment import EMBEDDED
from engine.cluster.locks import (
    AUTOMATIC_CLOSE,
    BILLING_CHECK,
    DISK_WATCH,
    OVERDUE,
    PART_WATCH,
    RECONCILER,
    RESERVATIONS,
    ROLLUPS,
    rollups_turn,
)
from engine.cluster.upkeep_loop import Pace, UpkeepLoop
from engine.cluster.watermarks import read_watermark_us
from engine.entitlements.reservations import Reservations
from engine.erasure.erasures import Erasures, ErasureSurroundings
from engine.erasure.usage_erasure import UsageErasure
from engine.errors import StoreUnavailableError
from engine.sql.database import schema_of
from engine.upkeep.expire import Clock, Expire
from engine.upkeep.retention import Retention, RetentionPolicy
from engine.upkeep.rollup_check import RollupCheck
from engine.upkeep.rollup_keeper import RollupKeeper
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.rollups import Rollups

# A pass over a server may take minutes, and is made again if it is cut off: nobody waits longer for it at shutdown.
_PASS_GRACE_S = 10
# What a broken merge was made from is kept for a minute (engine.usage.store.tables.settings).
_DISK_WATCH_PACE = Pace(5, 15)
# Due dates are days; a pass over nothing is one small read.
_OVERDUE_PACE = Pace(10, 60)
# What a killed gateway left half committed is finished this soon; a pass over nothing is a few small statements.
_RESERVATIONS_PACE = Pace(5, 15)
# A pass is a few customers, or nothing: a run takes a twentieth of the time, however long it is.
_BILLING_CHECK_PACE = Pace(10)
# Periods are closed by the hour; a pass without any is one small read.
_AUTOMATIC_CLOSE_PACE = Pace(20, 300)
# A customer's usage grows all the time: who is to pay at a bound pays soon behind it. A pass over nothing new is one small read.
_PART_WATCH_PACE = Pace(5, 300)
# Of the running hour every pass computes each slice again; what is younger is read from events, which is quick.
_ROLLUP_PACE = Pace(30)
# An expiry, or a close, waits for a pass that runs; most take well under a second. Of a backup or another close it waits in calls of its own.
_TURN_PATIENCE_S = 60
_STOPPING_RETRY_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Upkeep:
    """`stopping` ends what waits for time to pass."""

    reconciler: Reconciler
    retention: Retention
    erasures: Erasures
    backups: Backups
    loops: Sequence[UpkeepLoop]
    webhooks: Webhooks
    closing: InvoiceParts
    reserving: Reserving
    stopping: ThreadEvent

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for loop in self.loops:
                loop.start()
                stack.callback(loop.stop)
            yield


def build_upkeep(
    stores: Stores,
    reading: Reading,
    reserving: Reserving,
    raw_events_days_min: int,
    backup_directory: Path | None,
    now_us: Callable[[], int],
    *,
    webhook_allow_private: bool,
) -> Upkeep:
    reconciler = Reconciler(stores.usage, stores.order, now_us)
    stopping = ThreadEvent()
    webhooks = build_webhooks(stores, now_us, allow_private=webhook_allow_private)
    closing = _closing(stores, reading.rater, now_us)
    return Upkeep(
        reconciler,
        _retention(stores, reconciler, raw_events_days_min, now_us, stopping),
        _erasures(stores, reading.usage, reconciler, now_us, stopping),
        _backups(stores, backup_directory, now_us),
        [
            _reconciler_loop(stores, reconciler),
            _rollups_loop(stores, reading.usage, now_us),
            *_disk_watch_loop(stores),
            _overdue_loop(stores, now_us),
            _reservations_loop(stores, reserving.reservations),
            _billing_check_loop(stores, now_us),
            _automatic_close_loop(stores, closing, now_us),
            alerts_loop(stores, reading.rater, now_us),
            top_ups_loop(stores, reading.rater, now_us),
            _part_watch_loop(stores, closing),
            webhooks.loop,
        ],
        webhooks,
        closing,
        reserving,
        stopping,
    )


def _closing(stores: Stores, rater: Rater, now_us: Callable[[], int]) -> InvoiceParts:
    invoices, booked = InvoiceStore(stores.database), BookedLines(stores.usage)
    unchanged = UnchangedCustomers(stores.database, stores.catalog, stores.usage)
    return InvoiceParts(
        BillingSettingsStore(stores.database),
        Closer(rater, invoices, booked, unchanged, now_us, secrets.token_hex),
        PartBiller(rater, invoices, booked, now_us, secrets.token_hex),
        invoices,
        booked,
        lambda: rollups_turn(stores.deployment.locks, _TURN_PATIENCE_S),
    )


def _reconciler_loop(stores: Stores, reconciler: Reconciler) -> UpkeepLoop:
    is_embedded = stores.deployment.usage_store == EMBEDDED
    return UpkeepLoop(
        "reconciler",
        reconciler,
        partial(stores.deployment.locks.try_hold, RECONCILER),
        time.monotonic_ns,
        stop_within_s=None if is_embedded else _PASS_GRACE_S,
    )


def _rollups_loop(stores: Stores, usage: UsageReader, now_us: Callable[[], int]) -> UpkeepLoop:
    stopping = ThreadEvent()
    rollups = Rollups(stores.usage, stores.order, now_us, is_stopping=stopping.is_set)
    catalog = stores.catalog
    keeper = RollupKeeper(
        rollups,
        RollupCheck(stores.usage, rollups, usage, random.SystemRandom()),
        lambda: [meter for tenant in catalog.tenants() for meter in measures_of(catalog.snapshot(tenant))],
        lambda: rollups_turn(stores.deployment.locks, 0),
    )
    return UpkeepLoop(
        "rollups",
        keeper,
        partial(stores.deployment.locks.try_hold, ROLLUPS),
        time.monotonic_ns,
        pace=_ROLLUP_PACE,
        stopping=stopping,
    )


def _overdue_loop(stores: Stores, now_us: Callable[[], int]) -> UpkeepLoop:
    return UpkeepLoop(
        "overdue invoices",
        OverdueInvoices(stores.database, now_us),
        partial(stores.deployment.locks.try_hold, OVERDUE),
        time.monotonic_ns,
        pace=_OVERDUE_PACE,
    )


def _reservations_loop(stores: Stores, reservations: Reservations) -> UpkeepLoop:
    is_embedded = stores.deployment.usage_store == EMBEDDED
    return UpkeepLoop(
        "reservations",
        reservations,
        partial(stores.deployment.locks.try_hold, RESERVATIONS),
        time.monotonic_ns,
        pace=_RESERVATIONS_PACE,
        stop_within_s=None if is_embedded else _PASS_GRACE_S,
    )


def _billing_check_loop(stores: Stores, now_us: Callable[[], int]) -> UpkeepLoop:
    return UpkeepLoop(
        "billing check",
        DailyReconciliation(
            stores.catalog,
            build_reconciliation(stores),
            now_us,
            lambda: read_watermark_us(stores.order, now_us(), None),
        ),
        partial(stores.deployment.locks.try_hold, BILLING_CHECK),
        time.monotonic_ns,
        pace=_BILLING_CHECK_PACE,
    )


def _automatic_close_loop(stores: Stores, closing: InvoiceParts, now_us: Callable[[], int]) -> UpkeepLoop:
    stopping = ThreadEvent()
    is_embedded = stores.deployment.usage_store == EMBEDDED
    return UpkeepLoop(
        "automatic close",
        AutomaticClose(closing.settings, closing.closer, closing.turn, now_us, stopping.is_set),
        partial(stores.deployment.locks.try_hold, AUTOMATIC_CLOSE),
        time.monotonic_ns,
        pace=_AUTOMATIC_CLOSE_PACE,
        stopping=stopping,
        stop_within_s=None if is_embedded else _PASS_GRACE_S,
    )


def _part_watch_loop(stores: Stores, closing: InvoiceParts) -> UpkeepLoop:
    stopping = ThreadEvent()
    is_embedded = stores.deployment.usage_store == EMBEDDED
    return UpkeepLoop(
        "threshold invoices",
        PartWatch(closing.settings, closing.biller, stores.usage, closing.turn, stopping.is_set),
        partial(stores.deployment.locks.try_hold, PART_WATCH),
        time.monotonic_ns,
        pace=_PART_WATCH_PACE,
        stopping=stopping,
        stop_within_s=None if is_embedded else _PASS_GRACE_S,
    )


def _disk_watch_loop(stores: Stores) -> Iterator[UpkeepLoop]:
    """None for a server, which watches its own disk."""
    if stores.usage.watch is not None:
        yield UpkeepLoop(
            "disk watch",
            stores.usage.watch,
            partial(stores.deployment.locks.try_hold, DISK_WATCH),
            time.monotonic_ns,
            pace=_DISK_WATCH_PACE,
        )


def _pause(stopping: ThreadEvent) -> Callable[[int], None]:
    def pause_s(seconds: int) -> None:
        if stopping.wait(seconds):
            raise StoreUnavailableError(
                "the engine is shutting down", retry_after_ms=_STOPPING_RETRY_AFTER_MS
            )

    return pause_s


def _erasures(
    stores: Stores,
    usage: UsageReader,
    reconciler: Reconciler,
    now_us: Callable[[], int],
    stopping: ThreadEvent,
) -> Erasures:
    rollups = Rollups(stores.usage, stores.order, now_us, is_stopping=stopping.is_set)
    return Erasures(
        stores.database,
        stores.catalog,
        UsageErasure(stores.usage, rollups, usage),
        reconciler,
        stores.order,
        ErasureSurroundings(
            lambda: rollups_turn(stores.deployment.locks, _TURN_PATIENCE_S),
            now_us,
            _pause(stopping),
            secrets.token_hex,
        ),
    )


def _retention(
    stores: Stores,
    reconciler: Reconciler,
    raw_events_days_min: int,
    now_us: Callable[[], int],
    stopping: ThreadEvent,
) -> Retention:
    pause_s = _pause(stopping)
    rollups = Rollups(stores.usage, stores.order, now_us, is_stopping=stopping.is_set)
    return Retention(
        stores.catalog,
        Expire(stores.usage, rollups, reconciler, Clock(stores.order, now_us, pause_s)),
        RetentionPolicy(raw_events_days_min),
        lambda: rollups_turn(stores.deployment.locks, _TURN_PATIENCE_S),
        now_us,
        pause_s,
    )


def _backups(stores: Stores, directory: Path | None, now_us: Callable[[], int]) -> Backups:
    deployment = stores.deployment
    return Backups(
        directory,
        Copied(
            stores.usage,
            stores.order,
            stores.database,
            partial(schema_of, stores.database),
            deployment.hash_key.read,
        ),
        lambda: rollups_turn(deployment.locks, _TURN_PATIENCE_S),
        now_us,
        importlib.metadata.version("meterline"),
    )
