"""The stores of one engine: the catalog, and the usage store with its order of ingestion, in this process or shared."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.catalog.store import CatalogStore
from engine.cluster.data_directory import (
    DataDirectory,
    open_data_directory,
    open_shared_data_directory,
    start_turn_in,
)
from engine.cluster.database_locks import DatabaseLocks
from engine.cluster.deployment import EMBEDDED, POSTGRESQL, Deployment
from engine.cluster.deployment_database import claim_for_directory, open_deployment_database
from engine.cluster.locks import start_turn
from engine.cluster.shared_clock import SharedClock, Surroundings
from engine.errors import StartupError, StoreUnavailableError
from engine.sql.catalog_address import CatalogAddress
from engine.sql.database import Database, open_database
from engine.sql.postgresql import Writers
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.tables.durability import Durability
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock, IngestOrder


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the stores are. Embedded ones are in the directory `data`, unused if there is none."""

    data: Path
    usage: ServerAddress | None = None
    catalog: CatalogAddress | None = None

    @property
    def has_directory(self) -> bool:
        return self.usage is None or self.catalog is None


@dataclass(frozen=True, slots=True)
class UsageStores:
    """An open usage store with its order of ingestion, and the database of the catalog beside it."""

    deployment: Deployment
    database: Database
    usage: UsageStore
    order: IngestOrder


@dataclass(frozen=True, slots=True)
class Stores(UsageStores):
    """All that is kept."""

    catalog: CatalogStore


@dataclass(frozen=True, slots=True)
class Warming:
    """What is read back at the start: the newest events (EVENT_SCHEMA), at most so many, are given to `remember`."""

    events_max: int
    remember: Callable[[pa.RecordBatch], None]


@contextlib.contextmanager
def open_stores(
    placement: Placement, durability: Durability, warming: Warming, now_us: Callable[[], int]
) -> Iterator[Stores]:
    """Opens all stores and what their deployment shares besides, and marks it complete.

    Raises:
        StartupError: one of them can't be had.
    """
    with open_usage_stores(placement, durability, warming, now_us) as opened:
        catalog = CatalogStore(opened.database)
        catalog.load()
        opened.deployment.mark_complete()
        yield Stores(opened.deployment, opened.database, opened.usage, opened.order, catalog)


@contextlib.contextmanager
def open_usage_stores(
    placement: Placement, durability: Durability, warming: Warming, now_us: Callable[[], int]
) -> Iterator[UsageStores]:
    """Opens the usage store and the database beside it; they are complete with the catalog.

    Raises:
        StartupError: one of them can't be had.
    """
    opening = (
        _embedded(placement, durability, warming)
        if placement.usage is None
        else _shared(placement, placement.usage, durability, warming, now_us)
    )
    with opening as stores:
        yield stores


@contextlib.contextmanager
def _embedded(placement: Placement, durability: Durability, warming: Warming) -> Iterator[UsageStores]:
    with contextlib.ExitStack() as stack:
        elsewhere = EMBEDDED if placement.catalog is None else POSTGRESQL
        directory = stack.enter_context(open_data_directory(placement.data, elsewhere))
        database = _opened(stack, directory, placement.catalog)
        if placement.catalog is not None:
            identity = directory.identity(secrets.token_hex(16))
            claim_for_directory(database, placement.catalog.shown, identity)
        usage = stack.enter_context(
            contextlib.closing(UsageStore.open_embedded(directory.usage_path, durability))
        )
        if durability is Durability.POWER:
            # What is there may have been written in the other mode, and new directories above the tables have no
            # setting of their own.
            os.sync()
        try:
            warming.remember(usage.recent_events(warming.events_max))
            latest_us = max(usage.latest_stamp_us(), directory.watermark_ceiling_us())
        except StoreUnavailableError as error:
            raise StartupError(f"{directory.usage_path}: {error}") from error
        order = IngestClock(latest_us, directory.keep_watermark_ceiling)
        yield UsageStores(directory, database, usage, order)


@contextlib.contextmanager
def _shared(
    placement: Placement,
    server: ServerAddress,
    durability: Durability,
    warming: Warming,
    now_us: Callable[[], int],
) -> Iterator[UsageStores]:
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as starting:
        deployment, database = _shared_deployment(placement, server, stack, starting)
        usage = stack.enter_context(contextlib.closing(UsageStore.open_server(server, durability)))
        try:
            usage.claim(deployment.identity(secrets.token_hex(16)))
        except StoreUnavailableError as error:
            raise StartupError(f"{server.shown}: {error}") from error
        deployment.mark_complete()
        gateway = secrets.token_hex(8)
        stack.enter_context(deployment.gateways.joined(gateway))
        surroundings = Surroundings(
            now_us=now_us,
            sleep_ms=lambda ms: time.sleep(ms / 1000),
            call_off=usage.call_off,
            is_dead=deployment.gateways.is_dead,
        )
        quick = database.beside(power_safe=False, writers=Writers.INGEST_ORDER)
        stack.callback(quick.close)
        power_safe = database.beside(writers=Writers.INGEST_ORDER)
        stack.callback(power_safe.close)
        clock = SharedClock(
            quick,
            power_safe,
            gateway,
            surroundings,
            lease_us=server.patience.lease_s * 1_000_000,
            wait_ms_max=server.patience.watermark_timeout_s * 1_000,
        )
        try:
            # Before the clock joins in: what the hot window knows may be acknowledged as a duplicate.
            warming.remember(usage.recent_events(warming.events_max))
            clock.start(usage.latest_stamp_us(), alone=deployment.alone)
        except StoreUnavailableError as error:
            raise StartupError(f"{server.shown}: {error}") from error
        deployment.gateways.forget_dead()
        starting.close()
        yield UsageStores(deployment, database, usage, clock)


def _shared_deployment(
    placement: Placement,
    server: ServerAddress,
    stack: contextlib.ExitStack,
    starting: contextlib.ExitStack,
) -> tuple[Deployment, Database]:
    """Open until `stack` ends; nobody else starts until `starting` ends."""
    if placement.catalog is None:
        starting.enter_context(start_turn_in(placement.data))
        directory = stack.enter_context(open_shared_data_directory(placement.data, server.shown))
        return directory, _opened(stack, directory, None)
    database = open_database(placement.catalog.url)
    stack.callback(database.close)
    locks = stack.enter_context(contextlib.closing(DatabaseLocks(database)))
    shown = placement.catalog.shown
    starting.enter_context(start_turn(locks, shown))
    return open_deployment_database(database, locks, shown, server.shown), database


def _opened(
    stack: contextlib.ExitStack, directory: DataDirectory, address: CatalogAddress | None
) -> Database:
    database = open_database(directory.catalog_url if address is None else address.url)
    stack.callback(database.close)
    return database
