"""The bytes of the spool: what was written whole is found again, whatever else is damaged."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterline.spooling.spool_format import (
    Span,
    frame_of,
    joined,
    read_records,
    read_segment_header,
    read_settled_marks,
    record,
    segment_header,
    settled_marks,
    unsettled,
)

FRAMES = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=12)


def good_frames(data):
    return [frame_of(data, span) for is_record, span in read_records(data) if is_record]


@given(FRAMES)
def test_what_was_written_is_read(frames):
    """In its order, with nothing in between."""
    data = b"".join(map(record, frames))
    assert good_frames(data) == frames
    assert all(is_record for is_record, _ in read_records(data))


@given(FRAMES, st.data())
def test_a_tail_that_was_cut_loses_only_the_last_record(frames, data):
    """Cut anywhere: the records before the cut are good, the rest is one damaged part."""
    written = b"".join(map(record, frames))
    cut = data.draw(st.integers(0, len(written) - 1))
    whole, position = [], 0
    for frame in frames:
        position += len(record(frame))
        if position <= cut:
            whole.append(frame)
    assert good_frames(written[:cut]) == whole
    assert sum(1 for is_record, _ in read_records(written[:cut]) if not is_record) <= 1


@given(FRAMES, st.data())
def test_a_flipped_bit_loses_the_one_record_it_is_in(frames, data):
    """In the mark, the length, the checksum or the frame: every other record is found."""
    written = bytearray(b"".join(map(record, frames)))
    hit = data.draw(st.integers(0, len(written) - 1))
    written[hit] ^= 1 << data.draw(st.integers(0, 7))
    ends = list(accumulate(len(record(frame)) for frame in frames))
    lost = next(index for index, end in enumerate(ends) if hit < end)
    assert good_frames(bytes(written)) == frames[:lost] + frames[lost + 1 :]


@given(FRAMES, st.binary(max_size=200), FRAMES)
def test_good_records_behind_any_damage_are_found(before, damage, after):
    """Zeros, noise, anything that is not a whole record of its own."""
    data = b"".join(map(record, before)) + damage + b"".join(map(record, after))
    found = good_frames(data)
    assert found[: len(before)] == before
    assert found[-len(after) :] == after


def test_a_length_that_points_into_the_next_record_does_not_hide_it():
    """The first record claims ten bytes more than it has; the second is read all the same."""
    first = bytearray(record(b"first"))
    first[4] += 10
    assert good_frames(bytes(first) + record(b"second")) == [b"second"]


def test_a_text_of_an_event_can_not_look_like_a_record():
    """The mark is not UTF-8, so no string of an event holds it."""
    mark = record(b"x")[:4]
    assert mark.decode("utf-8", "ignore").encode() != mark


def test_every_part_is_told_once_and_none_is_left_out():
    """The parts, good and damaged, cover the bytes without a gap."""
    data = record(b"a") + b"\0" * 30 + record(b"b") + b"\xff\xfe"
    parts = [span for _, span in read_records(data)]
    assert parts[0].start == 0
    assert parts[-1].end == len(data)
    assert all(one.end == two.start for one, two in pairwise(parts))


def test_a_header_of_another_kind_is_none():
    """The number comes back; a damaged or foreign header gives none."""
    header = segment_header(123_456_789)
    assert read_segment_header(header) == 123_456_789
    assert read_segment_header(header[:-1]) is None
    assert read_segment_header(b"another file, long enough to be a header") is None
    assert read_segment_header(header[:16] + b"\1" + header[17:]) is None


def test_marks_of_another_segment_are_ignored():
    """A number that was used again must never make an event look settled."""
    marks = settled_marks([Span(24, 50), Span(60, 90)], nonce=7)
    assert read_settled_marks(marks, 7) == [Span(24, 50), Span(60, 90)]
    assert read_settled_marks(marks, 8) == []


def test_a_damaged_or_cut_mark_is_ignored_alone():
    """The others count."""
    marks = bytearray(settled_marks([Span(0, 9), Span(9, 20), Span(20, 31)], nonce=7))
    marks[13] ^= 1
    assert read_settled_marks(bytes(marks[:-1]), 7) == [Span(0, 9)]


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_what_is_not_settled_is_left(records, settled):
    """Records of ten bytes; the marks arrive in any order and joined or not."""
    spans = [Span(number * 10, number * 10 + 10) for number in sorted(records)]
    marks = [Span(number * 10, number * 10 + 10) for number in sorted(settled)]
    expected = [Span(number * 10, number * 10 + 10) for number in sorted(records - settled)]
    assert unsettled(spans, marks) == expected
    assert unsettled(spans, joined(marks)) == expected
