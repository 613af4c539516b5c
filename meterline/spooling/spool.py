"""The spool: events on disk, from before `record` returns until the engine has given its verdict.

1. `put` appends to the newest segment and returns when the operating system has the bytes (they survive the
   end of the process), with `fsync` when the disk has them (they survive the loss of power).
2. A segment whose events are all settled is deleted. Until then marks say which of them are, so that the
   next start sends only what is left.
3. All segments together have at most `bytes_max` bytes. `put` takes what there is room for, and never waits.
4. A failed write records nothing: it raises, and the bytes of it are cut off or never read.
5. Nothing here is in memory but the newest file and a few numbers a segment.
6. A signal handler may record in the middle of a `put` of its own thread: it gets a segment of its own.
"""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from meterline.errors import ClientClosedError, SpoolError
from meterline.spooling.spool_format import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Extent,
    Slot,
    Span,
    frame_of,
    joined,
    read_records,
    record,
)
from meterline.spooling.spool_home import Home, stale_marks
from meterline.spooling.spool_segment import Segment, sync_directory

_log = logging.getLogger("meterline")
_SEGMENT_BYTES_MAX = 8_388_608  # small enough to be read whole and deleted soon, few enough files in a GiB

_OVERHEAD_BYTES = RECORD_HEADER_BYTES + SEGMENT_HEADER_BYTES


class Loaded(NamedTuple):
    """Events read back: each with its slot, and how many that were written could not be found again."""

    slots: list[Slot]
    frames: list[bytes]
    lost_count: int


class Spool:
    """The events on disk of one process. Safe for threads."""

    def __init__(self, home: Home, *, bytes_max: int, fsync: bool) -> None:
        self.directory: Path = home.directory
        self._home = home
        self._bytes_max = bytes_max
        self._segment_bytes_max = min(_SEGMENT_BYTES_MAX, bytes_max // 8)
        self._fsync = fsync
        self._lock = threading.RLock()
        self._segments: dict[int, Segment] = {}
        self._size_bytes = 0  # of all segments, settled parts included: what the disk holds
        self._next_number = home.next_number()
        self._newest: Segment | None = None
        self._writing = False
        self._closed = False
        self._marks_failed = False

    def recover(self) -> Iterator[Slot]:
        """What earlier runs left, oldest first. Damage is skipped and told in the log. Raises SpoolError."""
        for path in stale_marks(self._home):
            path.unlink(missing_ok=True)
        for path in self._home.segment_paths():
            try:
                segment, spans, damaged = Segment.read(path)
            except OSError as error:
                raise SpoolError(f"the spool's {path} can't be read: {error.strerror}") from error
            for span in damaged:
                _warn_of_damage(path, span)
            if not spans:
                segment.delete()
                continue
            segment.unsettled_count = len(spans)
            self._segments[segment.number] = segment
            self._size_bytes += segment.end_bytes
            for span in spans:
                yield Slot(segment.number, *span)

    def has_room(self, frame_bytes: int) -> bool:
        """Whether an event of this size would be taken now."""
        newest = self._newest
        freed = newest.end_bytes if newest is not None and not newest.unsettled_count else 0
        return self._size_bytes - freed + frame_bytes + _OVERHEAD_BYTES <= self._bytes_max

    def put(self, frames: Sequence[bytes]) -> list[Slot]:
        """Write the first of the frames for which there is room, all or none of them, and say where they are.

        Raises SpoolError and ClientClosedError: nothing was written then.
        """
        try:
            with self._lock:
                taken = self._fitting(frames)
                if not taken:
                    return []
                segment = self._segment_to_write()
                slots = self._append(segment, taken)
            if self._fsync:
                self._sync(segment, slots)
        except OSError as error:
            raise SpoolError(
                f"the spool {self.directory} could not be written, the event is not recorded: {error.strerror}"
            ) from error
        return slots

    def load(self, extents: Sequence[Extent]) -> Loaded:
        """Read events back. Raises OSError if the disk can't, now; what is gone or damaged is lost, and told."""
        slots: list[Slot] = []
        frames: list[bytes] = []
        lost_count = 0
        for extent in extents:
            segment = self._segments[extent.segment]
            before = len(slots)
            try:
                data = segment.load(Span(extent.start, extent.end))
            except FileNotFoundError:
                data = b""
                _log.error("the spool's %s was removed by someone: its events are lost", segment.path)
            for is_record, span in read_records(data):
                place = Span(extent.start + span.start, extent.start + span.end)
                if is_record:
                    slots.append(Slot(extent.segment, *place))
                    frames.append(frame_of(data, span))
                else:
                    _warn_of_damage(segment.path, place)
            lost = extent.count - (len(slots) - before)
            if lost:
                lost_count += lost
                self._settle(segment, [], lost)
        return Loaded(slots, frames, lost_count)

    def settle(self, slots: Sequence[Slot]) -> None:
        """Forget events: they have their verdict."""
        by_segment: dict[int, list[Span]] = {}
        for slot in slots:
            by_segment.setdefault(slot.segment, []).append(Span(slot.start, slot.end))
        for number, spans in by_segment.items():
            self._settle(self._segments[number], joined(sorted(spans)), len(spans))

    def close(self) -> None:
        """Take no more, and let the directory go. What is not settled stays for the next start."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._newest is not None:
                self._newest.finish()
                if not self._newest.unsettled_count:
                    self._delete(self._newest)
            self._home.release()

    def abandon_after_fork(self) -> None:
        """In a forked child: close the copies of the parent's files. Takes no lock; the parent goes on."""
        self._closed = True
        if self._newest is not None:
            self._newest.forget_file()
        self._home.release()

    def full_text(self) -> str:
        """How full it is, for an error."""
        return (
            f"the spool {self.directory} holds {self._size_bytes:,} bytes of events that wait for the engine; "
            f"the bound is spool_bytes_max ({self._bytes_max:,})"
        )

    def _fitting(self, frames: Sequence[bytes]) -> list[bytes]:
        if self._closed:
            raise ClientClosedError("the client is closed: record before close() or make a new Client")
        taken: list[bytes] = []
        size = 0
        for frame in frames:
            size += len(frame) + RECORD_HEADER_BYTES
            if not self.has_room(size) or (taken and size > self._segment_bytes_max):
                break
            taken.append(frame)
        return taken

    def _segment_to_write(self) -> Segment:
        newest = self._newest
        if (
            newest is not None
            and not newest.broken
            and not self._writing
            and newest.end_bytes < self._segment_bytes_max
            and (newest.unsettled_count or newest.end_bytes < self._segment_bytes_max // 2)
        ):
            return newest
        number, self._next_number = self._next_number, self._next_number + 1
        segment = Segment.create(self.directory, number, int.from_bytes(os.urandom(4), "little"))
        if self._fsync:
            sync_directory(self.directory)
        self._segments[number] = segment
        self._size_bytes += segment.end_bytes
        self._newest = segment
        if newest is not None and not self._writing:
            self._finish(newest)
        return segment

    def _append(self, segment: Segment, frames: Sequence[bytes]) -> list[Slot]:
        records = [record(frame) for frame in frames]
        nested, self._writing = self._writing, True
        try:
            position = segment.append(records[0] if len(records) == 1 else b"".join(records))
        finally:
            self._writing = nested
        self._size_bytes += segment.end_bytes - position
        slots = []
        for written in records:
            slots.append(Slot(segment.number, position, position + len(written)))
            position += len(written)
        segment.unsettled_count += len(slots)
        return slots

    def _sync(self, segment: Segment, slots: Sequence[Slot]) -> None:
        try:
            segment.sync(slots[-1].end)
        except OSError:
            with self._lock:
                before = segment.end_bytes
                segment.cut_unsynced()
                self._size_bytes -= before - segment.end_bytes
            self._settle(segment, [], len(slots))
            raise

    def _finish(self, segment: Segment) -> None:
        if self._fsync and not segment.broken:
            segment.sync(segment.end_bytes)  # for those who are about to ask for it
        segment.finish()
        if not segment.unsettled_count:
            self._delete(segment)

    def _settle(self, segment: Segment, spans: Sequence[Span], count: int) -> None:
        with self._lock:
            segment.unsettled_count -= count
            if not segment.unsettled_count and segment is not self._newest:
                self._delete(segment)
            elif spans:
                try:
                    segment.mark_settled(spans)
                except OSError as error:
                    self._warn_of_marks(error)

    def _delete(self, segment: Segment) -> None:
        try:
            segment.delete()
        except OSError as error:
            self._warn_of_marks(error)
        del self._segments[segment.number]
        self._size_bytes -= segment.end_bytes
        if segment is self._newest:
            self._newest = None

    def _warn_of_marks(self, error: OSError) -> None:
        if not self._marks_failed:
            _log.warning(
                "the spool %s can't note what is settled (%s): after a restart it is sent again, and is counted once",
                self.directory,
                error.strerror,
            )
        self._marks_failed = True


def _warn_of_damage(path: Path, span: Span) -> None:
    _log.warning(
        "the spool's %s is damaged from byte %d to %d (a write that was cut short, or a fault of the disk): "
        "skipped; the events before and after it are good",
        path,
        span.start,
        span.end,
    )
