"""Requests in columns: the same events, texts and verdicts as messages, and a clear line for all else."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Admission, Fingerprinter, Limits, RequestKind, decode, decode_parts
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from tests.support.ingest.admission_oracle import admit as admit_one_by_one
from tests.support.ingest.arrow_streams import NOW_US, batch_of, request_of, stream_of, varied_batches
from tests.support.ingest.event_columns import entries_of

ROOT = Path(__file__).parents[2]
LIMITS = Limits(id_bytes_max=6, properties_max=3, property_key_bytes_max=5, property_value_bytes_max=9)
VALUES = {"call": frozenset({"n"}), "job": frozenset({"n", "m"}), "ping": frozenset()}
ADMISSION = Admission(LIMITS, VALUES)
FINGERPRINTER = Fingerprinter(b"the secret of these tests")
MIB = 1024 * 1024


def _decoded(stream, limits=LIMITS):
    return decode(RequestKind.COLUMNS, [request_of(stream)], limits)


def _mistake(stream, limits=LIMITS):
    """The one line that refuses a stream."""
    decoded = _decoded(stream, limits)
    assert len(decoded.events) == 0
    assert decoded.offsets.tolist() == [0, 0]
    return decoded.mistakes[0].message


def _properties(limits=None, **columns):
    """Each event's properties as they are stored."""
    rows = len(next(iter(columns.values())))
    limits = limits or Limits()
    decoded = _decoded(stream_of(batch_of(rows, **columns)), limits)
    assert not decoded.mistakes, decoded.mistakes
    admitted = Admission(limits, VALUES).admit("t1", decoded.events, NOW_US)
    return [dict(each) for each in admitted.events.column("properties").to_pylist()]


_texts = st.one_of(
    st.none(),
    st.sampled_from(["", "a", "acme", "\N{ROCKET}", "\x00", "1", "-1.5", "1e3"]),
    st.text(max_size=11),
)
_doubles = st.one_of(st.floats(), st.sampled_from([0.1, 1e9, 1e16, -0.0, 5e-324, 1e22, 5e-12]))
_layouts = {
    "string_value": (
        _texts,
        st.sampled_from(
            [
                pa.string(),
                pa.large_string(),
                pa.string_view(),
                pa.dictionary(pa.int8(), pa.string()),
                pa.dictionary(pa.uint64(), pa.large_string()),
            ]
        ),
    ),
    "int_value": (
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 9)),
        st.just(pa.int64()),
    ),
    "double_value": (st.one_of(st.none(), _doubles), st.just(pa.float64())),
    "bool_value": (st.one_of(st.none(), st.booleans()), st.just(pa.bool_())),
}
_keys = st.one_of(st.sampled_from(["n", "m", "model"]), st.text(max_size=7))
_seconds = st.one_of(
    st.none(),
    st.integers(NOW_US // 1_000_000 - 3_100_000, NOW_US // 1_000_000 + 400),
    st.sampled_from([0, -1, 253_402_300_799, 253_402_300_800]),
)


def _lists(draw, pool, rows):
    return draw(st.lists(pool, min_size=rows, max_size=rows))


def _id_column(draw, name, pool, events):
    values = _lists(draw, pool, len(events))
    for event, value in zip(events, values, strict=True):
        setattr(event, name, value or "")
    return pa.array(values, pa.string()).cast(draw(_layouts["string_value"][1]))


def _time_column(draw, events):
    seconds = _lists(draw, _seconds, len(events))
    for event, second in zip(events, seconds, strict=True):
        if second is not None:
            event.event_time.seconds = second
    return pa.array(seconds, pa.timestamp("s", draw(st.sampled_from(["UTC", "Asia/Tokyo"]))))


def _map_column(draw, events):
    pairs = st.one_of(st.none(), st.lists(st.tuples(_keys, _texts), max_size=4))
    mapped = _lists(draw, pairs, len(events))
    for event, each in zip(events, mapped, strict=True):
        for key, value in each or []:
            if value is not None:
                event.properties[key].string_value = value
    return pa.array(mapped, pa.map_(pa.string(), pa.string()))


def _property_column(draw, key, events):
    kind = draw(st.sampled_from(sorted(_layouts)))
    pool, types = _layouts[kind]
    values = _lists(draw, pool, len(events))
    for event, value in zip(events, values, strict=True):
        if value is not None:
            event.properties[key].CopyFrom(PropertyValue(**{kind: value}))
    return pa.array(values, pa.string() if kind == "string_value" else None).cast(draw(types))


@st.composite
def _tables(draw):
    """A record batch, and the same events as messages."""
    events = [UsageEvent() for _ in range(draw(st.integers(1, 5)))]
    columns = {
        "event_id": _id_column(draw, "event_id", _texts, events),
        "event_type": _id_column(draw, "event_type", st.sampled_from([*VALUES, "x", None]), events),
        "customer_id": _id_column(draw, "customer_id", _texts, events),
        "event_time": _time_column(draw, events),
        "properties": _map_column(draw, events),
    }
    for key in draw(st.lists(_keys, unique=True, max_size=4)):
        columns[f"properties.{key}"] = _property_column(draw, key, events)
    return pa.record_batch(columns), events


@given(_tables(), st.integers(0, 4))
@settings(max_examples=300)
def test_columns_are_judged_as_messages_one_by_one(table, cut):
    """Random and extreme values in every layout, in one batch and in two: rows, texts, fields, reasons, messages."""
    batch, messages = table
    batches = [each for each in (batch.slice(0, cut), batch.slice(cut)) if len(each)]
    # Bytes in place of slices of one buffer, as they come over the wire.
    decoded = _decoded(stream_of(*batches))
    assert not decoded.mistakes, decoded.mistakes
    judged = entries_of(ADMISSION.admit("t1", decoded.events, NOW_US))
    assert judged == admit_one_by_one(LIMITS, VALUES, "t1", messages, NOW_US)


@given(st.lists(_tables(), min_size=1, max_size=4), st.integers(0, 3), st.sampled_from([1, 6, 50]))
@settings(max_examples=200)
def test_requests_of_columns_together_are_each_as_alone(tables, broken_at, together_max):
    """Of any layout, beside one that can't be read, in as many parts as the bound of an insert makes of them."""
    limits = replace(
        LIMITS,
        insert_events_max=together_max,
        columns_events_max=together_max,
        request_events_max=together_max,
    )
    requests = [request_of(stream_of(batch)) for batch, _ in tables]
    expected = [
        admit_one_by_one(LIMITS, VALUES, "t1", messages, NOW_US) if len(messages) <= together_max else None
        for _, messages in tables
    ]
    requests.insert(broken_at, b"\xff")
    expected.insert(broken_at, None)
    judged = []
    for part in decode_parts(RequestKind.COLUMNS, requests, limits):
        assert len(part.events) <= together_max
        entries = entries_of(ADMISSION.admit("t1", part.events, NOW_US))
        for place in range(len(part)):
            request = entries[part.offsets[place] : part.offsets[place + 1]]
            judged.append(None if place in part.mistakes else request)
            assert request or place in part.mistakes
    assert judged == expected


@given(_tables())
def test_the_same_events_have_the_same_fingerprints_both_ways(table):
    """So the one is a duplicate of the other."""
    batch, messages = table
    both = [
        _decoded(stream_of(batch)),
        decode(RequestKind.RECORD, [RecordUsageRequest(events=messages).SerializeToString()], LIMITS),
    ]
    columns, sent = (FINGERPRINTER.of(ADMISSION.admit("t1", each.events, NOW_US).events) for each in both)
    assert (columns.identities == sent.identities).all()
    assert (columns.contents == sent.contents).all()


@pytest.mark.parametrize(
    ("numbers", "kind", "texts"),
    [
        (["1.50", "-0.01", "0.00"], pa.decimal128(9, 2), ["1.50", "-0.01", "0.00"]),
        (["1", "-12", "0"], pa.decimal256(76, 0), ["1", "-12", "0"]),
        (["0.000000000001", "-5E-12"], pa.decimal128(38, 12), ["0.000000000001", "-0.000000000005"]),
        # As many zeros past the 12th digit as a decimal(38, 18) has, and a digit there that is none.
        (["1.5", "0"], pa.decimal128(38, 18), ["1.500000000000", "0.000000000000"]),
        (["1.000000000000000001"], pa.decimal128(38, 18), ["1.000000000000000001"]),
        (
            ["-99999999999999999999999999.999999999999"],
            pa.decimal128(38, 12),
            ["-99999999999999999999999999.999999999999"],
        ),
        (["12.5"], pa.decimal32(9, 1), ["12.5"]),
        (["-1234567890.12345678"], pa.decimal64(18, 8), ["-1234567890.12345678"]),
    ],
)
def test_a_decimal_is_stored_digit_by_digit(numbers, kind, texts):
    """Of every width, without an exponent, with the digits of its type."""
    column = pa.array([Decimal(each) for each in numbers], kind)
    assert _properties(**{"properties.x": column}) == [{"x": text} for text in texts]


@given(
    st.lists(st.decimals(-(10**20), 10**20, places=12).filter(lambda each: abs(each) < 10**20), min_size=1)
)
def test_any_decimal_has_the_text_of_pythons_plain_form(numbers):
    """Twelve digits after the point."""
    column = pa.array(numbers, pa.decimal128(38, 12))
    # Arrow has no negative zero.
    expected = [{"x": format(each or abs(each), ".12f")} for each in numbers]
    assert _properties(**{"properties.x": column}) == expected


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([-(2**63), 2**63 - 1], pa.int64(), ["-9223372036854775808", "9223372036854775807"]),
        ([2**64 - 1], pa.uint64(), ["18446744073709551615"]),
        ([-128, 127], pa.int8(), ["-128", "127"]),
        ([True, False], pa.bool_(), ["true", "false"]),
        ([0.1, 1.0, 1e22, 5e-12], pa.float64(), ["0.1", "1.0", "10000000000000000000000", "0.000000000005"]),
    ],
)
def test_numbers_and_bools_have_the_texts_of_the_wire(values, kind, texts):
    """Integers of every width, doubles by their shortest form."""
    assert _properties(**{"properties.x": pa.array(values, kind)}) == [{"x": text} for text in texts]


def test_a_null_is_an_absent_property_and_a_column_stands_over_the_map():
    """Null columns, null entries of a map, a null map; null in a dictionary; the map's value stays under a null."""
    pairs = [[("a", "1"), ("b", None)], None, [("a", "3")]]
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["x", None]))
    expected = [{"a": "9", "c": "x"}, {}, {"a": "3"}]
    columns = {"properties.a": pa.array([9, None, None]), "properties.c": encoded}
    for properties in (
        pa.array(pairs, pa.map_(pa.string(), pa.string())),
        pa.array(
            [each and [{"key": k, "value": v} for k, v in each] for each in pairs],
            pa.large_list(pa.struct([("value", pa.string_view()), ("key", pa.large_string())])),
        ),
    ):
        assert _properties(properties=properties, **columns) == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_is_kept_to_the_microsecond_in_any_unit_and_zone(unit):
    """What is finer is cut off, as on the wire."""
    instant = datetime(2027, 1, 15, 7, 30, tzinfo=UTC)
    ticks = pa.array([instant], pa.timestamp(unit, "UTC")).cast(pa.int64())[0].as_py()
    extra = 999 if unit == "ns" else 0
    column = pa.array([ticks + extra], pa.int64()).cast(pa.timestamp(unit, "America/New_York"))
    decoded = _decoded(stream_of(batch_of(1, event_time=column)))
    assert decoded.events.instants.times_us.tolist() == [
        (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    ]


@pytest.mark.parametrize(
    ("unit", "ticks", "wild"),
    [
        ("s", 253_402_300_799, False),
        ("s", 253_402_300_800, True),
        ("s", 2**63 - 1, True),
        ("s", -(2**63), True),
        ("ms", 253_402_300_799_999, False),
        ("us", 253_402_300_800_000_000, True),
        ("ns", -1, True),
        ("ns", 2**63 - 1, False),
    ],
)
def test_a_time_out_of_the_calendar_is_wild_and_never_wraps(unit, ticks, wild):
    """Between the years 1970 and 9999, in every unit."""
    column = pa.array([ticks], pa.int64()).cast(pa.timestamp(unit, "UTC"))
    instants = _decoded(stream_of(batch_of(1, event_time=column))).events.instants
    assert instants.wild.tolist() == [wild]
    assert instants.times_us.tolist() == [
        0 if wild else ticks * {"s": 10**6, "ms": 1000, "us": 1}.get(unit, 0) or ticks // 1000
    ]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"event_id": None}, "has no column 'event_id'"),
        ({"event_time": None}, "has no column 'event_time'"),
        ({"event_id": pa.array([1, 2, 3])}, "column 'event_id' is int64: send text"),
        ({"customer_id": pa.array([b"a"] * 3)}, "column 'customer_id' is binary: send text"),
        (
            {"event_type": pa.array([1, 1, 2]).dictionary_encode()},
            "column 'event_type' is dictionary<values=int64",
        ),
        (
            {"event_time": pa.array([1, 2, 3])},
            "column 'event_time' is int64: send a timestamp with a time zone",
        ),
        ({"event_time": pa.array([1, 2, 3], pa.timestamp("us"))}, "column 'event_time' has no time zone"),
        ({"event_time": pa.array([1, 2, 3], pa.date32())}, "column 'event_time' is date32"),
        ({"tokens": pa.array([1, 2, 3])}, "column 'tokens' is unknown"),
        ({"properties": pa.array(["a", "b", "c"])}, "column 'properties' is string: send a map"),
        (
            {"properties": pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64()))},
            "column 'properties' is map",
        ),
        (
            {"properties.x": pa.array([1, 2, 3], pa.float32())},
            "column 'properties.x' is float, whose values have no exact",
        ),
        ({"properties.x": pa.array([1, 2, 3], pa.float16())}, "column 'properties.x' is halffloat"),
        ({"properties.x": pa.array([None] * 3)}, "column 'properties.x' is null: send text"),
        ({"properties.x": pa.array([[1]] * 3)}, "column 'properties.x' is list"),
        (
            {"properties.x": pa.array([1, 2, 3], pa.timestamp("s", "UTC"))},
            "column 'properties.x' is timestamp",
        ),
        (
            {"properties.x": pa.array([100, 200, 300], pa.decimal128(9, -2))},
            "column 'properties.x' has the scale -2",
        ),
        (
            {"properties.x": pa.RunEndEncodedArray.from_arrays([3], pa.array(["a"]))},
            "column 'properties.x' is run_end",
        ),
        ({"event\nid": pa.array([1, 2, 3])}, r"column 'event\nid' is unknown"),
    ],
)
def test_a_column_that_is_not_taken_is_named(columns, line):
    """With what is wrong with it and what to send instead."""
    message = _mistake(stream_of(batch_of(3, **columns)))
    assert line in message
    assert "\n" not in message


def test_a_column_that_is_there_twice_is_named():
    """Whichever of the two would count, the other would be lost."""
    batch = batch_of(1)
    twice = pa.RecordBatch.from_arrays(
        [*batch.columns, batch.column(0)], names=[*batch.schema.names, "event_id"]
    )
    assert _mistake(stream_of(twice)) == "column 'event_id' is there twice"


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("where", ["a batch", "a dictionary"])
def test_a_compressed_body_is_refused_before_it_is_decompressed(codec, where):
    """A gibibyte of zeros is some tens of kilobytes of zstd: refused by its header, in no time and no memory."""
    zeros = pa.array(np.zeros(40 * MIB, np.int8))
    bomb = pa.record_batch({"properties.x": zeros})
    if where == "a dictionary":
        bomb = batch_of(1, event_id=pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["0" * 40 * MIB])))
    stream = stream_of(bomb, compression=codec)
    assert len(stream) < MIB
    allocated = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory()
    assert "is compressed" in _mistake(stream)
    assert pa.total_allocated_bytes() <= allocated
    assert pa.default_memory_pool().max_memory() == peak


def test_what_dictionaries_and_views_repeat_is_counted_before_it_is_written_out():
    """70,000 bytes that a thousand events name would be 70 MB; a thousand that a thousand name are one."""
    text = pa.array(["x" * 70_000])
    places = pa.array([0] * 1_000, pa.int32())
    encoded = pa.DictionaryArray.from_arrays(places, text)
    assert "has 70" in _mistake(stream_of(batch_of(1_000, event_id=encoded)), Limits())
    assert "send fewer events" in _mistake(stream_of(batch_of(1_000, event_id=encoded)), Limits())
    _there, view, data = text.cast(pa.string_view()).buffers()
    views = pa.Array.from_buffers(
        pa.string_view(), 1_000, [None, pa.py_buffer(view.to_pybytes()[:16] * 1_000), data]
    )
    assert "has 70" in _mistake(stream_of(batch_of(1_000, event_id=views)), Limits())
    small = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 1_000]))
    assert len(_decoded(stream_of(batch_of(1_000, event_id=small)), Limits()).events) == 1_000
    name = "properties." + "n" * 70_000
    assert "has 70" in _mistake(stream_of(batch_of(1_000, **{name: places})), Limits())


def test_doubles_of_wild_size_are_counted_with_their_zeros():
    """1e300 has 301 digits: 300 columns of a thousand would be 90 MB; prices of common size are 10."""
    limits = Limits(columns_max=1_000)

    def columns(number):
        return {f"properties.{i}": pa.array([number] * 1_000) for i in range(300)}

    assert "send fewer events" in _mistake(stream_of(batch_of(1_000, **columns(1e300))), limits)
    assert len(_decoded(stream_of(batch_of(1_000, **columns(0.015))), limits).events) == 1_000


def test_a_dictionary_delta_is_refused_and_a_new_dictionary_is_taken():
    """Writers send another dictionary when a batch has other texts."""
    batches = [
        batch_of(2, event_type=pa.array(texts).dictionary_encode())
        for texts in (["call", "job"], ["call", "ping"])
    ]
    longer = [
        batch_of(1, event_type=batches[0].column("event_type").dictionary.dictionary_encode()[:1]),
        batch_of(3, event_type=pa.array(["call", "job", "ping"]).dictionary_encode()),
    ]
    assert _decoded(stream_of(*batches)).events.event_types.to_pylist() == ["call", "job", "call", "ping"]
    assert "dictionary delta" in _mistake(stream_of(*longer, emit_dictionary_deltas=True))


def test_the_bounds_of_events_columns_and_messages_are_named():
    """One event more than the limit, none at all, one column more, one batch more."""
    limits = Limits(columns_events_max=5, columns_max=6, columns_messages_max=4)
    assert _mistake(stream_of(batch_of(6)), limits) == "has 6 events: send 1 to 5 (columns_events_max)"
    assert _mistake(stream_of(batch_of(3), batch_of(3)), limits).startswith("has 6 events")
    assert _mistake(stream_of(batch_of(0)), limits).startswith("has 0 events")
    wide = {f"properties.{i}": pa.array([1]) for i in range(3)}
    assert _mistake(stream_of(batch_of(1, **wide)), limits) == "has 7 columns; columns_max is 6"
    assert "columns_messages_max" in _mistake(stream_of(*[batch_of(1)] * 4), limits)
    assert len(_decoded(stream_of(*[batch_of(1)] * 3), limits).events) == 3


def test_text_that_is_not_utf8_is_refused():
    """In an id, in a dictionary, in a view, in a map's key."""
    bad = pa.array([b"\xff\xfe"] * 2)
    short = bad.cast(pa.binary()).view(pa.string())
    for columns in (
        {"event_id": short},
        {"event_id": pa.DictionaryArray.from_arrays(pa.array([0, 0]), short)},
        {"event_id": pa.array([b"\xff\xfe"] * 2, pa.binary_view()).view(pa.string_view())},
        {"properties": pa.MapArray.from_arrays([0, 1, 2], short, short)},
        {"properties.x": short},
    ):
        (name,) = columns
        line = _mistake(stream_of(batch_of(2, **columns)))
        assert line.startswith(f"column {name!r} is unsound: ")
        assert "Invalid UTF8" in line


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\x00",
        b"ARROW1\x00\x00",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\x00\x00\x00\x00",
        b"{}" * 40,
        stream_of(batch_of(1))[:300],
    ],
)
def test_bytes_that_are_no_stream_are_refused_in_one_line(stream):
    """Nothing, noise, a file, the end of a stream, JSON, a stream that is cut."""
    message = _mistake(stream)
    assert message.startswith(("is not a sound Arrow IPC stream: ", "has 0 events"))
    assert "\n" not in message


def test_bytes_that_are_no_message_are_refused():
    """The line names the message."""
    decoded = decode(RequestKind.COLUMNS, [b"\x0a\xff"], LIMITS)
    assert decoded.mistakes[0].field == "request"
    assert "RecordUsageColumnsRequest" in decoded.mistakes[0].message


def test_a_null_views_reference_is_not_followed():
    """Nobody validates it, and Arrow's cast would read where it points to: here a gigabyte past the end."""
    views = np.array([[1, ord("a"), 0, 0], [2**30, 0, 0, 2**30]], np.int32)
    there = pa.py_buffer(bytes([0b01]))
    wild = pa.Array.from_buffers(pa.string_view(), 2, [there, pa.py_buffer(views)])
    decoded = _decoded(stream_of(batch_of(2, event_id=wild, **{"properties.x": wild})), Limits())
    assert decoded.events.event_ids.to_pylist() == ["a", ""]
    assert decoded.events.properties.texts.to_pylist() == ["a"]


def _fuzz(seed, requests):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.support.ingest.arrow_fuzz", seed, str(requests)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr[-4_000:]}"
    taken, refused = (int(part.split()[0]) for part in done.stdout.split(","))
    assert taken + refused == requests
    assert min(taken, refused) > requests // 50


def test_mutated_streams_neither_crash_nor_escape(seed):
    """3,000 streams with changed, cut, doubled and moved bytes: a verdict or one clear line, and the process lives."""
    _fuzz(seed, 3_000)


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_many_mutated_streams_neither_crash_nor_escape(seed, part):
    """200,000 of them."""
    _fuzz(f"{seed}-{part}", 50_000)


def test_every_layout_of_the_fuzz_is_sound_before_it_is_mutated():
    """Otherwise it would prove nothing."""
    for batch in varied_batches():
        assert not _decoded(stream_of(batch), Limits()).mistakes
