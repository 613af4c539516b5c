"""A file that a command writes: whole, under its name, or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.cli.connection import CommandError


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place, and that of what was there, when the block ends well.

    What is there and no regular file (a pipe, /dev/null) is written to as it is.

    Raises:
        CommandError: it can't be written.
    """
    # Through a link: the link stays.
    whole = Path(os.path.realpath(path))
    with _reported(path):
        if whole.exists() and not whole.is_file():
            with whole.open("wb") as file:
                yield file
            return
        part = whole.with_name(f".{whole.name[:60]}.{os.getpid()}.part")
        with part.open("xb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(whole)
            finally:
                part.unlink(missing_ok=True)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path}: can't be written: {error.strerror}") from None
