"""How a command finds the first key of an engine that the same user runs on this machine.

    DIR/PORT    the process that serves on this port, and the file with its first key

Rules:
1. The file names where a key is, and holds none. Only who may read that file has the key.
2. The key of a process that has ended is not given to whoever took its port.
3. It is a convenience: where the directory can't be written, a command is told its key by option or environment.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from engine.access.secret_files import read_secret
from engine.errors import StartupError

_log = structlog.get_logger(__name__)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@contextlib.contextmanager
def announced(directory: Path, port: int, key_file: Path) -> Iterator[None]:
    """The key of the engine on this port is found while the block runs."""
    place = directory / str(port)
    text = json.dumps({"process": os.getpid(), "key_file": str(key_file.absolute())})
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


def local_key(directory: Path, target: str) -> str | None:
    """The first key of the engine at this loopback address; None for another address, or if there is none to be had."""
    host, _, port = target.rpartition(":")
    if host not in _LOOPBACK or not port.isdecimal():
        return None
    try:
        known = json.loads((directory / port).read_text(encoding="utf-8"))
        if not _lives(int(known["process"])):
            return None
        return read_secret(Path(str(known["key_file"])))
    except (OSError, ValueError, KeyError, TypeError, StartupError):
        return None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
