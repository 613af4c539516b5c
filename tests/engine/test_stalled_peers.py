"""Peers that open something and say no more, beside a client that goes on: it must hardly notice.

Each kind of stalling is done 200 times, in the long form 64 times too: that is what once took every thread of the engine.
"""

import contextlib
import time

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageRequest, StreamUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.http2_peer import RECORD, Peer, connect
from tests.support.engine.ledger import event, kept_ledger, watched_memory

STREAM = "/meterline.v1.UsageService/StreamUsage"
LISTING = "/meterline.v1.CatalogService/GetCatalog"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
# What one request of the good client may take on a busy machine. Without the bounds it took for ever.
REQUEST_S = 60
CALLS_A_CONNECTION = 20


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An engine of its own: what is done to it here must not touch other tests."""
    with kept_ledger(tmp_path_factory.mktemp("stalled") / "data") as world:
        yield world


def _calls(target, count, stack, path, **peer):
    """So many calls with headers only, some on each connection."""
    for first in range(0, count, CALLS_A_CONNECTION):
        connection = stack.enter_context(Peer(target, **peer))
        for _ in range(first, min(first + CALLS_A_CONNECTION, count)):
            yield connection, connection.open(path)


def headers_only(target, count, stack):
    list(_calls(target, count, stack, RECORD))


def half_a_message(target, count, stack):
    request = RecordUsageRequest(events=[event("half", "1", padding="x" * 900)]).SerializeToString()
    for peer, call in _calls(target, count, stack, RECORD):
        peer.send(call, request, part=0.5)


def one_connection_each(target, count, stack):
    for _ in range(count):
        stack.enter_context(Peer(target)).open(RECORD)


def streams_without_messages(target, count, stack):
    list(_calls(target, count, stack, STREAM))


def reflection_without_messages(target, count, stack):
    list(_calls(target, count, stack, REFLECTION))


def watches(target, count, stack):
    for peer, call in _calls(target, count, stack, WATCH):
        peer.send(call, b"")


def health_checks_without_messages(target, count, stack):
    list(_calls(target, count, stack, "/grpc.health.v1.Health/Check"))


def answers_that_nobody_takes(target, count, stack):
    for peer, call in _calls(target, count, stack, LISTING, window=0):
        peer.send(call, b"")


def connections_that_say_nothing(target, count, stack):
    for _ in range(count):
        stack.enter_context(connect(target))


def peers_that_vanish(target, count, stack):
    """In the middle of a message the connection breaks."""
    del stack
    with contextlib.ExitStack() as soon:
        half_a_message(target, count, soon)


KINDS = [
    headers_only,
    half_a_message,
    one_connection_each,
    streams_without_messages,
    reflection_without_messages,
    watches,
    health_checks_without_messages,
    answers_that_nobody_takes,
    connections_that_say_nothing,
    peers_that_vanish,
]


@pytest.mark.parametrize("count", [pytest.param(64, marks=pytest.mark.long), 200])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_good_client_is_served_beside_stalled_peers(world, kind, count):
    """Ten requests, one after the other: all are accepted, and none takes long. The memory stays."""
    engine, _, ledger = world
    with watched_memory(engine, f"{kind.__name__} x {count}", 200), contextlib.ExitStack() as stack:
        kind(engine.target, count, stack)
        took = []
        with open_channel(engine.target) as fresh:
            health = health_pb2_grpc.HealthStub(fresh)
            for number in range(10):
                began = time.monotonic()
                answer = ledger.record(event(f"{kind.__name__}-{count}-{number}"), timeout=REQUEST_S)
                assert list(answer.verdicts) == [VERDICT_ACCEPTED]
                took.append(time.monotonic() - began)
            health.Check(health_pb2.HealthCheckRequest(), timeout=REQUEST_S)
    print(f"slowest request {max(took):.2f} s")


def test_a_busy_engine_still_says_that_it_serves(world):
    """A Watch whose peer takes no answer, and Checks without a message, keep nobody from asking after health."""
    engine, _, _ = world
    with contextlib.ExitStack() as stack:
        for peer, call in _calls(engine.target, 64, stack, WATCH, window=0):
            peer.send(call, b"")
        health_checks_without_messages(engine.target, 16, stack)
        with open_channel(engine.target) as fresh:
            answer = health_pb2_grpc.HealthStub(fresh).Check(
                health_pb2.HealthCheckRequest(), timeout=REQUEST_S
            )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_an_idle_stream_stays_open(world):
    """Nothing for five seconds is not a fault; then a message is acknowledged."""
    _, channel, ledger = world

    def messages():
        time.sleep(5)
        yield StreamUsageRequest(sequence=7, events=[event("idle")])

    rows = ledger.sending([event("idle")])
    (ack,) = UsageServiceStub(channel).StreamUsage(messages(), timeout=60)
    ledger.answered(rows, ack.verdicts)
    assert ack.sequence == 7


def test_a_connection_that_never_speaks_is_closed(world):
    """After ten seconds, which is more than any handshake takes."""
    engine, _, _ = world
    silent = connect(engine.target)
    silent.settimeout(120)
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while silent.recv(4_096):
            pass
    assert time.monotonic() - began > 5


def test_the_engine_stops_in_spite_of_them(tmp_path):
    """Half-open calls, idle streams, and a Watch whose peer takes no answer: SIGTERM ends the process, cleanly."""
    with EngineProcess(tmp_path / "data") as engine, contextlib.ExitStack() as stack:
        for kind in (headers_only, streams_without_messages, reflection_without_messages):
            kind(engine.target, 20, stack)
        for peer, call in _calls(engine.target, 5, stack, WATCH, window=0):
            peer.send(call, b"")
        time.sleep(1)
        # Waits for ten seconds of grace, and for what a busy machine takes besides.
        assert engine.stop() == 0
