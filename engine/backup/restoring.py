"""Puts a backup into empty stores, of any kind.

Rules:
1. Nothing is written before every file was read and compared with the manifest.
2. The stores are empty, or the restore is refused before it writes anything: nothing is mixed with what is there.
3. Of the usage store each table is compared with the backup's own digest when its rows are in.
4. The catalog and the key of hashes come last. Whoever calls keeps engines away from stores that are half restored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.backup.backups import state_of
from engine.backup.catalog_copy import is_empty, restore_catalog
from engine.backup.copied_tables import COPIED
from engine.backup.files import decompressed
from engine.backup.manifest import HASH_KEY, Manifest, check_files, read_manifest
from engine.cluster.deployment import FORMAT, HashKeyPlace
from engine.errors import BackupError
from engine.sql.database import Database
from engine.usage.store.usage_store import UsageStore
from engine.whole_files import read_secret


@dataclass(frozen=True, slots=True)
class EmptyStores:
    """Where a backup goes. `scratch`: a file that nobody else uses."""

    usage: UsageStore
    database: Database
    hash_key: HashKeyPlace
    scratch: Path


def read_backup(directory: Path) -> Manifest:
    """A backup that is whole, and of a version that can be restored.

    Raises:
        BackupError: it is not.
    """
    manifest = read_manifest(directory)
    if manifest.usage_format != FORMAT:
        raise BackupError(
            f"{directory}: was made by Meterline {manifest.made_by} (format {manifest.usage_format}; this one restores "
            f"{FORMAT}): restore it with that version, and upgrade then"
        )
    if [each.table for each in manifest.usage] != [table.name for table in COPIED]:
        raise BackupError(f"{directory}: lacks a table of the usage store: use another backup")
    check_files(directory, manifest)
    return manifest


def check_empty(usage: UsageStore, database: Database) -> None:
    """Rule 2; before anything is written.

    Raises:
        BackupError: one of them is not empty.
    """
    with database.reading() as connection:
        if not is_empty(connection):
            raise BackupError("the catalog store is not empty: a backup is restored to new stores only")
    if usage.latest_stamp_us() != 0:
        raise BackupError("the usage store is not empty: a backup is restored to new stores only")


def restore(directory: Path, manifest: Manifest, stores: EmptyStores, tell: Callable[[str], None]) -> None:
    """Puts a backup that `read_backup` found whole into stores that `check_empty` found empty; `tell` is told of each
    table.

    Raises:
        BackupError: a restored table is not what was backed up.
        StoreUnavailableError: a store does not answer: begin anew, with empty stores.
    """
    _restore_usage(directory, manifest, stores.usage, tell)
    restore_catalog(
        directory / "catalog", manifest.schema, manifest.catalog_rows, stores.scratch, stores.database
    )
    if (directory / HASH_KEY).exists():
        stores.hash_key.write(read_secret(directory / HASH_KEY))
    tell(f"catalog: {sum(manifest.catalog_rows.values()):,} rows")


def _restore_usage(
    directory: Path, manifest: Manifest, store: UsageStore, tell: Callable[[str], None]
) -> None:
    copied = {table.name: table for table in COPIED}
    for table in manifest.usage:
        for path in table.files:
            with decompressed(directory / path) as rows:
                store.insert_copied_rows(table.table, table.columns, rows)
        found = state_of(store, copied[table.table], list(table.columns), manifest.watermark_us)
        if found != (table.rows, table.digest):
            raise BackupError(
                f"{table.table}: has {found[0]:,} rows that count, and the backup {table.rows:,}, or other ones: the restore "
                "is not what was backed up; begin anew with empty stores"
            )
        tell(f"{table.table}: {table.rows:,} rows that count" if table.digest else f"{table.table}: restored")
