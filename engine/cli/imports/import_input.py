"""The bytes of one import: a file, compressed or not, or standard input.

Rules:
1. They are read twice, once for their digest, before anything is sent, and once for their rows. So what can't be
   unpacked is found before the first row is sent.
2. A file is the same content however it is compressed: the digest is that of the bytes in it.
3. Standard input is copied to a temporary file first, and is then a file like any other.
"""

import gzip
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import pyarrow as pa

from engine.cli.imports.import_state import Content
from engine.cli.terminal.connection import CommandError

STANDARD_INPUT = Path("-")


class _Unpacked(io.RawIOBase):
    """A stream of pyarrow's as one of Python's, which knows its place."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._place = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever can be written to
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._place


def _gzip(raw: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb"))


def _zstd(raw: BinaryIO) -> BinaryIO:
    return io.BufferedReader(_Unpacked(pa.CompressedInputStream(raw, "zstd")))


_UNPACKED: dict[str, Callable[[BinaryIO], BinaryIO]] = {".gz": _gzip, ".zst": _zstd}
PACKED_SUFFIXES = tuple(_UNPACKED)


def unpacked_name(path: Path) -> Path:
    """The name of what is in a file: without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in _UNPACKED else path


def shown(path: Path) -> Path:
    """The name that people know it by."""
    return Path("standard input") if path == STANDARD_INPUT else path


@dataclass(slots=True)
class ImportInput:
    """What is imported, under the name that people know it by."""

    name: Path
    _raw: BinaryIO
    content: Content

    @classmethod
    def open(cls, path: Path) -> "ImportInput":
        """Opens a file, or copies standard input, and takes its digest.

        Raises:
            CommandError: it can't be read or unpacked.
        """
        name = shown(path)
        raw: BinaryIO | None = None
        try:
            raw = _copied() if path == STANDARD_INPUT else path.open("rb")
            return cls(name, raw, Content.of(raw, _from_beginning(name, raw)))
        except (EOFError, zlib.error, pa.ArrowException, gzip.BadGzipFile) as error:
            reason = f"can't be unpacked: {error}"
        except OSError as error:
            reason = f"can't be read: {error.strerror}" if error.strerror else f"can't be unpacked: {error}"
        if raw is not None:
            raw.close()
        raise CommandError(f"{name}: {reason.splitlines()[0]}")

    def rows(self) -> BinaryIO:
        """The bytes from their beginning."""
        return _from_beginning(self.name, self._raw)

    def is_still(self) -> bool:
        """Whether the file is as it was."""
        return self.content.is_still(self._raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()


def _from_beginning(name: Path, raw: BinaryIO) -> BinaryIO:
    # A file object of its own, which whoever wraps it may close.
    file = os.fdopen(os.dup(raw.fileno()), "rb")
    file.seek(0)
    unpack = _UNPACKED.get(name.suffix.lower())
    return file if unpack is None else unpack(file)


def _copied() -> BinaryIO:
    copy = tempfile.TemporaryFile(prefix="meterline-import-")  # noqa: SIM115 - its owner closes it
    shutil.copyfileobj(sys.stdin.buffer, copy)
    copy.flush()
    return cast("BinaryIO", copy)
