"""The manifest of a backup: what it holds, as of when, and how to see that nothing of it is missing or changed.

BACKUP/manifest.json                  written last: without it there is no backup
BACKUP/catalog/TABLE.ndjson.zst       a row of the catalog store a line
BACKUP/usage/TABLE[-MONTH].native.zst rows of the usage store in ClickHouse's Native format
BACKUP/api_keys.key                   the key of all hashes, for its owner alone
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from engine.backup.files import FileDigest, digest_of
from engine.errors import BackupError
from engine.usage.store.tables.schema import EVENTS_TABLE

NAME: Final = "manifest.json"
HASH_KEY: Final = "api_keys.key"
# Of the layout above.
VERSION: Final = 1
_NAME: Final = re.compile(r"[a-z0-9_]+")
_PATH: Final = re.compile(r"(?:(?:catalog|usage)/)?[A-Za-z0-9_-]+(?:\.[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class TableState:
    """A table of the usage store as the backup has it. `rows` and `digest` are of what counts, when rows that replace
    each other are merged: a restored table must have the same. `columns`: of the rows of its files.
    """

    table: str
    columns: Sequence[str]
    files: Sequence[str]
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`watermark_us`: everything acknowledged before the backup began is at or before it, and no event after it is in the
    backup. `schema`: of the catalog store. `usage_format`: of the usage store (engine.cluster.deployment.FORMAT).
    """

    version: int
    made_at_us: int
    made_by: str
    watermark_us: int
    schema: str
    usage_format: int
    usage: Sequence[TableState]
    catalog_rows: Mapping[str, int]
    files: Sequence[FileDigest]

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.files)

    @property
    def event_count(self) -> int:
        return sum(each.rows for each in self.usage if each.table == EVENTS_TABLE)

    def text(self) -> str:
        """With a digest of itself, so that a digit that was changed is seen."""
        found = asdict(self)
        return json.dumps(found | {"digest": _digest(found)}, indent=1)


def read_manifest(directory: Path) -> Manifest:
    """What the backup in a directory says of itself.

    Raises:
        BackupError: there is none, or it can't be read.
    """
    place = directory / NAME
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError(
            f"{directory}: is not a backup, or one that broke off: it has no {NAME}; name another"
        ) from None
    except (OSError, ValueError) as error:
        raise BackupError(f"{place}: can't be read: {error}") from error
    try:
        if found["version"] != VERSION:
            raise BackupError(
                f"{place}: is of a newer Meterline (version {found['version']}): restore it with that one"
            )
        if found.pop("digest") != _digest(found):
            raise BackupError(f"{place}: was changed after the backup was made: use another backup")
        found["usage"] = [TableState(**each) for each in found["usage"]]
        found["files"] = [FileDigest(**each) for each in found["files"]]
        manifest = Manifest(**found)
    except (KeyError, TypeError) as error:
        raise BackupError(f"{place}: is not a manifest of a backup: {error}") from error
    _check_names(place, manifest)
    return manifest


def _digest(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _check_names(place: Path, manifest: Manifest) -> None:
    """Names become SQL and paths: they are those that a backup has, whoever wrote the manifest."""
    listed = {each.path for each in manifest.files}
    names = [name for table in manifest.usage for name in (table.table, *table.columns)]
    paths = {path for table in manifest.usage for path in table.files}
    if (
        not all(_NAME.fullmatch(name) for name in (*names, *manifest.catalog_rows))
        or not all(_PATH.fullmatch(path) for path in listed)
        or not paths <= listed
    ):
        raise BackupError(f"{place}: is not a manifest of a backup: it names what no backup has")


def check_files(directory: Path, manifest: Manifest) -> None:
    """Reads every file, and compares it with the manifest.

    Raises:
        BackupError: one is missing, or not what it was.
    """
    for expected in manifest.files:
        try:
            found = digest_of(directory, expected.path)
        except OSError as error:
            raise BackupError(f"{directory / expected.path}: can't be read: {error.strerror}") from error
        if found != expected:
            raise BackupError(
                f"{directory / expected.path}: is not what was backed up ({found.size_bytes:,} bytes in the place of "
                f"{expected.size_bytes:,}, or another digest): use another backup"
            )
