"""Requests that chance made: mutations of good ones, noise, wrong methods and content types.

Every answer is judged by protobuf's own reading of the bytes and by the oracle of admission; what the engine has
stored in the end is what it acknowledged.
"""

import random

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from meterline.v1.usage_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_CONFLICT,
    VERDICT_DUPLICATE,
    VERDICT_REJECTED,
    PropertyValue,
    RecordUsageRequest,
    RecordUsageResponse,
    StreamUsageRequest,
    StreamUsageResponse,
)
from tests.support.engine.http2_peer import Peer
from tests.support.engine.ledger import event, kept_ledger, watched_memory
from tests.support.ingest.admission_oracle import Row

RECORD = "/meterline.v1.UsageService/RecordUsage"
STREAM = "/meterline.v1.UsageService/StreamUsage"
OTHERS = [
    "/meterline.v1.CatalogService/ApplyCatalog",
    "/meterline.v1.CatalogService/GetCatalog",
    "/meterline.v1.SpendService/GetSpend",
    "/meterline.v1.SpendService/ListSpend",
    "/meterline.v1.BillingService/ListLineItems",
    "/meterline.v1.MeteringService/QueryUsage",
    "/meterline.v1.RetentionService/ExpireUsage",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]
# What the caller can mend, or what is not there. Never INTERNAL or UNKNOWN.
CLEAR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.FAILED_PRECONDITION,
}
FIVE_MINUTES = [pytest.mark.long, pytest.mark.timeout(3_000)]


def _some_request(chance, number):
    """A few good events, with properties of every kind."""
    request = RecordUsageRequest()
    for i in range(chance.randint(1, 4)):
        made = event(f"f{number}-{i}", chance.choice(["1", "2.5", "-3", "007"]))
        made.properties["n"].CopyFrom(PropertyValue(int_value=chance.getrandbits(chance.randint(1, 62))))
        made.properties["d"].CopyFrom(
            PropertyValue(double_value=chance.choice([0.5, -0.0, 1e300, float("nan")]))
        )
        made.properties["b"].CopyFrom(PropertyValue(bool_value=chance.random() < 0.5))
        request.events.append(made)
    return request


def _mutated(chance, data):
    """Bytes changed (most often, so that lengths still fit), cut out, doubled or added, a few times or not at all."""
    data = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 1, 1, 2, 3, 10])):
        at, size = chance.randrange(len(data) + 1), chance.choice([1, 1, 2, 5, 30])
        match chance.choice([0, 0, 0, 0, 0, 0, 1, 2, 3, 4]):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case 3:
                data[at:at] = chance.randbytes(size)
            case 4:
                data[at : at + 1] = chance.choice(
                    [b"\x7f\xff", b"\xff" * 9, b"\0", b"\x0a\xff\xff\xff\xff\x07", b"\x7b"]
                )
    return bytes(data)


class _Fuzz:
    """One connection to one engine, and the book of what it was sent."""

    def __init__(self, world, seed):
        self.engine, self.channel, self.ledger = world
        self.chance = random.Random(seed)
        self.codes = {}

    def record(self, number):
        data = _mutated(self.chance, _some_request(self.chance, number).SerializeToString())
        if self.chance.random() < 0.1:
            data = self.chance.randbytes(self.chance.randrange(200))
        if _sets_a_property_aside(data):
            return
        call = self._answered(self.channel.unary_unary(RECORD).future(data, timeout=60))
        self._judge(data, call, lambda: RecordUsageResponse.FromString(call.result()).verdicts)

    def stream(self, number):
        """As RecordUsage, but for a sequence before the events, and a good message after it."""
        events = _some_request(self.chance, number).SerializeToString()
        mutated = _mutated(self.chance, events)
        if not self.ledger.judged(mutated) or _sets_a_property_aside(mutated):
            return
        good = StreamUsageRequest(sequence=9, events=[event(f"s{number}")])
        self.ledger.sending(good.events)
        rows = self.ledger.sending(StreamUsageRequest.FromString(_numbered(mutated)).events)
        method = self.channel.stream_stream(STREAM)
        acks = method(iter([_numbered(mutated), good.SerializeToString()]), timeout=60)
        answers = [StreamUsageResponse.FromString(each) for each in acks]
        self.ledger.answered(rows, answers[0].verdicts)
        self.ledger.answered(self.ledger.sending(good.events), answers[1].verdicts)

    def other(self, _number):
        """Noise for every other method, and for methods that are not there."""
        path = self.chance.choice([*OTHERS, RECORD + "s", "/x", "/meterline.v1.UsageService/", "//"])
        data = self.chance.choice([self.chance.randbytes(self.chance.randrange(100)), _tokens(self.chance)])
        self._answered(self.channel.unary_unary(path).future(data, timeout=60))

    def raw(self, _number):
        """Content types, methods and headers that are not gRPC's, on a connection of their own."""
        with Peer(self.engine.target) as peer:
            call = peer.open(
                self.chance.choice([RECORD, "/", "*", "x" * 300]),
                content_type=self.chance.choice(
                    ["application/grpc", "text/html", "application/grpc+json", ""]
                ),
                method=self.chance.choice(["POST", "GET", "PUT", "x"]),
                grpc_timeout=self.chance.choice(["1S", "x", "-1S", "99999999H", "0n"]),
            )
            peer.send(call, self.chance.randbytes(20), compressed=self.chance.random() < 0.3)
            if self.chance.random() < 0.5:
                peer.frame(self.chance.randrange(12), self.chance.randrange(256), 1, self.chance.randbytes(9))
            assert peer.received(b"nothing", 0.02) is not None

    def _judge(self, data, call, verdicts):
        rows = self.ledger.sending_bytes(data)
        events = self.ledger.judged(data)
        if call.code() is not grpc.StatusCode.OK:
            assert not events, f"{call.details()}, though protobuf reads {len(events)} events: {data!r}"
            return
        told = verdicts()
        # What the oracle admits is accepted, unless its id, by mutation, is that of another event.
        admitted = {True: {VERDICT_ACCEPTED, VERDICT_DUPLICATE, VERDICT_CONFLICT}, False: {VERDICT_REJECTED}}
        for row, verdict in zip(rows, told, strict=True):
            assert verdict in admitted[isinstance(row, Row)], (row, verdict)
        self.ledger.answered(rows, told)

    def _answered(self, call):
        code = call.code()
        self.codes[code.name] = self.codes.get(code.name, 0) + 1
        assert code in CLEAR, f"{code.name}: {call.details()}"
        assert "Traceback" not in (call.details() or "")
        return call


def _sets_a_property_aside(data):
    """Where Python's protobuf can't be the judge: a property that has a field of a later contract counts."""
    try:
        events = RecordUsageRequest.FromString(data).events
    except DecodeError:
        return False
    return any(unknown.field_number == 5 for each in events for unknown in UnknownFieldSet(each))


def _numbered(record):
    """The events of a RecordUsageRequest as those of a StreamUsageRequest, whose field is number 2."""
    message = StreamUsageRequest(sequence=1, events=RecordUsageRequest.FromString(record).events)
    return message.SerializeToString()


def _tokens(chance):
    """Fields of text, as most requests here have."""
    data = b""
    for _ in range(chance.randint(1, 4)):
        text = chance.choice(
            [b"acme", b"", b"\xff", b"1-2", b"x" * 100, b"meters: [", b"{}", b"../../etc/passwd"]
        )
        data += bytes([chance.randint(1, 6) << 3 | 2, len(text)]) + text
    return data


@pytest.mark.parametrize("requests", [1_200, pytest.param(100_000, marks=FIVE_MINUTES)])
def test_fuzzed_requests_end_with_a_clear_status_and_exact_books(tmp_path, requests, seed):
    """None crashes the engine or comes back as INTERNAL; an event is acknowledged only if the oracle admits it."""
    print(f"METERLINE_SEED={seed}")
    with kept_ledger(tmp_path / "data") as world:
        fuzz = _Fuzz(world, seed)
        kinds = [fuzz.record] * 85 + [fuzz.other] * 9 + [fuzz.stream] * 5 + [fuzz.raw]
        with watched_memory(world[0], f"{requests} fuzzed requests", 300):
            for number in range(requests):
                fuzz.chance.choice(kinds)(number)
        print(dict(sorted(fuzz.codes.items())), f"{len(fuzz.ledger.acknowledged)} events acknowledged")
        assert len(fuzz.ledger.acknowledged) > requests // 5
        assert not any("call failed" in line for line in world[0].log)
