"""The spool: what was recorded survives the process, and is forgotten when the engine has it."""

import logging
import subprocess
import sys
import threading
import time

import pytest
from grpc import StatusCode

from meterline import BufferFullError, Client, Delivery, Event, InvalidOptionError, SpoolError, Verdict
from tests.support.client.killed_recorder import record_and_die
from tests.support.client.scripted_engine import answer_when, lose_the_ack, refuse


def files(spool):
    return sorted(path.name for path in spool.iterdir() if path.name != "lock")


def test_events_of_a_killed_process_are_sent_by_the_next_one(engine, connect, spool):
    """No engine, SIGKILL: the next client on the directory sends the same ids."""
    engine.stop()
    ids = record_and_die(engine.target, spool, 25)
    assert len(ids) == 25
    engine.start()
    client = connect(spool=spool)
    assert client.flush(60) == Delivery(accepted=25)
    assert sorted(engine.stored) == sorted(ids)
    client.close()
    assert files(spool) == []


def test_the_next_process_sends_the_same_bytes(engine, connect, spool):
    """The first attempt was stored and its ack lost with the process: the second is a duplicate."""
    engine.script.extend([lose_the_ack] + [refuse(StatusCode.UNAVAILABLE)] * 1_000)
    client = connect(spool=spool)
    for number in range(10):
        client.record("acme", "llm.completion", {"number": number})
    assert client.close(0.5) == Delivery(pending=10)
    engine.script.clear()
    assert connect(spool=spool).flush(60) == Delivery(duplicate=10)
    assert len(set(engine.payloads)) == 1
    assert len(engine.stored) == 10


def test_what_has_its_verdict_is_not_sent_again(engine, connect, spool):
    """30 of 40 events are acknowledged before the end: the next start sends ten."""
    gate = threading.Event()
    client = connect(spool=spool, batch_events_max=10, requests_in_flight_max=1)
    for number in range(30):
        client.record("acme", "llm.completion", {"number": number})
    assert client.flush(60) == Delivery(accepted=30)
    engine.script.append(answer_when(gate))
    for number in range(10):
        client.record("acme", "llm.completion", {"number": number})
    assert client.close(0.2) == Delivery(accepted=30, pending=10)
    gate.set()
    requests = len(engine.requests)
    delivery = connect(spool=spool).flush(60)
    assert delivery.accepted + delivery.duplicate == 10
    assert sum(len(engine.events_of(payload)) for payload in engine.payloads[requests:]) == 10


def test_settled_segments_are_deleted_while_the_client_lives(engine, connect, spool):
    """30 MB of events pass through a spool of 8 MiB, and at the end nearly nothing is left."""
    client = connect(spool=spool, spool_bytes_max=8 * 1_048_576, block_timeout_s=60)
    for _ in range(300):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.flush(60) == Delivery(accepted=300)
    assert sum(path.stat().st_size for path in spool.iterdir()) < 2 * 1_048_576 + 200_000
    client.close()
    assert files(spool) == []


def test_a_full_spool_follows_the_policy(engine, connect, spool):
    """It raises at once or after the timeout, names the bound, records nothing, and goes on when there is room."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    client = connect(spool=spool, spool_bytes_max=1_048_576, when_full="raise", request_timeout_s=60)
    for _ in range(10):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    with pytest.raises(
        BufferFullError, match=r"spool_bytes_max \(1,048,576\); no room after 0 s: is the engine"
    ):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.delivery().pending == 10
    gate.set()
    assert client.flush(60) == Delivery(accepted=10)
    client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert client.flush(60) == Delivery(accepted=11)


def test_a_full_spool_blocks_until_there_is_room(engine, connect, spool):
    """The eleventh event waits for the engine, then goes through."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    client = connect(spool=spool, spool_bytes_max=1_048_576, request_timeout_s=60)
    for _ in range(10):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    threading.Timer(0.3, gate.set).start()
    client.record("acme", "llm.completion", {"text": "x" * 100_000})
    assert gate.is_set()
    assert client.flush(60) == Delivery(accepted=11)


def test_a_directory_has_one_holder(engine, connect, spool):
    """A second client is refused, in this process and in another; the first goes on; then the next may."""
    first = connect(spool=spool)
    with pytest.raises(SpoolError, match=r"holds the spool .*: give each a directory of its own"):
        Client(engine.target, spool=spool)
    code = "import sys; from meterline import Client; Client(sys.argv[1], spool=sys.argv[2])"
    ran = subprocess.run(
        [sys.executable, "-c", code, engine.target, str(spool)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 1
    assert "SpoolError: another process, or another client of this one, holds the spool" in ran.stderr
    first.record("acme", "llm.completion")
    assert first.close() == Delivery(accepted=1)
    assert connect(spool=spool).delivery() == Delivery()


def test_an_engine_that_is_away_for_longer_than_the_retries_loses_nothing(engine, connect, spool, caplog):
    """With a spool no event fails: the round ends, a warning says why, and the next round brings it."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE)] * 1_000)
    problems = []
    client = connect(spool=spool, retry_timeout_s=0.2, on_problem=problems.append)
    with caplog.at_level(logging.WARNING, "meterline"):
        for number in range(10):
            client.record("acme", "llm.completion", {"number": number})
        assert client.flush(1.5) == Delivery(pending=10)
    assert problems == []
    assert "stay in the spool" in caplog.text
    assert "(unavailable)" in caplog.text
    engine.script.clear()
    assert client.flush(60) == Delivery(accepted=10)


@pytest.mark.parametrize(
    "code", [StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.INTERNAL]
)
def test_a_refusal_that_is_not_about_the_event_does_not_end_it(engine, connect, spool, code):
    """A wrong key must not cost the usage of the time until somebody mends it; nor is it asked in a hot loop."""
    engine.script.extend([refuse(code)] * 3)
    problems = []
    client = connect(spool=spool, on_problem=problems.append, requests_in_flight_max=1)
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=1)
    assert problems == []
    times = [time_s for time_s, _ in engine.requests]
    assert len(times) == 4
    assert times[-1] - times[0] >= 2.9


def test_a_rejected_event_is_reported_and_settled(engine, connect, spool):
    """The poison is told once, its neighbours are stored, and the next start has nothing to send."""
    problems = []
    client = connect(spool=spool, on_problem=problems.append)
    client.record("acme", "llm.completion")
    poison = client.record("acme", "unknown", {"n": 1})
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=2, rejected=1)
    assert [(receipt.event_id, receipt.verdict) for receipt in problems] == [(poison, Verdict.REJECTED)]
    client.close()
    assert files(spool) == []


def refuse_requests_with_poison(request, context, store):
    if b"poison" in request:
        context.abort(StatusCode.INVALID_ARGUMENT, "scripted: can't be read")
    return store(request)


def test_a_request_that_can_not_be_read_is_taken_apart_until_the_guilty_event_is_alone(
    engine, connect, spool
):
    """One of eight events makes the engine refuse the whole request: the seven others are stored."""
    engine.script.extend([refuse_requests_with_poison] * 100)
    problems = []
    client = connect(spool=spool, on_problem=problems.append, batch_age_max_ms=60_000)
    for number in range(8):
        client.record("acme", "llm.completion", {"text": "poison" if number == 5 else "fine"})
    assert client.flush(60) == Delivery(accepted=7, failed=1)
    [receipt] = problems
    assert (receipt.verdict, receipt.reason) == (Verdict.FAILED, "invalid_argument")
    assert receipt.event.properties == {"text": "poison"}
    assert len(engine.requests) == 7  # 8, 4 + 4, 2 + 2, 1 + 1


def test_a_batch_that_always_fails_does_not_hold_up_the_others(engine, connect, spool):
    """One batch is refused each time: those behind it are stored meanwhile."""

    def refuse_large(request, context, store):
        if len(request) > 50_000:
            context.abort(StatusCode.RESOURCE_EXHAUSTED, "scripted: larger than max")
        return store(request)

    engine.script.extend([refuse_large] * 10_000)
    client = connect(spool=spool, retry_timeout_s=0.1, requests_in_flight_max=1, batch_events_max=1)
    client.record("acme", "llm.completion", {"text": "x" * 60_000})
    for _ in range(20):
        client.record("acme", "llm.completion")
    deadline_s = time.monotonic() + 60
    while client.delivery().accepted < 20 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert client.delivery() == Delivery(accepted=20, pending=1)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"spool": 7}, "spool is 7: give the path of a directory"),
        ({"spool": ""}, "spool is '': give the path of a directory"),
        ({"spool_bytes_max": 1_000}, "spool_bytes_max is 1000: give a number from 1,048,576 to"),
        ({"spool_fsync": 1}, "spool_fsync is 1: give True or False"),
    ],
)
def test_an_option_of_the_spool_out_of_its_bounds_is_refused(keywords, message):
    """By name."""
    with pytest.raises(InvalidOptionError) as caught:
        Client(**keywords)
    assert str(caught.value).startswith(message)


def test_a_batch_sent_now_passes_by_the_spool(engine, connect, spool):
    """Its receipts tell the caller what to repeat."""
    client = connect(spool=spool)
    [receipt] = client.record_batch([Event("acme", "llm.completion")])
    assert receipt.verdict is Verdict.ACCEPTED
    assert files(spool) == []
