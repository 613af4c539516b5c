"""Files of a backup: zstd of Facebook's format, each with the SHA-256 and size of what is on the disk."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from engine.errors import BackupError
from engine.whole_files import sync


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file on the disk has to be. `path` is relative to the backup."""

    path: str
    size_bytes: int
    sha256: str


@contextlib.contextmanager
def compressed(place: Path) -> Iterator[pa.NativeFile]:
    """A new file, compressed on its way, for its owner alone; on the disk at the end of the block. Raises OSError."""
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with pa.CompressedOutputStream(pa.OSFile(str(place), "wb"), "zstd") as sink:
        yield sink
    sync(place)


def digest_of(directory: Path, path: str) -> FileDigest:
    """Of a file as it is on the disk. Raises OSError."""
    with (directory / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(path, file.tell(), digest)


@contextlib.contextmanager
def decompressed(place: Path) -> Iterator[BinaryIO]:
    """What a file was made of, to be read once."""
    try:
        with pa.CompressedInputStream(pa.OSFile(str(place), "rb"), "zstd") as source:
            yield source
    except (OSError, pa.ArrowInvalid) as error:
        raise BackupError(f"{place}: can't be read: {error}") from error
