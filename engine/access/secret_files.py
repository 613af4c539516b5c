"""Files that hold one secret, in one line."""

import os
from pathlib import Path

from engine.errors import StartupError


def write_secret(place: Path, text: str) -> None:
    """Writes the file whole or not at all, for its owner alone.

    Raises:
        StartupError: it can't be written.
    """
    unfinished = place.with_suffix(".new")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place)
        directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
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
