"""Recording in the background: what arrives, when, and what comes back."""

import threading
import time

import pytest

from meterline import (
    Client,
    ClientClosedError,
    Delivery,
    InvalidArgumentError,
    InvalidOptionError,
    Options,
)
from meterline.options import OptionKeywords
from tests.support.client.scripted_engine import answer_when

NEVER_MS = 60_000  # an age that no test reaches: what arrives was sent for another reason


def test_an_event_arrives_as_it_was_recorded(engine, connect):
    """Customer, type, properties, id, and a time between the call's begin and end."""
    client = connect()
    before_us = time.time_ns() // 1_000
    event_id = client.record("acme", "llm.completion", {"model": "large", "input_tokens": 374})
    after_us = time.time_ns() // 1_000
    client.flush(60)
    [payload] = engine.payloads
    [event] = engine.events_of(payload)
    assert (event.customer_id, event.event_type, event.event_id) == ("acme", "llm.completion", event_id)
    assert event.properties["model"].string_value == "large"
    assert event.properties["input_tokens"].int_value == 374
    assert before_us <= event.event_time.ToMicroseconds() <= after_us


def test_a_lone_event_leaves_by_its_age(engine, connect):
    """Nobody flushes: 200 ms after it was recorded it is on its way."""
    client = connect(batch_age_max_ms=200)
    started_s = time.monotonic()
    client.record("acme", "llm.completion")
    while not engine.requests and time.monotonic() < started_s + 60:
        time.sleep(0.005)
    assert engine.requests[0][0] - started_s >= 0.2


def test_a_full_batch_leaves_at_once(engine, connect):
    """Ten events of ten: their age is not waited for."""
    client = connect(batch_events_max=10, batch_age_max_ms=NEVER_MS)
    for _ in range(10):
        client.record("acme", "llm.completion")
    deadline_s = time.monotonic() + 60
    while not engine.requests and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert [len(engine.events_of(payload)) for payload in engine.payloads] == [10]


def test_no_request_passes_the_count_or_the_bytes(engine, connect):
    """Events of 60 kB: at most 1 MiB a request. Small ones: at most 7 a request."""
    large = connect(batch_bytes_max=1_048_576, batch_age_max_ms=NEVER_MS)
    for _ in range(100):
        large.record("acme", "llm.completion", {"text": "x" * 60_000})
    assert large.flush(30).accepted == 100
    small = connect(batch_events_max=7, batch_age_max_ms=NEVER_MS)
    for _ in range(100):
        small.record("acme", "llm.completion")
    assert small.flush(30).accepted == 100
    sizes = [(len(payload), len(engine.events_of(payload))) for payload in engine.payloads]
    assert max(size for size, _ in sizes) <= 1_048_576
    assert max(count for size, count in sizes if size < 60_000) == 7
    assert len(engine.stored) == 200


def test_the_end_of_a_with_block_flushes(engine):
    """What was recorded inside is stored when the block is left."""
    with Client(engine.target, batch_age_max_ms=NEVER_MS) as client:
        ids = [client.record("acme", "llm.completion") for _ in range(25)]
    assert set(ids) == set(engine.stored)


def test_a_with_block_that_raises_flushes_too(engine):
    """The usage before the error happened all the same."""

    def serve():
        with Client(engine.target, batch_age_max_ms=NEVER_MS) as client:
            client.record("acme", "llm.completion")
            raise LookupError("the service's own")

    with pytest.raises(LookupError, match="the service's own"):
        serve()
    assert len(engine.stored) == 1


def test_a_closed_client_takes_nothing(engine, connect):
    """Every way in says so, and closing again is harmless."""
    client = connect()
    client.record("acme", "llm.completion")
    assert client.close() == client.close() == Delivery(accepted=1)
    for call in (
        lambda: client.record("acme", "llm.completion"),
        lambda: client.record_batch([]),
        lambda: client.spend("acme"),
        client.lines,
    ):
        with pytest.raises(ClientClosedError, match="the client is closed"):
            call()


def test_a_flush_that_runs_out_of_time_says_what_is_pending(engine, connect):
    """It returns in time, and the events go on."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect()
    client.record("acme", "llm.completion")
    assert client.flush(0.2) == Delivery(pending=1)
    gate.set()
    assert client.flush(60) == client.delivery() == Delivery(accepted=1)


def test_a_refused_event_leaves_no_trace(engine, connect):
    """A mistake in one call does not disturb the others."""
    client = connect()
    with pytest.raises(InvalidArgumentError, match="property 'cost' is nan"):
        client.record("acme", "llm.completion", {"cost": float("nan")})
    client.record("acme", "llm.completion", {"cost": 1})
    assert client.flush(60) == Delivery(accepted=1)


def test_many_threads_record_at_once_and_nothing_is_lost(engine, connect):
    """8 threads of 2,000 events each: 16,000 different events stored."""
    client = connect()

    def record():
        for _ in range(2_000):
            client.record("acme", "llm.completion", {"tokens": 1})

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(30) == Delivery(accepted=16_000)
    assert len(engine.stored) == 16_000


def test_metadata_goes_with_every_call(engine, connect):
    """For instance what a proxy in front of the engine wants to see."""
    client = connect(metadata=[("x-service", "chat")])
    client.record("acme", "llm.completion")
    client.flush(60)
    assert engine.metadata[0]["x-service"] == "chat"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_events_max": 0}, "batch_events_max is 0: give a number from 1 to 10,000"),
        ({"batch_events_max": 10_001}, "batch_events_max is 10001"),
        ({"batch_bytes_max": 4_194_304}, "batch_bytes_max is 4194304"),
        ({"buffer_events_max": "9"}, "buffer_events_max is '9'"),
        ({"retry_timeout_s": -1}, "retry_timeout_s is -1"),
        ({"close_timeout_s": float("nan")}, "close_timeout_s is nan"),
        ({"when_full": "drop"}, 'when_full is \'drop\': give "block" or "raise"'),
    ],
)
def test_an_option_out_of_its_bounds_is_refused(keywords, message):
    """The error names the option and its bounds."""
    with pytest.raises(InvalidOptionError) as caught:
        Client(**keywords)
    assert str(caught.value).startswith(message)


def test_every_option_is_a_keyword_of_the_client():
    """The keywords of `Client` and the fields of `Options` are the same."""
    assert set(OptionKeywords.__annotations__) == set(Options.__dataclass_fields__)


@pytest.mark.parametrize("target", ["localhost", "http://localhost:7070", "", None])
def test_an_address_that_grpc_would_misread_is_refused(target):
    """A host without a port, or a URL."""
    with pytest.raises(InvalidOptionError, match='give "host:port", for instance "localhost:7070"'):
        Client(target)
