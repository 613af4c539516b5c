"""The columns against the oracle: the same rows, the same problems, whatever bytes come in."""

import re

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest import Admission, Limits, RequestKind, decode
from meterline.v1 import usage_pb2
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, StreamUsageRequest, UsageEvent
from tests.support.ingest.admission_oracle import admit as admit_one_by_one
from tests.support.ingest.event_columns import entries_of

NOW_US = 1_800_000_000_000_000
LIMITS = Limits(id_bytes_max=6, properties_max=3, property_key_bytes_max=5, property_value_bytes_max=9)
VALUES = {"call": frozenset({"n"}), "job": frozenset({"n", "m"}), "ping": frozenset()}
ADMISSION = Admission(LIMITS, VALUES)

_texts = st.one_of(
    st.sampled_from(["", "a", "n", "acme", "\N{ROCKET}", "\x00", "1", "-1.5", "1\n", "1e3", "٣"]),
    st.text(max_size=11),
)
_types = st.one_of(st.sampled_from(sorted(VALUES)), _texts)
_doubles = st.one_of(
    st.floats(),
    st.integers(-(2**60), 2**60).map(float),
    st.decimals(-1000, 1000, places=3).map(float),
    st.sampled_from([1e9, 1e10, 1e15, 9999999999999998.0, 1e16, 1e-4, 1e-5, 1e-6, 1e-7, -0.0, 5e-324]),
)
_values = st.one_of(
    _texts.map(lambda text: PropertyValue(string_value=text)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: PropertyValue(int_value=number)),
    st.sampled_from([-(2**63), 2**63 - 1, 0]).map(lambda number: PropertyValue(int_value=number)),
    _doubles.map(lambda number: PropertyValue(double_value=number)),
    st.booleans().map(lambda flag: PropertyValue(bool_value=flag)),
    st.just(PropertyValue()),
)
_now = NOW_US // 1_000_000
_times = st.one_of(
    st.none(),
    st.builds(
        Timestamp, seconds=st.integers(_now - 3_100_000, _now + 400), nanos=st.integers(0, 999_999_999)
    ),
    st.builds(
        Timestamp,
        seconds=st.sampled_from([0, -1, 253_402_300_799, 253_402_300_800, 2**63 - 1, -(2**63), _now]),
        nanos=st.sampled_from([0, -1, 999, 999_999_999, 1_000_000_000, 2**31 - 1, -(2**31)]),
    ),
)
_keys = st.one_of(st.sampled_from(["n", "m", "model"]), _texts)
_events = st.builds(
    UsageEvent,
    event_id=_texts,
    event_type=_types,
    customer_id=_texts,
    event_time=_times,
    properties=st.dictionaries(_keys, _values, max_size=5),
)
_sound = st.builds(
    UsageEvent,
    event_id=st.just("e1"),
    event_type=st.sampled_from(sorted(VALUES)),
    customer_id=st.just("acme"),
    event_time=st.just(Timestamp(seconds=_now, nanos=999)),
    properties=st.dictionaries(_keys, _values, max_size=3),
)
_batches = st.lists(st.one_of(_events, _sound), max_size=6)


def _expected(messages):
    return admit_one_by_one(LIMITS, VALUES, "t1", messages, NOW_US)


def _judged(decoded):
    """One list of entries for each request."""
    entries = entries_of(ADMISSION.admit("t1", decoded.events, NOW_US))
    assert decoded.offsets[-1] == len(entries)
    return [entries[first:last] for first, last in zip(decoded.offsets, decoded.offsets[1:], strict=False)]


def _agree(payloads, kind=RequestKind.RECORD):
    """Protobuf and the oracle on one side, the columns on the other."""
    decoded = decode(kind, payloads, LIMITS)
    for i, (payload, judged) in enumerate(zip(payloads, _judged(decoded), strict=True)):
        try:
            message = getattr(usage_pb2, kind.value).FromString(payload)
        except DecodeError:
            assert i in decoded.mistakes or _may_be_skipped(payload)
            assert judged == [] or i not in decoded.mistakes
            continue
        assert i not in decoded.mistakes
        assert decoded.sequences[i] == getattr(message, "sequence", 0)
        # Python's protobuf sets a property aside that has a field of a later contract; here it counts.
        if not any(unknown.field_number == 5 for each in message.events for unknown in UnknownFieldSet(each)):
            assert judged == _expected(message.events)


@given(st.lists(_batches, min_size=1, max_size=4))
@settings(max_examples=300)
def test_requests_are_judged_as_one_by_one(batches):
    """Random and extreme events: rows, texts, fields, reasons and messages."""
    _agree([RecordUsageRequest(events=batch).SerializeToString() for batch in batches])


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), _batches), min_size=1, max_size=4))
def test_streamed_requests_are_judged_as_one_by_one(batches):
    """Their sequence comes along."""
    payloads = [
        StreamUsageRequest(sequence=number, events=batch).SerializeToString() for number, batch in batches
    ]
    _agree(payloads, RequestKind.STREAM)


@given(_doubles)
@settings(max_examples=1_000)
def test_a_double_has_the_text_of_its_shortest_form(number):
    """Digit by digit as Python's repr, without an exponent."""
    limits = Limits()
    event = UsageEvent(
        event_id="e",
        event_type="ping",
        customer_id="c",
        event_time=Timestamp(seconds=_now),
        properties={"x": PropertyValue(double_value=number)},
    )
    decoded = decode(RequestKind.RECORD, [RecordUsageRequest(events=[event]).SerializeToString()], Limits())
    entries = entries_of(Admission(limits, VALUES).admit("t1", decoded.events, NOW_US))
    assert entries == admit_one_by_one(limits, VALUES, "t1", [event], NOW_US)


@given(st.lists(_batches, min_size=1, max_size=3), st.data())
@settings(max_examples=300)
def test_broken_bytes_are_read_as_protobuf_reads_them(batches, data):
    """One byte changed, some cut off or put in: malformed for both, or the same events for both, and the
    requests beside it are untouched.
    """
    payloads = [RecordUsageRequest(events=batch).SerializeToString() for batch in batches]
    broken = bytearray(payloads[0])
    place = data.draw(st.integers(0, len(broken)))
    cut = data.draw(st.integers(0, 3))
    broken[place : place + cut] = data.draw(st.binary(max_size=3))
    payloads[0] = bytes(broken)
    _agree(payloads)


def _may_be_skipped(payload):
    """Whether it may have an unknown group (wire type 3) or a tag or length of more than 32 bits."""
    return any(byte & 7 == 3 for byte in payload) or re.search(rb"[\x80-\xff]{4}", payload) is not None


def _field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def _property(*parts):
    """An event's bytes whose one property's entry has these parts."""
    sound = UsageEvent(
        event_id="e", event_type="call", customer_id="c", event_time=Timestamp(seconds=_now)
    ).SerializeToString()
    return sound + _field(5, b"".join(parts))


_KEY, _TEXT, _NUMBER = _field(1, b"n"), _field(1, b"7"), b"\x10\x03"


@pytest.mark.parametrize(
    "event",
    [
        _property(_KEY),
        _property(_field(2, _TEXT)),
        _property(_KEY, _field(2, b"")),
        _property(_KEY, _field(2, _TEXT + _NUMBER)),
        _property(_KEY, _field(2, _NUMBER + _TEXT)),
        _property(_KEY, _field(2, _TEXT), _field(2, _NUMBER)),
        _property(_KEY, _field(1, b"m"), _field(2, _TEXT)),
        _property(_KEY, _field(2, _TEXT)) + _field(5, _KEY + _field(2, _NUMBER)),
        _property(_KEY, _field(2, _TEXT)) + _field(5, _field(1, b"m") + _field(2, _NUMBER)),
        _property(_KEY, _field(2, _TEXT)) + _field(4, b"\x10\x07"),
        _property(_KEY, _field(2, _TEXT)) + _field(1, b"other"),
        _property(_KEY, _field(2, b"\x20\x02")),
        _property(_KEY, _field(2, b"\x0a\x01\xff")),
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\xff\x07",
        b"\x4b\x4c",
        b"\x4b",
        b"\x08\x05",
        b"",
    ],
)
def test_what_no_encoder_sends_is_read_as_protobuf_reads_it(event):
    """Two kinds in one value, keys and times sent twice, properties without key or value, wrong wire types,
    lengths past the end and past 2^63; a sound request beside it is untouched.
    """
    _agree([_field(1, event), RecordUsageRequest(events=[UsageEvent(event_id="e")]).SerializeToString()])


@pytest.mark.parametrize("beside", [b"", b"\x0a\x02\x0a"])
def test_a_property_with_a_field_of_a_later_contract_counts(beside):
    """A newer producer's usage is not lost, also when protobuf must settle a request beside it."""
    newer = _field(1, _property(_KEY, _field(2, _TEXT), b"\x78\x01"))
    (entry,) = _judged(decode(RequestKind.RECORD, [newer, beside], LIMITS))[0]
    assert entry.properties == (("n", "7"),)


@given(st.binary(max_size=60))
@example(b"\xff\xff\xff")
@example(b"\x0a\x04\x0a\x02\xff\xfe")
def test_noise_is_malformed_for_both(noise):
    """Or it is a message for both."""
    _agree([noise])


@pytest.mark.parametrize("closed", [True, False])
def test_groups_in_groups_are_no_message(closed):
    """A million deep, in the request, an event and a value: refused by depth, and the process lives; alone among
    others that are read.
    """
    depth = 1_000_000
    groups = b"\x7b" * depth + b"\x7c" * depth * closed
    good = b"\x0a\x03\x0a\x01a"

    def within(*fields):
        data = groups
        for field in reversed(fields):
            data = bytes([field << 3 | 2]) + _varint(len(data)) + data
        return data

    requests = [good, good + groups, within(1), within(1, 5), within(1, 5, 2), good]
    decoded = decode(RequestKind.RECORD, requests, LIMITS)
    assert set(decoded.mistakes) == {1, 2, 3, 4}
    assert decoded.offsets.tolist() == [0, 1, 1, 1, 1, 1, 2]


def _varint(value):
    data = b""
    while value >= 128:
        data += bytes([value % 128 + 128])
        value //= 128
    return data + bytes([value])
