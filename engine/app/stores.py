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
    start_turn,
)
from engine.cluster.shared_clock import SharedClock, Surroundings
from engine.errors import StartupError, StoreUnavailableError
from engine.sql.database import open_database
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.tables.durability import Durability
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock, IngestOrder


@dataclass(frozen=True, slots=True)
class UsageStores:
    """An open usage store with its order of ingestion."""

    directory: DataDirectory
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
    path: Path,
    server: ServerAddress | None,
    durability: Durability,
    warming: Warming,
    now_us: Callable[[], int],
) -> Iterator[Stores]:
    """Opens the data directory and all stores that belong to it, and marks it complete.

    Raises:
        StartupError: one of them can't be had.
    """
    with (
        open_usage_stores(path, server, durability, warming, now_us) as opened,
        contextlib.closing(CatalogStore.open(opened.directory.catalog_url)) as catalog,
    ):
        catalog.load()
        opened.directory.mark_complete()
        yield Stores(opened.directory, opened.usage, opened.order, catalog)


@contextlib.contextmanager
def open_usage_stores(
    path: Path,
    server: ServerAddress | None,
    durability: Durability,
    warming: Warming,
    now_us: Callable[[], int],
) -> Iterator[UsageStores]:
    """Opens the data directory and the usage store that belongs to it; the directory is complete with the catalog.

    Raises:
        StartupError: one of them can't be had.
    """
    opening = (
        _embedded(path, durability, warming)
        if server is None
        else _shared(path, server, durability, warming, now_us)
    )
    with opening as stores:
        yield stores


@contextlib.contextmanager
def _embedded(path: Path, durability: Durability, warming: Warming) -> Iterator[UsageStores]:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(open_data_directory(path))
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
        yield UsageStores(directory, usage, IngestClock(latest_us, directory.keep_watermark_ceiling))


@contextlib.contextmanager
def _shared(
    path: Path,
    server: ServerAddress,
    durability: Durability,
    warming: Warming,
    now_us: Callable[[], int],
) -> Iterator[UsageStores]:
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as starting:
        starting.enter_context(start_turn(path))
        directory = stack.enter_context(open_shared_data_directory(path, server.shown))
        quick = open_database(directory.catalog_url, power_safe=False)
        stack.callback(quick.close)
        power_safe = open_database(directory.catalog_url)
        stack.callback(power_safe.close)
        usage = stack.enter_context(contextlib.closing(UsageStore.open_server(server, durability)))
        try:
            usage.claim(directory.identity(secrets.token_hex(16)))
        except StoreUnavailableError as error:
            raise StartupError(f"{server.shown}: {error}") from error
        directory.mark_complete()
        gateway = secrets.token_hex(8)
        stack.enter_context(directory.gateways.joined(gateway))
        surroundings = Surroundings(
            now_us=now_us,
            sleep_ms=lambda ms: time.sleep(ms / 1000),
            call_off=usage.call_off,
            is_dead=directory.gateways.is_dead,
        )
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
            clock.start(usage.latest_stamp_us(), alone=directory.alone)
        except StoreUnavailableError as error:
            raise StartupError(f"{server.shown}: {error}") from error
        directory.gateways.forget_dead()
        starting.close()
        yield UsageStores(directory, usage, clock)
