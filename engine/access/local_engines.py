"""How a command finds the first key of an engine that the same user runs on this machine.

    DIR/PORT    the process that serves on this port, and the file with its first key

Rules:
1. The file names where a key is, and holds none. Only who may read that file has the key.
2. The key of a process that has ended is not given to whoever took its port, nor to whoever has that port at another
   address of this machine: "localhost" stands for the very address at which the engine listens.
3. It is a convenience: where the directory can't be written, a command is told its key by option or environment.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from engine.errors import StartupError
from engine.whole_files import read_secret

_log = structlog.get_logger(__name__)
# Where an engine is reached that listens at every address.
_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1", "localhost": "127.0.0.1"}  # noqa: S104 - compared only


@contextlib.contextmanager
def announced(directory: Path, host: str, port: int, key_file: Path) -> Iterator[None]:
    """The key of the engine on this port is found while the block runs."""
    place = directory / str(port)
    text = json.dumps(
        {"process": os.getpid(), "host": _ANY.get(host, host), "key_file": str(key_file.absolute())}
    )
    unfinished = directory / f"{port}.{os.getpid()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(place)
    except OSError as error:
        _log.info(
            "commands on this machine must be told a key", directory=str(directory), error=error.strerror
        )
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            # A gateway that shares the port may have written it since.
            if place.read_text(encoding="utf-8") == text:
                place.unlink()


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """An engine of this user on this machine: the literal address at which it is reached, and its first key."""

    address: str
    key: str


def local_engine(directory: Path, target: str) -> LocalEngine | None:
    """The engine that is meant; None for one elsewhere, or if its key is not to be had."""
    host, _, port = target.rpartition(":")
    if not port.isdecimal():
        return None
    try:
        known = json.loads((directory / port).read_text(encoding="utf-8"))
        if host not in ("localhost", known["host"]) or not _lives(int(known["process"])):
            return None
        return LocalEngine(f"{known['host']}:{port}", read_secret(Path(str(known["key_file"]))))
    except (OSError, ValueError, KeyError, TypeError, StartupError):
        return None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
