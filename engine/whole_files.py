"""Small files that are written whole or not at all, and files that hold one secret, in one line.

A crash leaves the old content or the new; power loss after the write leaves the new.
"""

import os
import tempfile
from pathlib import Path

from engine.errors import StartupError


def write_whole(place: Path, text: str, *, mode: int = 0o644) -> None:
    """Replaces the file. Raises OSError."""
    unfinished = place.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(place)
    sync(place.parent)


def sync(place: Path) -> None:
    """Has what was written to a file, or the names in a directory, on the disk. Raises OSError."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_to_write(directory: Path) -> None:
    """Writes a file without a name there, which nobody else sees and nothing is left of. Raises OSError."""
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"\0" * 4096)
        file.flush()
        os.fsync(file.fileno())


def write_secret(place: Path, text: str) -> None:
    """Replaces the file, for its owner alone.

    Raises:
        StartupError: it can't be written.
    """
    try:
        write_whole(place, f"{text}\n", mode=0o600)
    except OSError as error:
        raise StartupError(f"{place}: can't be written: {error.strerror}") from error


def read_secret(place: Path) -> str:
    """The one line of a file that holds a secret.

    Raises:
        StartupError: it can't be read.
    """
    try:
        return place.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        raise StartupError(f"{place}: can't be read: {reason}") from error
