"""What HTTP/2 allows and no client should do: the engine lives, and serves others meanwhile."""

import contextlib
import time

import grpc
import pytest

from meterline import open_channel
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageRequest
from tests.support.engine.http2_peer import PING, Peer, connect
from tests.support.engine.ledger import event, kept_ledger, watched_memory

REQUEST_S = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with kept_ledger(tmp_path_factory.mktemp("abuse") / "data") as world:
        yield world


def _serves(ledger, name):
    """Ten requests of a good client."""
    slowest = 0.0
    for number in range(10):
        began = time.monotonic()
        assert list(ledger.record(event(f"{name}-{number}"), timeout=REQUEST_S).verdicts) == [
            VERDICT_ACCEPTED
        ]
        slowest = max(slowest, time.monotonic() - began)
    print(f"{name}: slowest request beside it {slowest:.2f} s")


def test_rapid_reset(world):
    """Five thousand calls opened and cancelled at once, with their message and without."""
    engine, _, ledger = world
    request = RecordUsageRequest(events=[event("reset")])
    ledger.sending(request.events)
    data = request.SerializeToString()
    with watched_memory(engine, "rapid reset", 200):
        closed = 0
        for _ in range(10):
            with Peer(engine.target) as peer:
                try:
                    for number in range(500):
                        call = peer.open()
                        if number % 2:
                            peer.send(call, data)
                        peer.reset(call)
                except OSError:
                    closed += 1
        _serves(ledger, "rapid reset")
    print(f"{closed} of 10 connections were closed by the engine")
    assert ledger.record(event("reset")).verdicts


def test_a_flood_of_pings_closes_its_connection(world):
    """A hundred thousand: gRPC sends GOAWAY with ENHANCE_YOUR_CALM, and closes."""
    engine, _, ledger = world
    with watched_memory(engine, "ping flood", 150), Peer(engine.target) as peer:
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                peer.ping()
        _serves(ledger, "ping flood")
        assert peer.is_closed(60)


@pytest.mark.parametrize("size", [20_000, 200_000, 4_000_000])
def test_huge_metadata_is_refused(world, size):
    """In one header or in CONTINUATION frames without end: never taken whole, and others are served."""
    engine, _, ledger = world
    with watched_memory(engine, f"metadata of {size} bytes", 150), Peer(engine.target) as peer:
        with contextlib.suppress(OSError):
            call = peer.open_in_parts(size)
            peer.send(call, b"")
        arrived = peer.received(b"grpc-status", 5)
        assert b"grpc-status\x010" not in arrived
        _serves(ledger, f"metadata {size}")


def test_frames_out_of_order_close_only_their_connection(world):
    """DATA without a call, an unknown frame, a window of 2^31, SETTINGS that lie about their length."""
    engine, _, ledger = world
    for kind, stream, payload in (
        (0, 7, b"x"),
        (99, 0, b"x"),
        (8, 0, b"\xff" * 4),
        (4, 0, b"x"),
        (9, 1, b"x"),
        (PING, 0, b"x"),
    ):
        with Peer(engine.target) as peer, contextlib.suppress(OSError):
            peer.frame(kind, 0, stream, payload)
            peer.frame(kind, 255, stream, payload)
    with contextlib.suppress(OSError), connect(engine.target) as other:
        other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
    _serves(ledger, "bad frames")


def test_more_connections_than_the_engine_takes(world):
    """Seven hundred that say nothing: a client that is connected goes on, and a new one comes in once they are gone."""
    engine, _, ledger = world
    with watched_memory(engine, "700 connections", 150):
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                for _ in range(700):
                    stack.enter_context(connect(engine.target))
            _serves(ledger, "700 connections")
        with open_channel(engine.target) as fresh:
            grpc.channel_ready_future(fresh).result(timeout=60)
