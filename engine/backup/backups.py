"""Makes backups, while events stream in.

Rules:
1. Upkeep of rollups and expiry are kept away from beginning to end, by their turn: nothing is deleted, and no rollup is
   computed as of later than the watermark.
2. The watermark is drawn after that, and the catalog is copied after it: everything that was acknowledged before the
   backup began is in it, events and catalog alike.
3. The turn may be lost with a connection, and a close may begin and issue between the watermark and the catalog's copy.
   So nothing that was copied may be as of later than the watermark, or the backup is refused: what rollups say, or an
   invoice has billed, would be of events that it does not have.
4. Everything is on the disk, under another name, before the manifest is; then the directory gets its name. One that
   broke off has no manifest, and goes with the next backup.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import structlog

from engine.backup.catalog_copy import ENDING, copy_catalog
from engine.backup.copied_tables import (
    COPIED,
    CopiedTable,
    columns_query,
    digest_query,
    file_name,
    latest_watermark_query,
    months_query,
    pieces_of,
    rows_query,
)
from engine.backup.files import compressed, digest_of
from engine.backup.manifest import HASH_KEY, NAME, VERSION, Manifest, TableState
from engine.backup.place import last_finished_s
from engine.cluster.deployment import FORMAT
from engine.cluster.locks import Hold, check_turn
from engine.errors import BackupError, StartupError, StoreUnavailableError
from engine.metrics import METRICS
from engine.sql.database import Database
from engine.usage.store.query import number
from engine.usage.store.usage_store import UsageStore
from engine.whole_files import sync, write_secret, write_whole
from ingest import IngestOrder

_log = structlog.get_logger(__name__)
# No backup has such a name (engine.api.services.backup_service).
_UNFINISHED = ".unfinished-"
_RETRY_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Copied:
    """What is backed up."""

    usage: UsageStore
    order: IngestOrder
    database: Database
    schema: Callable[[], str]
    hash_key: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Made:
    """A backup, and where it is."""

    path: Path
    manifest: Manifest


class Backups:
    """Makes backups below one directory; None: this engine makes none."""

    def __init__(
        self,
        directory: Path | None,
        copied: Copied,
        turn: Callable[[], AbstractContextManager[Hold]],
        now_us: Callable[[], int],
        made_by: str,
    ) -> None:
        """`turn` keeps upkeep of rollups, expiry and other backups away. `made_by`: this version."""
        self._directory = directory
        self._copied = copied
        self._turn = turn
        self._now_us = now_us
        self._made_by = made_by
        if directory is not None:
            METRICS.backup_finished_timestamp_seconds.set(last_finished_s(directory))

    def create(self, name: str) -> Made:
        """Makes the backup of this name, a name that is safe as one of a file.

        Raises:
            BackupError: the engine has no place for backups, there is one of this name, or the disk refuses.
            StoreUnavailableError: a store does not answer, or somebody writes rollups for too long: make it again.
        """
        if self._directory is None:
            raise BackupError(
                "this engine has no place for backups: start it with --backup-directory DIRECTORY"
            )
        place = self._directory / name
        unfinished = self._directory / f"{_UNFINISHED}{name}"
        with self._turn() as hold:
            try:
                _make_room(place, unfinished)
                manifest = self._copy(unfinished)
                check_turn(hold)
                write_whole(unfinished / NAME, manifest.text(), mode=0o600)
                unfinished.rename(place)
                sync(self._directory)
                METRICS.backup_finished_timestamp_seconds.set(last_finished_s(self._directory))
            except OSError as error:
                raise BackupError(f"{unfinished}: can't be written: {error.strerror}") from error
            except StartupError as error:
                raise BackupError(str(error)) from error
            finally:
                # Gone with its new name, or of no use.
                shutil.rmtree(unfinished, ignore_errors=True)
        _log.info(
            "backup made",
            backup=str(place),
            watermark_us=manifest.watermark_us,
            size_bytes=manifest.size_bytes,
        )
        return Made(place.absolute(), manifest)

    def _copy(self, directory: Path) -> Manifest:
        for name in ("catalog", "usage"):
            (directory / name).mkdir()
        made_at_us = self._now_us()
        states: dict[str, TableState] = {}
        for table in COPIED:
            if table.is_first:
                states[table.name] = self._copy_table(table, directory / "usage", 0)
        watermark_us = self._copied.order.watermark(made_at_us)
        catalog = copy_catalog(self._copied.database, directory / "catalog")
        for table in COPIED:
            if not table.is_first:
                states[table.name] = self._copy_table(table, directory / "usage", watermark_us)
        self._check_nothing_is_later(watermark_us, catalog.invoiced_us)
        usage = list(states.values())
        hash_key = self._copied.hash_key()
        if hash_key is not None:
            write_secret(directory / HASH_KEY, hash_key)
        for name in ("catalog", "usage"):
            sync(directory / name)
        return Manifest(
            version=VERSION,
            made_at_us=made_at_us,
            made_by=self._made_by,
            watermark_us=watermark_us,
            schema=self._copied.schema(),
            usage_format=FORMAT,
            usage=usage,
            catalog_rows=dict(catalog.rows),
            files=[
                digest_of(directory, path)
                for path in _paths(catalog.rows, usage, has_key=hash_key is not None)
            ],
        )

    def _check_nothing_is_later(self, watermark_us: int, invoiced_us: int) -> None:
        """Rule 3."""
        if invoiced_us > watermark_us:
            raise StoreUnavailableError(
                "invoices were issued while the backup was made: make it again",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        ((latest_us,),) = self._copied.usage.look_through(latest_watermark_query())
        if number(latest_us) > watermark_us:
            raise StoreUnavailableError(
                "rollups were written while the backup was made: make it again",
                retry_after_ms=_RETRY_AFTER_MS,
            )

    def _copy_table(self, table: CopiedTable, directory: Path, watermark_us: int) -> TableState:
        store = self._copied.usage
        columns = [str(name) for (name,) in store.query(columns_query(table))]
        counted = store.look_through(months_query(table, watermark_us))
        files = []
        for piece in pieces_of(table, [(number(month), number(rows)) for month, rows in counted]):
            name = file_name(table, piece)
            with compressed(directory / name) as file:
                store.copy_rows(rows_query(table, columns, piece, watermark_us), file.write)
                is_empty = file.tell() == 0
            # A server refuses an insert of nothing.
            if is_empty:
                (directory / name).unlink()
            else:
                files.append(f"usage/{name}")
        rows, digest = state_of(store, table, columns, watermark_us)
        return TableState(table.name, columns, files, rows, digest)


def _make_room(place: Path, unfinished: Path) -> None:
    if place.exists():
        raise BackupError(f"{place}: is there already: choose another name")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)


def state_of(store: UsageStore, table: CopiedTable, columns: list[str], watermark_us: int) -> tuple[int, str]:
    """How many rows of a table count, and their digest; of one that is not compared nothing."""
    if not table.is_compared:
        return 0, ""
    ((rows, digest),) = store.look_through(digest_query(table, columns, watermark_us))
    return number(rows), str(digest)


def _paths(catalog_rows: Mapping[str, int], usage: list[TableState], *, has_key: bool) -> list[str]:
    catalog = [f"catalog/{name}{ENDING}" for name in catalog_rows]
    return [*catalog, *(path for table in usage for path in table.files), *([HASH_KEY] if has_key else [])]
