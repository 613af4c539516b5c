"""The data directory of the embedded stores: who owns it, and what form it has.

    DIR/format.json      the form of the directory, so that an older engine never misreads a newer one
    DIR/lock             held by the engine that has the directory open
    DIR/reconciler.lock  held by the engine that settles reused ids (engine.usage.reconciler_loop)
    DIR/watermark        no instant after this one was ever handed out as stamp or watermark (microseconds)
    DIR/catalog.sqlite   the catalog store
    DIR/usage/           the usage store

Rules:
1. A directory that is neither empty nor ours is left alone.
2. format.json is written last, when both stores are there: with it, a store that is missing was lost, and the
   directory is refused; without it, a first start was cut short, and may start again.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StartupError, StoreUnavailableError

# 1: events without a hash of their properties in the sorting key. 2: with it, and voids.
FORMAT = 2
_STORES = ("catalog.sqlite", "usage")
_OURS = (
    "format.json",
    "format.new",
    "lock",
    "reconciler.lock",
    "watermark",
    "watermark.new",
    *_STORES,
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
)


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The places in an open data directory."""

    path: Path

    def watermark_ceiling_us(self) -> int:
        """The kept ceiling; 0 before the first.

        Raises:
            StartupError: the file holds no number.
        """
        try:
            return int((self.path / "watermark").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise StartupError(
                f"{self.path / 'watermark'}: can't be read: restore the data directory from a backup"
            ) from error

    def keep_watermark_ceiling(self, ceiling_us: int) -> None:
        """Makes the ceiling durable.

        Raises:
            StoreUnavailableError: the disk refuses.
        """
        try:
            _replace(self.path / "watermark", str(ceiling_us))
        except OSError as error:
            raise StoreUnavailableError(
                f"{self.path}: can't be written: {error.strerror}", retry_after_ms=1_000
            ) from error

    def mark_complete(self) -> None:
        """Both stores are there, in today's form: from now on they must be, and no older engine opens them."""
        if _format_of(self.path / "format.json") != FORMAT:
            _replace(self.path / "format.json", json.dumps({"format": FORMAT}))

    @property
    def catalog_url(self) -> str:
        return f"sqlite:///{self.path / 'catalog.sqlite'}"

    @property
    def reconciler_lock(self) -> Path:
        return self.path / "reconciler.lock"

    @property
    def usage_path(self) -> Path:
        return self.path / "usage"


@contextlib.contextmanager
def open_data_directory(path: Path) -> Iterator[DataDirectory]:
    """Makes or checks the directory and holds its lock.

    Raises:
        StartupError: not a directory, not writable, not ours, of a newer form, or open in another engine.
    """
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        entries = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise StartupError(f"{path}: can't be used as the data directory: {error.strerror}") from error
    if not entries & {"format.json", "lock"} and not entries <= set(_OURS):
        raise StartupError(
            f"{path}: is not empty and not a Meterline data directory: name a new or an empty one with --data"
        )
    with _locked(path / "lock"):
        _check_format(path / "format.json")
        yield DataDirectory(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartupError(f"{path}: can't be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise StartupError(
                f"{path.parent}: is open in another engine (process {owner}): "
                "stop that one, or name another directory with --data"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _format_of(path: Path) -> object:
    """What the file says; None without the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["format"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartupError(f"{path}: can't be read: restore the data directory from a backup") from error


def _check_format(path: Path) -> None:
    found = _format_of(path)
    if found is None:
        return
    if not isinstance(found, int) or found > FORMAT:
        raise StartupError(
            f"{path.parent}: was written by a newer Meterline (format {found}; this one reads {FORMAT}): "
            "upgrade Meterline, or name another directory with --data"
        )
    _check_stores(path.parent)


def _check_stores(path: Path) -> None:
    for name in _STORES:
        if not (path / name).exists():
            raise StartupError(
                f"{path / name}: is missing, and was there before: restore it from a backup, "
                "or name a new directory with --data"
            )


def _replace(path: Path, text: str) -> None:
    """Writes a small file whole or not at all: a crash leaves the old content or the new."""
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
