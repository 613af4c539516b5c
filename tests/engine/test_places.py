"""How long the engine waits for a peer, and for how many: served over real gRPC, by a clock that can be put ahead."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from engine.api.grpc.calls import Serving, message, raw, stream, unary
from engine.api.grpc.peers import Places, Watchdog
from engine.api.operation import CallLimits
from engine.api.rim import Rim
from engine.errors import TooManyCallsError
from meterline import open_channel
from meterline.v1.usage_pb2 import RecordUsageRequest, RecordUsageResponse
from tests.support.engine.http2_peer import Peer

ECHO = "/test.Service/Echo"
BOUNDS = {
    "kind": "requests",
    "places": 4,
    "message_timeout_s": 600,
    "answer_timeout_s": 600,
    "yields_after_s": 0,
}
PATIENCE_S = 60


class Served:
    """A server with one method in places of its own; its work is done when `go` is set."""

    def __init__(self, make=unary, parse=raw, **bounds):
        self.go = threading.Event()
        self.go.set()
        self.works_for = []
        self.answer = RecordUsageResponse(verdicts=[1])
        self._ahead_s = 0
        self._places = Places(CallLimits(**(BOUNDS | bounds)), lambda: time.monotonic() + self._ahead_s)
        self._watchdog = Watchdog([self._places])
        work = self._stream if make is stream else self._work
        handlers = {
            "Echo": make("Echo", parse, work).handler(Serving(Rim(lambda: "some-id"), self._places, 1_000))
        }
        self._grpc = grpc.server(ThreadPoolExecutor(32))
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
        self.target = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"

    def _work(self, _request, call):
        self.works_for.append(call)
        assert self.go.wait(2 * PATIENCE_S)
        return self.answer

    def _stream(self, requests, _call):
        for _ in requests:
            yield self.answer

    def open_places(self):
        return len(self._places._taken)

    def waits(self, for_a="message"):
        """For how many peers the engine waits: until a message comes, or until an answer is taken."""
        told = [(each._asks_since, each._answer_since) for each in list(self._places._taken)]
        if for_a == "message":
            return sum(asks is not None and answer is None for asks, answer in told)
        return sum(answer is not None for _, answer in told)

    def later(self, seconds):
        """So much later, and nobody has done anything."""
        self._ahead_s += seconds

    def __enter__(self):
        self._grpc.start()
        self._watchdog.start()
        self.channel = open_channel(self.target)
        self.call = self.channel.unary_unary(ECHO)
        return self

    def __exit__(self, *_):
        self.go.set()
        self.channel.close()
        self._grpc.stop(None)
        self._watchdog.stop()


def _soon(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_call_without_its_message_ends_in_time_with_a_clear_status():
    """DEADLINE_EXCEEDED (4) and what to do, for headers alone and for half a message; the places are free again."""
    with Served() as served:
        for part in (0, 0.5):
            with Peer(served.target) as peer:
                call = peer.open(ECHO)
                if part:
                    peer.send(call, bytes(100), part=part)
                _soon(lambda: served.waits() == 1)
                served.later(601)
                arrived = peer.received(b"grpc-message", PATIENCE_S)
                assert b"grpc-status\x014" in arrived
                assert b"no whole message came within 600 s: send the request again" in arrived
            _soon(lambda: served.open_places() == 0)
        assert served.call(b"", timeout=PATIENCE_S)


def test_a_stream_may_wait_with_its_next_message():
    """Where a kind of call has no deadline for messages, nothing ends an idle one."""
    with Served(stream, message_timeout_s=None, yields_after_s=30) as served:
        sent = threading.Event()

        def requests():
            yield b"1"
            sent.wait(PATIENCE_S)
            yield b"2"

        answers = served.channel.stream_stream(ECHO)(requests(), timeout=2 * PATIENCE_S)
        assert next(answers)
        _soon(lambda: served.waits() == 1)
        served.later(86_400)
        # The watchdog has looked in between.
        served._places.end_overdue()
        sent.set()
        assert len(list(answers)) == 1


def test_an_answer_that_nobody_takes_is_dropped_in_time():
    """The call is ended, and its memory and place are free: of a single answer and of a stream's."""
    for make in (unary, stream):
        with Served(make) as served, Peer(served.target, window=0) as peer:
            peer.send(peer.open(ECHO), b"")
            _soon(lambda served=served: served.waits("taker") == 1)
            served.later(601)
            arrived = peer.received(b"grpc-message", PATIENCE_S)
            if make is stream:
                assert b"grpc-status\x014" in arrived
                assert b"the answer was not taken within 600 s" in arrived
            _soon(lambda served=served: served.open_places() == 0)


def test_a_newcomer_gets_the_place_of_the_call_that_waits_for_longest():
    """Of the connection with most of them: it is told RESOURCE_EXHAUSTED (8), the others keep their places."""
    with Served() as served, Peer(served.target) as lone, Peer(served.target) as greedy:
        lone.open(ECHO)
        _soon(lambda: served.open_places() == 1)
        for number in range(3):
            greedy.open(ECHO)
            _soon(lambda number=number: served.open_places() == number + 2)
        assert served.call(b"", timeout=PATIENCE_S)
        assert b"grpc-status\x018" in greedy.received(b"kept the engine waiting", PATIENCE_S)
        assert b"grpc-status" not in lone.received(b"grpc-status", 0.5)


def test_a_call_that_is_worked_on_yields_to_nobody():
    """A newcomer is refused, with a hint when to come back; the four go on and are answered."""
    with Served() as served:
        served.go.clear()
        running = [served.call.future(b"", timeout=PATIENCE_S) for _ in range(4)]
        _soon(lambda: len(served.works_for) == 4)
        with pytest.raises(grpc.RpcError) as refused:
            served.call(b"", timeout=PATIENCE_S)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.value.details().startswith("4 requests are open, the most that this engine serves")
        assert dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        served.go.set()
        assert all(call.result() for call in running)


def test_a_stream_keeps_its_place_until_it_has_been_idle_for_long():
    """Four streams that have spoken of late refuse a fifth; when they have been idle for long, the first yields."""
    with Served(stream, message_timeout_s=None, yields_after_s=600) as served:
        method = served.channel.stream_stream(ECHO)
        end = threading.Event()

        def one_message():
            yield b""
            end.wait(2 * PATIENCE_S)

        streams = []
        for number in range(4):
            streams.append(method(one_message(), timeout=2 * PATIENCE_S))
            assert next(streams[-1])
            # One after the other, so that the first is idle for longest.
            _soon(lambda number=number: served.waits() == number + 1)
        with pytest.raises(grpc.RpcError) as refused:
            next(method(one_message(), timeout=PATIENCE_S))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        served.later(601)
        assert next(method(one_message(), timeout=PATIENCE_S))
        with pytest.raises(grpc.RpcError) as ended:
            next(streams[0])
        assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        end.set()


def test_a_call_whose_peer_cancels_holds_its_place_until_its_work_is_done():
    """Else a peer that sends and cancels would have any number of handlers at work."""
    with Served() as served:
        served.go.clear()
        call = served.call.future(b"", timeout=PATIENCE_S)
        _soon(lambda: served.works_for)
        call.cancel()
        _soon(lambda: not served.works_for[0].is_active())
        assert served.open_places() == 1
        served.go.set()
        _soon(lambda: served.open_places() == 0)


def test_a_call_that_ends_without_a_message_is_refused():
    """INVALID_ARGUMENT that says what is missing."""
    with Served(parse=message(RecordUsageRequest)) as served, pytest.raises(grpc.RpcError) as refused:
        served.channel.stream_unary(ECHO)(iter(()), timeout=PATIENCE_S)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "request: is missing: send one to Echo"


class Taker:
    """What places know of a call: a context that does not leave the wire by itself."""

    def __init__(self):
        self.leave = None

    def add_callback(self, leave):
        self.leave = leave
        return True


def test_a_tenant_that_floods_leaves_places_to_others():
    """Of 12 places it has 7 beside another; nobody waits for a peer, so its next is refused, and the other's is not."""
    places = Places(CallLimits(**(BOUNDS | {"places": 12})))
    places.take(Taker(), "modest")
    # Twice what is left free: 7 beside 1, with 4 free.
    for _ in range(7):
        places.take(Taker(), "flood")
    with pytest.raises(TooManyCallsError, match="12 requests are open"):
        places.take(Taker(), "flood")
    for _ in range(2):
        places.take(Taker(), "modest")


def test_a_tenant_that_is_alone_has_every_place():
    """As on an engine with one tenant."""
    places = Places(CallLimits(**(BOUNDS | {"places": 12})))
    for _ in range(12):
        places.take(Taker(), "only")
    with pytest.raises(TooManyCallsError):
        places.take(Taker(), "only")
