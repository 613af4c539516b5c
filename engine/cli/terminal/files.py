"""The files that commands read and write, by the paths that a person gives."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import option_name

# For its owner alone; as the user's umask leaves it.
_PRIVATE, _SHARED = 0o600, 0o666


class FileType(click.Path):
    """A path, as click takes it, that names something: an empty one would be the working directory."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Raises CommandError for an empty path."""
        if value == "":
            raise CommandError(f"{option_name(param)} is empty: name a file or directory")
        return super().convert(value, param, ctx)


def read_bytes(path: Path) -> bytes:
    """All of a file; `-` is standard input. Raises CommandError if it can't be read."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: can't be read: {error.strerror}") from None


def read_text(path: Path) -> str:
    """All of a file in UTF-8; `-` is standard input. Raises CommandError if it can't be read."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: is not UTF-8 text: byte {error.start} is {error.reason}") from None


@contextlib.contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place, and that of what was there, when the block ends well.

    What is there and no regular file (a pipe, /dev/null) is written to as it is. `private`: for its owner alone, who is
    whoever owned what was there, as far as this user may give files away.

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
        mode = _PRIVATE if private else _SHARED
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            try:
                if private and whole.exists():
                    _give_away(descriptor, whole)
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(whole)
            finally:
                part.unlink(missing_ok=True)


def _give_away(descriptor: int, before: Path) -> None:
    """A key that root writes anew stays one that the engine's user reads."""
    owner = before.stat()
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path}: can't be written: {error.strerror}") from None
