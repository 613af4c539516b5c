"""One segment of the spool: an append-only file of events, and beside it the file of what is settled.

1. Records are written at an offset that this class keeps, not at the file's end: what a failed write left
   behind is overwritten by the next one, and cut off at once where the disk allows it.
2. `end_bytes` is the end of the last record that was written whole. Nothing behind it is ever read.
3. The file of marks is only a saving: without it the events are sent again and are duplicates. So a failure
   to write it is never an error of the caller.
"""

import errno
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meterline.spooling.spool_format import (
    SEGMENT_HEADER_BYTES,
    Span,
    read_records,
    read_segment_header,
    read_settled_marks,
    segment_header,
    settled_marks,
    unsettled,
)

EVENTS_SUFFIX = ".events"
SETTLED_SUFFIX = ".settled"
_CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC


@dataclass(slots=True)
class Segment:
    """A segment of this process's spool. `unsettled_count` events of it are still to be sent."""

    number: int
    path: Path
    nonce: int
    end_bytes: int = 0
    synced_bytes: int = 0
    unsettled_count: int = 0
    broken: bool = False
    _file: int = -1
    _marks_bytes: int = 0
    _sync_lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def create(cls, directory: Path, number: int, nonce: int) -> "Segment":
        """Begin a new segment. Raises OSError, and then there is no file."""
        path = directory / f"{number:012d}{EVENTS_SUFFIX}"
        segment = cls(number, path, nonce)
        segment._file = os.open(path, _CREATE, 0o600)
        try:
            segment.append(segment_header(nonce))
        except OSError:
            segment.delete()
            raise
        return segment

    @classmethod
    def read(cls, path: Path) -> tuple["Segment", list[Span], list[Span]]:
        """A segment that another run left: itself, its records that are not settled, and what is damaged."""
        data = path.read_bytes()
        nonce = read_segment_header(data)
        segment = cls(int(path.name.removesuffix(EVENTS_SUFFIX)), path, nonce or 0, len(data), len(data))
        good: list[Span] = []
        damaged: list[Span] = []
        for is_record, span in read_records(data, SEGMENT_HEADER_BYTES if nonce is not None else 0):
            (good if is_record else damaged).append(span)
        marks = segment._marks_path
        settled: list[Span] = []
        if nonce is not None and marks.exists():
            kept = marks.read_bytes()
            segment._marks_bytes = len(kept)
            settled = read_settled_marks(kept, nonce)
        return segment, unsettled(good, settled), damaged

    @property
    def _marks_path(self) -> Path:
        return self.path.with_suffix(SETTLED_SUFFIX)

    def append(self, data: bytes) -> int:
        """Write whole records and return the offset of the first. Raises OSError: nothing was appended."""
        start = self.end_bytes
        try:
            _write_at(self._file, data, start)
        except OSError:
            self._cut()
            raise
        self.end_bytes = start + len(data)
        return start

    def sync(self, end_bytes: int) -> None:
        """Wait until the disk has everything before `end_bytes`; one flush serves all who wait together.

        Raises OSError: of what was not flushed before, nothing may be taken for written, and the segment
        takes no more.
        """
        with self._sync_lock:
            if self.synced_bytes >= end_bytes:
                return
            target = self.end_bytes
            try:
                self._flush()
            except OSError:
                # What the kernel could not write it may have dropped: a later flush would hide that.
                self.broken = True
                raise
            self.synced_bytes = target

    def _flush(self) -> None:
        if self.broken or self._file < 0:
            raise OSError(errno.EIO, "an earlier write to this file failed")
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._file)
        else:  # macOS
            os.fsync(self._file)

    def cut_unsynced(self) -> None:
        """After a failed `sync`: let nothing of what was not flushed come back."""
        self.end_bytes = self.synced_bytes
        self._cut()

    def mark_settled(self, spans: Sequence[Span]) -> None:
        """Note that the events in these spans are settled. Raises OSError if the note can't be kept."""
        marks = settled_marks(spans, self.nonce)
        file = os.open(self._marks_path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            _write_at(file, marks, self._marks_bytes)
        finally:
            os.close(file)
        self._marks_bytes += len(marks)

    def load(self, span: Span) -> bytes:
        """The bytes of a span. Raises OSError."""
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, span.end - span.start, span.start)
        finally:
            os.close(file)

    def finish(self) -> None:
        """No more records come, and nobody waits for `sync` any more."""
        with self._sync_lock:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

    def forget_file(self) -> None:
        """In a forked child: let go of the parent's file, without a lock that a thread of it may have held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def delete(self) -> None:
        """Remove both files. The events first: marks without events are harmless."""
        self.finish()
        self.path.unlink(missing_ok=True)
        self._marks_path.unlink(missing_ok=True)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._file, self.end_bytes)
        except OSError:
            self.broken = True  # the rest of a record stays behind the end; a reader passes over it


def _write_at(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make the names in a directory last. Raises OSError."""
    file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
