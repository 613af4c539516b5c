"""Events and requests made to break the engine: each has its verdict or its status, and nothing else suffers."""

import gzip
import zlib

import grpc
import pytest

from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_REJECTED,
    PropertyValue,
    RecordUsageRequest,
    RecordUsageResponse,
)
from tests.support.engine.http2_peer import Peer
from tests.support.engine.ledger import JUNE_10, event, kept_ledger, rss_mib, watched_memory

MIB = 1024 * 1024
METHOD = "/meterline.v1.UsageService/RecordUsage"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with kept_ledger(tmp_path_factory.mktemp("poison") / "data") as world:
        yield world


def _with(event_id, **values):
    """An event with properties of any kind."""
    made = event(event_id)
    for name, value in values.items():
        made.properties[name].CopyFrom(value)
    return made


def _field(number, data):
    """A length-delimited field as it is on the wire."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value):
    data = b""
    while value >= 128:
        data += bytes([value % 128 + 128])
        value //= 128
    return data + bytes([value])


def poison(tag):
    """What it is, the event, and the verdict that it must have."""
    long_id, at_limit = event(f"{tag}-" + "x" * 1_000), event(f"{tag}-{'y' * 100}"[:128])
    no_time, wild_time = event(f"{tag}-timeless"), event(f"{tag}-wild")
    no_time.ClearField("event_time")
    wild_time.event_time.seconds, wild_time.event_time.nanos = 2**62, -5
    double, text = (
        lambda value: PropertyValue(double_value=value),
        lambda value: PropertyValue(string_value=value),
    )
    return [
        ("NaN as a quantity", _with(f"{tag}-nan", tokens=double(float("nan"))), VERDICT_REJECTED),
        ("NaN as a label", _with(f"{tag}-nan-label", colour=double(float("nan"))), VERDICT_REJECTED),
        ("infinity", _with(f"{tag}-inf", tokens=double(float("inf"))), VERDICT_REJECTED),
        ("minus infinity", _with(f"{tag}-minus-inf", tokens=double(float("-inf"))), VERDICT_REJECTED),
        ("2^63 as text", event(f"{tag}-2-63", str(2**63)), VERDICT_ACCEPTED),
        ("2^63 - 1", _with(f"{tag}-max", tokens=PropertyValue(int_value=2**63 - 1)), VERDICT_ACCEPTED),
        ("-2^63", _with(f"{tag}-min", tokens=PropertyValue(int_value=-(2**63))), VERDICT_ACCEPTED),
        ("27 digits", event(f"{tag}-27", "9" * 27), VERDICT_REJECTED),
        ("an exponent", event(f"{tag}-exponent", "1e3"), VERDICT_REJECTED),
        ("digits of another script", event(f"{tag}-script", "\N{ARABIC-INDIC DIGIT FIVE}"), VERDICT_REJECTED),
        ("a line break after the number", event(f"{tag}-line", "5\n"), VERDICT_REJECTED),
        ("an empty key", _with(f"{tag}-no-key", **{"": text("x")}), VERDICT_REJECTED),
        ("a key of 1 MB", _with(f"{tag}-key", **{"k" * 1_000_000: text("x")}), VERDICT_REJECTED),
        ("a value of 1 MB", _with(f"{tag}-value", note=text("v" * 1_000_000)), VERDICT_REJECTED),
        ("a value without a kind", _with(f"{tag}-kindless", note=PropertyValue()), VERDICT_REJECTED),
        (
            "NUL and controls in a label",
            _with(f"{tag}-nul", note=text("a\0b\x1b[2J\u202e")),
            VERDICT_ACCEPTED,
        ),
        ("quotes and SQL", _with(f"{tag}-sql", note=text("'); DROP TABLE events; --")), VERDICT_ACCEPTED),
        (
            "3,000 properties",
            _with(f"{tag}-many", **{f"p{i}": text("x") for i in range(3_000)}),
            VERDICT_REJECTED,
        ),
        ("64 properties", _with(f"{tag}-64", **{f"p{i}": text("x") for i in range(63)}), VERDICT_ACCEPTED),
        ("an id of 1 KB", long_id, VERDICT_REJECTED),
        ("a long id", at_limit, VERDICT_ACCEPTED),
        ("no id", event(""), VERDICT_REJECTED),
        ("no time", no_time, VERDICT_REJECTED),
        ("a wild time", wild_time, VERDICT_REJECTED),
    ]


def test_poison_in_a_batch_spoils_only_itself(world):
    """Good events before, between and after: accepted, and duplicates when all is sent again."""
    engine, _, ledger = world
    with watched_memory(engine, "poison", 150):
        cases = poison("batch")
        events, expected = [], []
        for number, (_, bad, verdict) in enumerate(cases):
            events += [event(f"batch-good-{number}"), bad]
            expected += [VERDICT_ACCEPTED, verdict]
        assert _named(cases, ledger.record(*events).verdicts[1::2]) == _named(cases, expected[1::2])
        again = ledger.record(*events)
        assert set(again.verdicts) == {VERDICT_DUPLICATE, VERDICT_REJECTED}
        assert list(again.verdicts[::2]) == [VERDICT_DUPLICATE] * len(cases)


def _named(cases, verdicts):
    return {what: verdict for (what, _, _), verdict in zip(cases, verdicts, strict=True)}


def test_bytes_that_only_an_attacker_writes(world):
    """Each alone: a status or verdicts that agree with protobuf's own reading; and the next request is served."""
    engine, channel, ledger = world
    good = event("bytes").SerializeToString()
    key = _field(5, _field(1, b"tokens") + _field(2, _field(1, b"1")))
    other = _field(5, _field(1, b"tokens") + _field(2, _field(1, b"2")))
    requests = {
        "a key twice": _field(1, _field(1, b"twice") + _tail() + key + other),
        "text that is not UTF-8": _field(1, _field(1, b"\xff\xfe") + _tail() + key),
        "a key that is not UTF-8": _field(1, _field(1, b"k") + _tail() + _field(5, _field(1, b"\xc3\x28"))),
        "groups in groups": _field(1, good) + b"\x7b" * 20_000 + b"\x7c" * 20_000,
        "groups without an end": _field(1, good) + b"\x7b" * 100_000,
        "a million groups in groups": _field(1, good) + b"\x7b" * 2_000_000 + b"\x7c" * 2_000_000,
        "fields in fields": _field(1, good) + _nested(200),
        "a length past the end": b"\x0a\xff\xff\xff\xff\x0f",
        "a length past 2^63": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "zeros": bytes(1_000),
        "two kinds in one value": _field(
            1,
            _field(1, b"kinds")
            + _tail()
            + _field(5, _field(1, b"tokens") + _field(2, _field(1, b"3") + b"\x10\x04")),
        ),
    }
    record = channel.unary_unary(METHOD)
    with watched_memory(engine, "bytes of an attacker", 150):
        for what, data in requests.items():
            _agrees(ledger, record, what, data)
            assert list(ledger.record(event(f"after {what}")).verdicts) == [VERDICT_ACCEPTED]


def _agrees(ledger, record, what, data):
    rows = ledger.sending_bytes(data)
    call = record.future(data, timeout=60)
    if call.code() is grpc.StatusCode.OK:
        ledger.answered(rows, _verdicts(call.result()))
    else:
        assert (what, call.code()) == (what, grpc.StatusCode.INVALID_ARGUMENT)
        assert call.details()


def _tail():
    return _field(2, b"call") + _field(3, b"acme") + _field(4, b"\x08" + _varint(JUNE_10))


def _nested(depth):
    data = b""
    for _ in range(depth):
        data = _field(15, data)
    return data


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (4 * MIB - 1, grpc.StatusCode.OK),
        (4 * MIB, grpc.StatusCode.OK),
        (4 * MIB + 1, grpc.StatusCode.INVALID_ARGUMENT),
        (8 * MIB - 1, grpc.StatusCode.INVALID_ARGUMENT),
        (8 * MIB, grpc.StatusCode.INVALID_ARGUMENT),
        (8 * MIB + 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (16 * MIB - 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (16 * MIB, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (16 * MIB + 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_a_request_at_the_limits(world, size, code):
    """Exactly 4 MiB is taken; one byte more is the caller's mistake, and past 8 MiB the transport says so."""
    engine, channel, ledger = world
    start = RecordUsageRequest(events=[event(f"size-{size}")]).SerializeToString()
    # An unknown field fills it up: 3 bytes more than its text, whose length takes 4 bytes.
    data = start + _field(15, bytes(size - len(start) - 5))
    assert len(data) == size
    with watched_memory(engine, f"{size} bytes", 200):
        rows = ledger.sending_bytes(data)
        call = channel.unary_unary(METHOD).future(data, timeout=60)
        assert call.code() is code
        if code is grpc.StatusCode.OK:
            ledger.answered(rows, _verdicts(call.result()))
        else:
            assert str(size) in call.details()


def _verdicts(data):
    return RecordUsageResponse.FromString(data).verdicts


def test_a_compressed_request_counts_as_what_it_unpacks_to(world):
    """Whether by gzip or deflate: up to 4 MiB unpacked it is taken, beyond it is refused in the same words as others."""
    _, channel, ledger = world
    for algorithm in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        start = RecordUsageRequest(events=[event(f"packed-{algorithm.name}")]).SerializeToString()
        record = channel.unary_unary(METHOD)
        rows = ledger.sending_bytes(start)
        ledger.answered(rows, _verdicts(record(start, timeout=60, compression=algorithm)))
        large = start + _field(15, bytes(5 * MIB))
        with pytest.raises(grpc.RpcError) as refused:
            record(large, timeout=60, compression=algorithm)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "send at most 4194304" in refused.value.details()


def test_gzip_bombs_stay_packed(world):
    """1 MiB that would be 1 GiB, and 4 KiB that would be 4 MiB and more, fifty times: refused, and the memory of
    the engine never holds them.
    """
    engine, _, ledger = world
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    gibibyte = b"".join(packer.compress(bytes(MIB)) for _ in range(1_024)) + packer.flush()
    small = gzip.compress(bytes(9 * MIB), 9)
    assert len(gibibyte) < 1.1 * MIB
    before = rss_mib(engine)
    peak = before
    with watched_memory(engine, "gzip bombs", 150):
        for bomb, times in ((small, 50), (gibibyte, 3)):
            for _ in range(times):
                with Peer(engine.target) as peer:
                    call = peer.open(METHOD, grpc_encoding="gzip")
                    peer.send_in_windows(call, bomb, compressed=True)
                    arrived = peer.received(b"larger than max", 30)
                    peak = max(peak, rss_mib(engine))
                    assert b"grpc-status\x018" in arrived
                    assert b"Decompressed message larger than max" in arrived
    print(f"gzip bombs: {before} MiB before, {peak} at most")
    assert peak < before + 200
    assert list(ledger.record(event("after the bombs")).verdicts) == [VERDICT_ACCEPTED]
