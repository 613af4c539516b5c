"""Opens empty stores for a backup, and keeps engines away from them until they hold all of it.

Rules:
1. A data directory has another name until it is whole: NAME.restoring. One that is left over is of a restore that broke
   off, and nothing else.
2. A database that has no directory beside it says of itself that it is half restored, and every engine refuses it.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.app.stores import Placement
from engine.backup.manifest import Manifest
from engine.backup.restoring import EmptyStores, check_empty, read_backup, restore
from engine.cluster.data_directory import DataDirectory, open_data_directory, open_shared_data_directory
from engine.cluster.database_locks import DatabaseLocks
from engine.cluster.deployment import EMBEDDED, POSTGRESQL, Deployment
from engine.cluster.deployment_database import claim_for_directory, open_deployment_database
from engine.cluster.locks import start_turn
from engine.cluster.shared_clock import begin_behind
from engine.errors import BackupError, StartupError, StoreUnavailableError
from engine.outbox.webhooks.endpoints import disable_all
from engine.sql.catalog_address import CatalogAddress
from engine.sql.database import Database, open_database
from engine.usage.store.backends.server_address import ServerAddress
from engine.usage.store.usage_store import UsageStore

_RESTORING = ".restoring"
_DISABLED_REASON = "restored with --webhooks-disabled"


def verify_backup(backup: Path) -> Manifest:
    """Reads every file of a backup. Raises BackupError: it is not whole."""
    return read_backup(backup)


def restore_backup(
    backup: Path,
    data: Path,
    stores: tuple[ServerAddress | None, CatalogAddress | None],
    tell: Callable[[str], None],
    *,
    webhooks_disabled: bool = False,
) -> Manifest:
    """Restores a backup to new stores: those elsewhere, and for those that are None the directory `data`.
    `webhooks_disabled`: an engine on them posts no webhook until an endpoint is made active again.

    Raises:
        BackupError: it is not whole, the stores are not empty, or what was restored is not what was backed up.
        StartupError: a store can't be had.
    """
    placement = Placement(data, *stores)
    manifest = read_backup(backup)
    opening = _directory(placement, manifest) if placement.has_directory else _database(placement, manifest)
    with opening as (usage, database, deployment), tempfile.TemporaryDirectory() as scratch:
        empty = EmptyStores(usage, database, deployment.hash_key, Path(scratch) / "catalog.sqlite")
        restore(backup, manifest, empty, tell)
        if webhooks_disabled:
            with database.writing() as connection:
                count = disable_all(connection, _DISABLED_REASON)
            tell(f"webhook endpoints: {count:,} disabled")
        deployment.mark_complete()
    return manifest


_Opened = tuple[UsageStore, Database, Deployment]


class _RefusedError(BackupError):
    """Before anything was restored."""


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (BackupError, StartupError, StoreUnavailableError) as error:
        raise _RefusedError(str(error)) from error


def _check_empty(usage: UsageStore, database: Database) -> None:
    with _refusing():
        check_empty(usage, database)


@contextlib.contextmanager
def _directory(placement: Placement, manifest: Manifest) -> Iterator[_Opened]:
    data = placement.data.absolute()
    restoring = data.with_name(f"{data.name}{_RESTORING}")
    _check_room(data, restoring)
    try:
        with contextlib.ExitStack() as stack:
            if placement.usage is None:
                opened: _Opened = _embedded(stack, restoring, placement, manifest)
            else:
                opened = _beside_server(stack, restoring, placement.usage, manifest)
            yield opened
    except _RefusedError:
        # Nothing was restored yet: what is there is ours, and empty.
        shutil.rmtree(restoring, ignore_errors=True)
        raise
    os.sync()
    try:
        with contextlib.suppress(FileNotFoundError):
            data.rmdir()
        restoring.rename(data)
    except OSError as error:
        raise BackupError(
            f"{restoring}: is whole, and can't be renamed to {data}: {error.strerror}: rename it yourself"
        ) from error
    os.sync()


def _check_room(data: Path, restoring: Path) -> None:
    if os.path.ismount(data):
        raise BackupError(
            f"{data}: is a mounted volume, which gets its name last: name a directory below it with --data"
        )
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(
            f"{data}: is there already: a backup is restored to a new directory only, name one with --data"
        )
    if restoring.exists():
        raise BackupError(f"{restoring}: was left by a restore that broke off: remove it, and restore again")


def _embedded(
    stack: contextlib.ExitStack, path: Path, placement: Placement, manifest: Manifest
) -> tuple[UsageStore, Database, DataDirectory]:
    elsewhere = EMBEDDED if placement.catalog is None else POSTGRESQL
    directory = stack.enter_context(open_data_directory(path, elsewhere))
    url = directory.catalog_url if placement.catalog is None else placement.catalog.url
    with _refusing():
        database = stack.enter_context(contextlib.closing(open_database(url)))
    usage = stack.enter_context(contextlib.closing(UsageStore.open_embedded(directory.usage_path)))
    _check_empty(usage, database)
    if placement.catalog is not None:
        claim_for_directory(database, placement.catalog.shown, directory.identity(secrets.token_hex(16)))
    directory.keep_watermark_ceiling(manifest.watermark_us)
    return usage, database, directory


def _beside_server(
    stack: contextlib.ExitStack, path: Path, server: ServerAddress, manifest: Manifest
) -> tuple[UsageStore, Database, DataDirectory]:
    directory = stack.enter_context(open_shared_data_directory(path, server.shown))
    database = stack.enter_context(contextlib.closing(open_database(directory.catalog_url)))
    with _refusing():
        usage = stack.enter_context(contextlib.closing(UsageStore.open_server(server)))
    _check_empty(usage, database)
    usage.claim(directory.identity(secrets.token_hex(16)))
    begin_behind(database, manifest.watermark_us)
    return usage, database, directory


@contextlib.contextmanager
def _database(placement: Placement, manifest: Manifest) -> Iterator[_Opened]:
    if placement.catalog is None or placement.usage is None:
        raise RuntimeError("both stores are elsewhere")
    shown = placement.catalog.shown
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.closing(open_database(placement.catalog.url)))
        locks = stack.enter_context(contextlib.closing(DatabaseLocks(database)))
        # No gateway starts meanwhile.
        stack.enter_context(start_turn(locks, shown))
        deployment = open_deployment_database(database, locks, shown, placement.usage.shown)
        if not deployment.alone:
            raise BackupError(
                f"{shown}: gateways use it: stop them, and name a new database with --catalog-store"
            )
        usage = stack.enter_context(contextlib.closing(UsageStore.open_server(placement.usage)))
        check_empty(usage, database)
        usage.claim(deployment.identity(secrets.token_hex(16)))
        deployment.mark_restoring()
        begin_behind(database, manifest.watermark_us)
        yield usage, database, deployment
