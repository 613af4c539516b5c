"""The composition root: builds the parts, joins them, and takes them apart in the right order."""

import contextlib
import gc
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event as ThreadEvent

import pyarrow as pa
import structlog
from prometheus_client import start_http_server

from engine.admission_rules import AdmissionRules
from engine.api.billing_service import BillingService
from engine.api.catalog_service import CatalogService
from engine.api.correct_usage_service import CorrectUsageService
from engine.api.correction_service import CorrectionService
from engine.api.metering_service import MeteringParts, MeteringService
from engine.api.retention_service import RetentionService
from engine.api.server import Server, Services, check_address
from engine.api.spend_service import SpendService
from engine.api.usage_service import UsageService
from engine.billing.meter_usage import meters_to_roll_up
from engine.billing.rater import Rater
from engine.catalog.store import CatalogStore
from engine.cluster.upkeep_loop import UpkeepLoop
from engine.errors import StartupError, StoreUnavailableError
from engine.metrics import REGISTRY
from engine.retention import Retention, RetentionPolicy
from engine.usage.committer import Committer
from engine.usage.corrections import Corrections
from engine.usage.durability import Durability
from engine.usage.expire import Clock, Expire
from engine.usage.expiries import Expiries
from engine.usage.intake import Intake
from engine.usage.reconciler import Reconciler
from engine.usage.rollup_check import RollupCheck
from engine.usage.rollup_coverage import Coverages
from engine.usage.rollup_keeper import RollupKeeper
from engine.usage.rollups import Rollups
from engine.usage.server_address import ServerAddress
from engine.usage.usage_reader import UsageReader
from engine.usage.void_listener import VoidListener
from engine.usage_stores import UsageStores, Warming, open_usage_stores
from ingest import Fingerprinter, HotWindow, Limits

_log = structlog.get_logger(__name__)
# Running calls get this long at shutdown: several times the longest healthy insert.
_GRACE_S = 10
_STOP_POLL_S = 0.1
# Objects that a call leaves for the garbage collector are a few dozen, and small.
_GARBAGE_AFTER = 50_000
# What a broken merge was made from is kept for a minute (engine.usage.parts).
_DISK_WATCH_SLEEP_S = (5, 15)
# Identities that are read back at start, so that a reused id is still seen after a restart; about a second.
_WARM_EVENTS_MAX = 100_000
# Of the running hour every pass computes each slice again; what is younger is read from events, which is quick.
_ROLLUP_SLEEP_MIN_S = 30
# An expiry waits for a pass that runs; most take well under a second.
_TURN_PATIENCE_S = 60
_STOPPING_RETRY_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Options:
    """How one engine runs. Addresses are HOST:PORT; port 0 takes a free one. Without `usage_store` the events are
    embedded in the data directory; with it, other gateways may share both, and with `share_port` the port.
    """

    data: Path
    listen: str
    metrics_listen: str | None
    limits: Limits
    usage_store: ServerAddress | None = None
    share_port: bool = False
    durability: Durability = Durability.PROCESS
    raw_events_days_min: int = 400


def serve(options: Options, stop: ThreadEvent) -> None:
    """Serves until `stop` is set, then drains: what was acknowledged is stored, what waits is stored too.

    Raises:
        StartupError: the data directory, a port or a store can't be had.
    """
    # Arrow's own allocator gives pages back at once and faults them in again for the next group: 5% of the engine's CPU.
    pa.set_memory_pool(pa.system_memory_pool())
    # Before anything is written: a port that can't be had must not leave a new directory behind.
    check_address(options.listen, share_port=options.share_port)
    fingerprinter = Fingerprinter(secrets.token_bytes())
    window = HotWindow(options.limits.hot_window_events_max)
    warming = Warming(
        min(_WARM_EVENTS_MAX, options.limits.hot_window_events_max),
        lambda events: window.remember(fingerprinter.of(events)),
    )
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(
            open_usage_stores(options.data, options.usage_store, options.durability, warming, _now_us)
        )
        server = stack.enter_context(_running_server(stores, fingerprinter, window, options))
        metrics_port = stack.enter_context(_metrics(options.metrics_listen))
        server.start()
        # What is there by now stays: looking for garbage in it, after each few calls, took 2% of the CPU.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE_AFTER)
        _log.info(
            "serving",
            address=f"{options.listen.rpartition(':')[0]}:{server.port}",
            metrics_port=metrics_port,
            data=str(stores.directory.path),
            usage_store=stores.directory.usage_store,
            durability=options.durability.value,
        )
        # A signal may reach any of the process's threads, and an endless wait sleeps through one that reached
        # another: look again every so often.
        while not stop.wait(_STOP_POLL_S):
            pass
        _log.info("stopping")
    _log.info("stopped")


@contextlib.contextmanager
def _running_server(
    stores: UsageStores, fingerprinter: Fingerprinter, window: HotWindow, options: Options
) -> Iterator[Server]:
    """Everything behind the port. The server stops first, then the queue drains, then the stores close."""
    limits, usage, clock = options.limits, stores.usage, stores.order
    with contextlib.ExitStack() as stack:
        catalog = CatalogStore.open(stores.directory.catalog_url)
        stack.callback(catalog.close)
        stores.directory.mark_complete()
        committer = Committer(usage, window, clock, limits, _now_us)
        admission_for = AdmissionRules(catalog, limits, time.monotonic_ns).for_tenant
        intake = Intake(committer, admission_for, fingerprinter, limits, _now_us)
        reader = UsageReader(
            usage, Coverages(usage, time.monotonic_ns), expiries=Expiries(usage, time.monotonic_ns)
        )
        stopping = ThreadEvent()
        rater = Rater(catalog, reader, clock, _now_us)
        reconciler = Reconciler(usage, clock, _now_us)
        listener = VoidListener(usage, clock, _now_us, fingerprinter.of, committer.tell)
        corrections = Corrections(usage, clock, reconciler, _now_us, lambda: secrets.randbits(63))
        loops = [
            UpkeepLoop(
                "reconciler",
                reconciler,
                stores.directory.reconciler_lock,
                time.monotonic_ns,
                stop_within_s=None if options.usage_store is None else _GRACE_S,
            ),
            _rollups_loop(stores, catalog, reader),
        ]
        if usage.watch is not None:
            loops.append(
                UpkeepLoop(
                    "disk watch",
                    usage.watch,
                    stores.directory.disk_watch_lock,
                    time.monotonic_ns,
                    sleep_s=_DISK_WATCH_SLEEP_S,
                )
            )
        services = Services(
            usage=UsageService(intake),
            catalog=CatalogService(catalog, _now_us),
            spend=SpendService(rater),
            billing=BillingService(rater),
            correction=CorrectionService(usage, reconciler, clock, _now_us),
            metering=MeteringService(MeteringParts(catalog, usage, reader, clock), _now_us),
            correct_usage=CorrectUsageService(corrections, usage, rater, clock, admission_for, _now_us),
            retention=RetentionService(_retention(stores, catalog, reconciler, options, stopping)),
        )
        server = Server(
            services,
            options.listen,
            request_bytes_max=limits.request_bytes_max,
            share_port=options.share_port,
        )
        for loop in loops:
            loop.start()
            stack.callback(loop.stop)
        committer.start()
        stack.callback(committer.drain)
        listener.start()
        stack.callback(listener.stop)
        intake.start()
        stack.callback(intake.drain)
        stack.callback(server.stop, _GRACE_S)
        stack.callback(stopping.set)
        yield server


def _retention(
    stores: UsageStores,
    catalog: CatalogStore,
    reconciler: Reconciler,
    options: Options,
    stopping: ThreadEvent,
) -> Retention:
    def pause_s(seconds: int) -> None:
        if stopping.wait(seconds):
            raise StoreUnavailableError(
                "the engine is shutting down", retry_after_ms=_STOPPING_RETRY_AFTER_MS
            )

    rollups = Rollups(stores.usage, stores.order, _now_us, is_stopping=stopping.is_set)
    return Retention(
        catalog,
        Expire(stores.usage, rollups, reconciler, Clock(stores.order, _now_us, pause_s)),
        RetentionPolicy(options.raw_events_days_min),
        lambda: stores.directory.rollups_turn(_TURN_PATIENCE_S),
        _now_us,
        pause_s,
    )


def _rollups_loop(stores: UsageStores, catalog: CatalogStore, reader: UsageReader) -> UpkeepLoop:
    stopping = ThreadEvent()
    rollups = Rollups(stores.usage, stores.order, _now_us, is_stopping=stopping.is_set)
    keeper = RollupKeeper(
        rollups,
        RollupCheck(stores.usage, rollups, reader, random.SystemRandom()),
        lambda: [
            meter for tenant in catalog.tenants() for meter in meters_to_roll_up(catalog.snapshot(tenant))
        ],
        lambda: stores.directory.rollups_turn(0),
    )
    return UpkeepLoop(
        "rollups",
        keeper,
        stores.directory.rollups_lock,
        time.monotonic_ns,
        sleep_s=(_ROLLUP_SLEEP_MIN_S, None),
        stopping=stopping,
    )


@contextlib.contextmanager
def _metrics(listen: str | None) -> Iterator[int | None]:
    if listen is None:
        yield None
        return
    host, _, port = listen.rpartition(":")
    try:
        http, thread = start_http_server(int(port), addr=host, registry=REGISTRY)
    except (OSError, ValueError, OverflowError) as error:
        raise StartupError(
            f"{listen}: can't serve metrics there: {error}; name another HOST:PORT with --metrics-listen "
            "(each gateway needs its own), or turn them off with --no-metrics"
        ) from error
    try:
        yield int(http.server_port)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _now_us() -> int:
    return time.time_ns() // 1000
