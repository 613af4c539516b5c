"""The bytes of the spool's files: records of events, and marks of what is settled. Pure.

1. A segment is a header and records. The header names the format and carries a random number, by which
   the marks of another segment are told from its own.
2. A record is a mark, the length of the frame, a CRC-32 of length and frame, and the frame. The mark holds
   bytes that no UTF-8 text contains, so that a text of an event can't look like a record.
3. Where a record should begin and none does, the bytes up to the next good record are damaged: a write
   that was cut short, a lost page, a flipped bit. A good record behind a bad one is always found.
4. Positions are offsets in the segment. They stay true whatever is damaged before them.
5. Settled is told by marks, each a range `[start, end)` of one segment with a CRC. A bad mark is ignored:
   the events are sent again and come back as duplicates.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meterline.options import EVENT_BYTES_MAX

_MAGIC = b"meterline spool\xff1"
_SEGMENT = struct.Struct(f"<{len(_MAGIC)}sII")  # magic, the random number, CRC of both
_MARK = b"\xff\xfeML"
_RECORD = struct.Struct("<4sII")  # mark, length, CRC
_SETTLED = struct.Struct("<III")  # start, end, CRC

SEGMENT_HEADER_BYTES = _SEGMENT.size
RECORD_HEADER_BYTES = _RECORD.size


class Span(NamedTuple):
    """Bytes `[start, end)` of a segment."""

    start: int
    end: int


class Slot(NamedTuple):
    """Where one event is on disk: the record `[start, end)` of a segment."""

    segment: int
    start: int
    end: int


@dataclass(slots=True)
class Extent:
    """`count` events side by side on disk."""

    segment: int
    start: int
    end: int
    count: int


def segment_header(nonce: int) -> bytes:
    """The first bytes of a segment; `nonce` has 32 bits."""
    body = _MAGIC + nonce.to_bytes(4, "little")
    return _SEGMENT.pack(_MAGIC, nonce, zlib.crc32(body))


def read_segment_header(data: bytes) -> int | None:
    """The nonce, or None if these bytes don't begin a segment of this format."""
    if len(data) < _SEGMENT.size:
        return None
    magic, nonce, crc = _SEGMENT.unpack_from(data)
    known = magic == _MAGIC and crc == zlib.crc32(data[: len(_MAGIC) + 4])
    return nonce if known else None


def record(frame: bytes) -> bytes:
    """A frame as it is written."""
    return _RECORD.pack(_MARK, len(frame), zlib.crc32(frame, len(frame))) + frame


def frame_of(data: bytes, span: Span) -> bytes:
    """The frame of the record at `span`."""
    return data[span.start + RECORD_HEADER_BYTES : span.end]


def read_records(data: bytes, start: int = 0) -> Iterator[tuple[bool, Span]]:
    """Every part of `data` from `start`, in order: (true, a good record) or (false, damaged bytes)."""
    view = memoryview(data)
    position, size = start, len(data)
    while position < size:
        end = _end_of_record(view, position, size)
        if end:
            yield True, Span(position, end)
        else:
            end = _next_record(data, view, position + 1)
            yield False, Span(position, end)
        position = end


def _end_of_record(view: memoryview, position: int, size: int) -> int:
    """Where the good record at `position` ends; 0 if there is none."""
    start = position + RECORD_HEADER_BYTES
    if start > size:
        return 0
    mark, length, crc = _RECORD.unpack_from(view, position)
    end: int = start + length
    if mark != _MARK or length > EVENT_BYTES_MAX or end > size:
        return 0
    return end if zlib.crc32(view[start:end], length) == crc else 0


def _next_record(data: bytes, view: memoryview, position: int) -> int:
    while (position := data.find(_MARK, position)) >= 0:
        if _end_of_record(view, position, len(data)):
            return position
        position += 1
    return len(data)


def settled_marks(spans: Sequence[Span], nonce: int) -> bytes:
    """The marks that say of these spans that nothing in them is to be sent again."""
    return b"".join(_SETTLED.pack(span.start, span.end, _settled_crc(span, nonce)) for span in spans)


def read_settled_marks(data: bytes, nonce: int) -> list[Span]:
    """The spans of all good marks of the segment with this nonce, sorted."""
    whole = len(data) - len(data) % _SETTLED.size  # a cut mark at the end is none
    marks = _SETTLED.iter_unpack(data[:whole])
    return sorted(
        Span(start, end) for start, end, crc in marks if crc == _settled_crc(Span(start, end), nonce)
    )


def _settled_crc(span: Span, nonce: int) -> int:
    return zlib.crc32(struct.pack("<II", *span), nonce)


def joined(spans: Sequence[Span]) -> list[Span]:
    """The same bytes in as few spans as can be; for sorted spans."""
    result: list[Span] = []
    for span in spans:
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(span.end, result[-1].end))
        else:
            result.append(span)
    return result


def unsettled(records: Sequence[Span], settled: Sequence[Span]) -> list[Span]:
    """The records of which no part is settled; both sorted, in one pass."""
    waiting: list[Span] = []
    ranges = iter(joined(settled))
    current = next(ranges, None)
    for span in records:
        while current is not None and current.end <= span.start:
            current = next(ranges, None)
        if current is None or span.end <= current.start:
            waiting.append(span)
    return waiting
