"""The data directory: who has it open, which stores belong to it, and what form it has.

    DIR/format.json      the form of the directory, so that an older engine never misreads a newer one; of a
                         directory whose usage store is a server also which one, without user and password
    DIR/lock             held by who has the directory open: one engine with embedded stores, or any number of
                         gateways that share a server
    DIR/start.lock       held by a gateway while it starts: one after the other
    DIR/reconciler.lock  held by the engine that settles reused ids (engine.usage.corrections.reconciler)
    DIR/disk_watch.lock  embedded: held by the engine that watches its writes (engine.usage.store.backends.write_watch)
    DIR/rollups.lock     held by the engine that keeps rollups up (engine.upkeep.rollup_keeper)
    DIR/rollups_turn.lock  held by who writes rollups: that engine during a pass, and whoever has usage expire
    DIR/gateways/        the gateways that live (engine.cluster.gateways)
    DIR/identity         of a directory whose usage store is a server: its name there, drawn at the first start
    DIR/watermark        embedded: no instant after this one was ever handed out (microseconds)
    DIR/api_keys.key     under which the secrets of API keys are hashed (engine.access.first_key)
    DIR/admin.key        the first API key; for the engine's own user alone
    DIR/catalog.sqlite   the catalog store
    DIR/usage/           the embedded usage store

Rules:
1. A directory that is neither empty nor ours is left alone.
2. format.json is written last, when both stores are there: with it, a store that is missing was lost, and the
   directory is refused; without it, a first start was cut short, and may start again.
3. A directory belongs to one usage store for ever: its order of ingestion and its catalog are that store's.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.cluster.gateways import Gateways
from engine.errors import StartupError, StoreUnavailableError

EMBEDDED = "embedded"
# 1: events without a hash of their properties in the sorting key, always embedded. 2: with it, and voids.
# 3: corrections, whose replacements an older engine would not count. 4: stamps of events as ranks alone, which an older
# one would not know how to insert.
FORMAT = 4
_CATALOG = "catalog.sqlite"
_OURS = {
    *(
        "format.json",
        "format.new",
        "lock",
        "start.lock",
        "reconciler.lock",
        "disk_watch.lock",
        "rollups.lock",
        "rollups_turn.lock",
        "gateways",
        "identity",
        "identity.new",
        "watermark",
        "watermark.new",
        *("api_keys.key", "api_keys.new", "admin.key", "admin.new"),
        "usage",
    ),
    *(_CATALOG, f"{_CATALOG}-wal", f"{_CATALOG}-shm"),
}
# Another gateway's start takes a second or two; one that waits for its store gives up within this.
_START_TIMEOUT_S = 60
_START_POLL_S = 0.05
_TURN_POLL_S = 0.05
_TURN_RETRY_AFTER_MS = 30_000


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The places in an open data directory. `alone`: nobody else had it open when it was opened."""

    path: Path
    usage_store: str = EMBEDDED
    alone: bool = True

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
        known = _known(self.path / "format.json")
        if known is not None and known[0] == FORMAT:
            return
        text: dict[str, object] = {"format": FORMAT}
        if self.usage_store != EMBEDDED:
            text["usage_store"] = self.usage_store
        _replace(self.path / "format.json", json.dumps(text))

    def identity(self, new_identity: str) -> str:
        """Under which name the directory is known to its usage store; `new_identity` if it has none yet.

        Raises:
            StartupError: it can't be read or written.
        """
        place = self.path / "identity"
        try:
            if not place.exists():
                _replace(place, new_identity)
            return place.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise StartupError(f"{place}: can't be used: restore the data directory from a backup") from error

    @property
    def catalog_url(self) -> str:
        return f"sqlite:///{self.path / _CATALOG}"

    @property
    def reconciler_lock(self) -> Path:
        return self.path / "reconciler.lock"

    @property
    def disk_watch_lock(self) -> Path:
        return self.path / "disk_watch.lock"

    @property
    def rollups_lock(self) -> Path:
        return self.path / "rollups.lock"

    @contextlib.contextmanager
    def rollups_turn(self, patience_s: int) -> Iterator[None]:
        """Only one at a time writes rollups, of all threads and gateways.

        Raises:
            StoreUnavailableError: somebody else does, for longer than `patience_s`.
        """
        with _file(self.path / "rollups_turn.lock") as lock:
            give_up_at = time.monotonic() + patience_s
            while not _take(lock, fcntl.LOCK_EX):
                if time.monotonic() >= give_up_at:
                    raise StoreUnavailableError(
                        "rollups are being written by somebody else, an expiry or upkeep: try again later",
                        retry_after_ms=_TURN_RETRY_AFTER_MS,
                    )
                time.sleep(_TURN_POLL_S)
            yield

    @property
    def usage_path(self) -> Path:
        return self.path / "usage"

    @property
    def gateways(self) -> Gateways:
        return Gateways(self.path / "gateways")


@contextlib.contextmanager
def open_data_directory(path: Path) -> Iterator[DataDirectory]:
    """Makes or checks a directory with embedded stores, and holds its lock.

    Raises:
        StartupError: not a directory, not writable, not ours, of another form, or open in another engine.
    """
    path = _prepared(path)
    with _file(path / "lock") as lock:
        if not _take(lock, fcntl.LOCK_EX):
            raise _taken(path, lock)
        _sign(lock)
        _check_format(path, EMBEDDED)
        yield DataDirectory(path)


@contextlib.contextmanager
def start_turn(path: Path) -> Iterator[None]:
    """One gateway of a directory starts at a time: held around `open_shared_data_directory` and the start itself.

    Raises:
        StartupError: the directory can't be used, or another gateway takes too long to start.
    """
    path = _prepared(path)
    with _file(path / "start.lock") as lock:
        give_up_at = time.monotonic() + _START_TIMEOUT_S
        while not _take(lock, fcntl.LOCK_EX):
            if time.monotonic() > give_up_at:
                raise StartupError(
                    f"{path}: another gateway has been starting for {_START_TIMEOUT_S} s: see its log"
                )
            time.sleep(_START_POLL_S)
        yield


@contextlib.contextmanager
def open_shared_data_directory(path: Path, usage_store: str) -> Iterator[DataDirectory]:
    """Makes or checks a directory whose usage store is this server, and holds its lock along with other gateways.

    Raises:
        StartupError: as `open_data_directory`, or the directory belongs to another usage store.
    """
    path = _prepared(path)
    with _file(path / "lock") as lock:
        alone = _take(lock, fcntl.LOCK_EX)
        # Not in one step: an embedded engine may come in between, and is then named.
        if not _take(lock, fcntl.LOCK_SH):
            raise _taken(path, lock)
        _sign(lock)
        _check_format(path, usage_store)
        yield DataDirectory(path, usage_store, alone)


def _prepared(path: Path) -> Path:
    path = path.absolute()
    if path.exists() and not path.is_dir():
        raise StartupError(f"{path}: is a file: name a directory with --data")
    try:
        path.mkdir(parents=True, exist_ok=True)
        entries = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise StartupError(f"{path}: can't be used as the data directory: {error.strerror}") from error
    if not entries & {"format.json", "lock"} and not entries <= _OURS:
        raise StartupError(
            f"{path}: is not empty and not a Meterline data directory: name a new or an empty one with --data"
        )
    return path


@contextlib.contextmanager
def _file(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StartupError(f"{path}: can't be written: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _taken(path: Path, descriptor: int) -> StartupError:
    owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
    return StartupError(
        f"{path}: is open in another engine (process {owner}): "
        "stop that one, or name another directory with --data"
    )


def _known(file: Path) -> tuple[object, object] | None:
    """The form and the usage store that the file names; None without the file."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return known["format"], known.get("usage_store", EMBEDDED)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartupError(f"{file}: can't be read: restore the data directory from a backup") from error


def _check_format(path: Path, usage_store: str) -> None:
    known = _known(path / "format.json")
    if known is None:
        return
    found, belongs_to = known
    if not isinstance(found, int) or found > FORMAT:
        raise StartupError(
            f"{path}: was written by a newer Meterline (format {found}; this one reads {FORMAT}): "
            "upgrade Meterline, or name another directory with --data"
        )
    if belongs_to != usage_store:
        how = "without --usage-store" if belongs_to == EMBEDDED else f"with --usage-store {belongs_to}"
        raise StartupError(
            f"{path}: belongs to another usage store ({belongs_to}): start {how}, "
            "or name another directory with --data"
        )
    _check_stores(path, (_CATALOG, "usage") if usage_store == EMBEDDED else (_CATALOG,))


def _check_stores(path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if not (path / name).exists():
            raise StartupError(
                f"{path / name}: is missing, and was there before: restore it from a backup, "
                "or name a new directory with --data"
            )


def _replace(path: Path, text: str) -> None:
    """Writes a small file whole or not at all: a crash leaves the old content or the new; power loss after it the new."""
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
