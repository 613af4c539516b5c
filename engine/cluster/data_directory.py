"""The data directory: who has it open, which stores belong to it, and what form it has.

    DIR/format.json      the form of the directory, so that an older engine never misreads a newer one; of a
                         directory whose usage store is a server also which one, without user and password; and
                         whether the catalog store is elsewhere
    DIR/lock             held by who has the directory open: one engine with embedded stores, or any number of
                         gateways that share a server
    DIR/NAME.lock        the locks of engine.cluster.locks
    DIR/gateways/        the gateways that live (engine.cluster.gateway_files)
    DIR/identity         of a directory with a store elsewhere: its name there, drawn at the first start
    DIR/watermark        embedded: no instant after this one was ever handed out (microseconds)
    DIR/api_keys.key     under which the secrets of API keys are hashed; for the engine's own user alone
    DIR/admin.key        the first API key (engine.access.first_key); for the same user
    DIR/catalog.sqlite   the catalog store, unless it is elsewhere
    DIR/usage/           the embedded usage store

Rules:
1. A directory that is neither empty nor ours is left alone.
2. format.json is written last, when both stores are there: with it, a store that is missing was lost, and the
   directory is refused; without it, a first start was cut short, and may start again.
3. A directory belongs to one usage store and one catalog store for ever: its order of ingestion is theirs.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.cluster.deployment import EMBEDDED, FORMAT
from engine.cluster.gateway_files import GatewayFiles
from engine.cluster.locks import (
    DISK_WATCH,
    RECONCILER,
    ROLLUPS,
    ROLLUPS_TURN,
    START,
    FileLocks,
    open_lock_file,
    start_turn,
    take,
)
from engine.errors import StartupError, StoreUnavailableError
from engine.whole_files import read_secret, write_secret, write_whole

_CATALOG = "catalog.sqlite"
_HASH_KEY = "api_keys.key"
_ADMIN_KEY = "admin.key"
_OURS = {
    *(
        "format.json",
        "format.new",
        "lock",
        *(f"{name}.lock" for name in (START, RECONCILER, DISK_WATCH, ROLLUPS, ROLLUPS_TURN)),
        "gateways",
        "identity",
        "identity.new",
        "watermark",
        "watermark.new",
        *(_HASH_KEY, "api_keys.new", _ADMIN_KEY, "admin.new"),
        "usage",
    ),
    *(_CATALOG, f"{_CATALOG}-wal", f"{_CATALOG}-shm"),
}


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The places in an open data directory. `alone`: nobody else had it open when it was opened. `catalog_store` is
    EMBEDDED or "postgresql".
    """

    path: Path
    usage_store: str = EMBEDDED
    alone: bool = True
    catalog_store: str = EMBEDDED

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
            write_whole(self.path / "watermark", str(ceiling_us))
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
        if self.catalog_store != EMBEDDED:
            text["catalog_store"] = self.catalog_store
        write_whole(self.path / "format.json", json.dumps(text))

    def identity(self, new_identity: str) -> str:
        """Under which name the directory is known to a store elsewhere; `new_identity` if it has none yet.

        Raises:
            StartupError: it can't be read or written.
        """
        place = self.path / "identity"
        try:
            if not place.exists():
                write_whole(place, new_identity)
            return place.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise StartupError(f"{place}: can't be used: restore the data directory from a backup") from error

    @property
    def directory(self) -> Path:
        return self.path

    @property
    def shown(self) -> str:
        return str(self.path)

    @property
    def catalog_url(self) -> str:
        """Of the catalog store that is not elsewhere."""
        return f"sqlite:///{self.path / _CATALOG}"

    @property
    def usage_path(self) -> Path:
        return self.path / "usage"

    @property
    def locks(self) -> FileLocks:
        return FileLocks(self.path)

    @property
    def gateways(self) -> GatewayFiles:
        return GatewayFiles(self.path / "gateways")

    @property
    def hash_key(self) -> "HashKeyFile":
        return HashKeyFile(self.path / _HASH_KEY)

    @property
    def admin_key_file(self) -> Path:
        return self.path / _ADMIN_KEY


@dataclass(frozen=True, slots=True)
class HashKeyFile:
    """The key of hashes in a file of its own, for its owner alone."""

    place: Path

    @property
    def shown(self) -> str:
        return str(self.place)

    def read(self) -> str | None:
        return read_secret(self.place) if self.place.exists() else None

    def write(self, key_hex: str) -> None:
        write_secret(self.place, key_hex)


def catalog_of(path: Path) -> str:
    """The URL of the catalog store in a directory that an engine may have open.

    Raises:
        StartupError: there is none.
    """
    if not (path / _CATALOG).is_file():
        raise StartupError(f"{path}: holds no catalog store: name the engine's directory with --data")
    return DataDirectory(path).catalog_url


@contextlib.contextmanager
def open_data_directory(path: Path, catalog_store: str = EMBEDDED) -> Iterator[DataDirectory]:
    """Makes or checks a directory with an embedded usage store, and holds its lock.

    Raises:
        StartupError: not a directory, not writable, not ours, of another form, with another catalog store, or open in
            another engine.
    """
    path = _prepared(path)
    with engines_kept_out(path):
        _check_format(path, EMBEDDED, catalog_store)
        yield DataDirectory(path, catalog_store=catalog_store)


@contextlib.contextmanager
def start_turn_in(path: Path) -> Iterator[None]:
    """One gateway of a directory starts at a time: held around `open_shared_data_directory` and the start itself.

    Raises:
        StartupError: the directory can't be used, or another gateway takes too long to start.
    """
    path = _prepared(path)
    with start_turn(FileLocks(path), str(path)):
        yield


@contextlib.contextmanager
def open_shared_data_directory(path: Path, usage_store: str) -> Iterator[DataDirectory]:
    """Makes or checks a directory whose usage store is this server, and holds its lock along with other gateways.

    Raises:
        StartupError: as `open_data_directory`, or the directory belongs to another usage store.
    """
    path = _prepared(path)
    with _file(path / "lock") as lock:
        alone = take(lock, fcntl.LOCK_EX)
        # Not in one step: an embedded engine may come in between, and is then named.
        if not take(lock, fcntl.LOCK_SH):
            raise _taken(path, lock)
        _sign(lock)
        _check_format(path, usage_store, EMBEDDED)
        yield DataDirectory(path, usage_store, alone)


def check_data_directory(path: Path, usage_store: str, catalog_store: str) -> int | None:
    """The form of a directory that is there, looked at only; None before its first start has ended.

    Raises:
        StartupError: an engine with these stores would refuse it.
    """
    try:
        _check_ours(path, {entry.name for entry in path.iterdir()})
    except OSError as error:
        raise StartupError(f"{path}: can't be used as the data directory: {error.strerror}") from error
    _check_format(path, usage_store, catalog_store)
    known = _known(path / "format.json")
    return None if known is None else int(str(known[0]))


def process_inside(path: Path) -> str | None:
    """The process of an engine that has the directory open; None: nobody has."""
    with contextlib.ExitStack() as stack:
        try:
            lock = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        stack.callback(os.close, lock)
        return None if take(lock, fcntl.LOCK_EX) else _owner(lock)


@contextlib.contextmanager
def engines_kept_out(path: Path) -> Iterator[None]:
    """No engine opens the directory meanwhile.

    Raises:
        StartupError: one has it open.
    """
    with _file(path / "lock") as lock:
        if not take(lock, fcntl.LOCK_EX):
            raise _taken(path, lock)
        _sign(lock)
        yield


def secrets_in(path: Path) -> list[Path]:
    """Those files of a directory that hold a secret."""
    return [path / name for name in (_HASH_KEY, _ADMIN_KEY) if (path / name).exists()]


def known_identity(path: Path) -> str | None:
    """Under which name the directory is known to a store elsewhere; None if it has none yet."""
    try:
        return (path / "identity").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None


def _prepared(path: Path) -> Path:
    path = path.absolute()
    if path.exists() and not path.is_dir():
        raise StartupError(f"{path}: is a file: name a directory with --data")
    try:
        # For its owner alone: it holds usage and what customers owe.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise StartupError(f"{path}: can't be used as the data directory: {error.strerror}") from error
    _check_ours(path, entries)
    return path


def _check_ours(path: Path, entries: set[str]) -> None:
    if not entries & {"format.json", "lock"} and not entries <= _OURS:
        raise StartupError(
            f"{path}: is not empty and not a Meterline data directory: name a new or an empty one with --data"
        )


@contextlib.contextmanager
def _file(path: Path) -> Iterator[int]:
    descriptor = open_lock_file(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"


def _taken(path: Path, descriptor: int) -> StartupError:
    return StartupError(
        f"{path}: is open in another engine (process {_owner(descriptor)}): "
        "stop that one, or name another directory with --data"
    )


def _known(file: Path) -> tuple[object, object, object] | None:
    """The form, the usage store and the catalog store that the file names; None without the file."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return known["format"], known.get("usage_store", EMBEDDED), known.get("catalog_store", EMBEDDED)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartupError(f"{file}: can't be read: restore the data directory from a backup") from error


def _check_format(path: Path, usage_store: str, catalog_store: str) -> None:
    known = _known(path / "format.json")
    if known is None:
        return
    found, usage_owner, catalog_owner = known
    if not isinstance(found, int) or found > FORMAT:
        raise StartupError(
            f"{path}: was written by a newer Meterline (format {found}; this one reads {FORMAT}): "
            "upgrade Meterline, or name another directory with --data"
        )
    if usage_owner != usage_store:
        how = "without --usage-store" if usage_owner == EMBEDDED else f"with --usage-store {usage_owner}"
        raise _belongs_to(path, f"usage store ({usage_owner})", how)
    if catalog_owner != catalog_store:
        how = "without --catalog-store" if catalog_owner == EMBEDDED else "with its --catalog-store"
        raise _belongs_to(path, f"catalog store ({catalog_owner})", how)
    stores = {"usage": usage_store, _CATALOG: catalog_store}
    _check_stores(path, [name for name, kept_in in stores.items() if kept_in == EMBEDDED])


def _belongs_to(path: Path, other_store: str, how: str) -> StartupError:
    return StartupError(
        f"{path}: belongs to another {other_store}: start {how}, or name another directory with --data"
    )


def _check_stores(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if not (path / name).exists():
            raise StartupError(
                f"{path / name}: is missing, and was there before: restore it from a backup, "
                "or name a new directory with --data"
            )
