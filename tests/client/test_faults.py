"""The engine fails in every way that a network allows, and no acknowledged event is lost or doubled."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from grpc import StatusCode

from meterline import Delivery, Verdict
from tests.support.client.scripted_engine import answer_after, answer_when, lose_the_ack, refuse


def test_a_retry_repeats_the_same_bytes(engine, connect):
    """Id and time are made once: three attempts, one payload."""
    engine.script.extend(
        [refuse(StatusCode.UNAVAILABLE), refuse(StatusCode.RESOURCE_EXHAUSTED), refuse(StatusCode.ABORTED)]
    )
    client = connect()
    for number in range(10):
        client.record("acme", "llm.completion", {"tokens": number})
    assert client.flush(60) == Delivery(accepted=10)
    assert len(engine.payloads) == 4
    assert len(set(engine.payloads)) == 1


def test_a_lost_ack_is_counted_once(engine, connect):
    """The engine stored the batch and the answer got lost: the retry learns that they are duplicates."""
    engine.script.append(lose_the_ack)
    client = connect()
    for _ in range(10):
        client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(duplicate=10)
    assert len(engine.stored) == 10


def test_an_attempt_that_takes_too_long_is_made_again(engine, connect):
    """The first answer comes after 1 s, an attempt may take 0.2 s."""
    engine.script.append(answer_after(1.0))
    client = connect(request_timeout_s=0.2)
    client.record("acme", "llm.completion")
    delivery = client.flush(60)
    assert delivery.accepted + delivery.duplicate == 1
    assert len(engine.stored) == 1
    assert len(set(engine.payloads)) == 1


def test_the_engines_pushback_is_honoured(engine, connect):
    """Asked to wait 700 ms, the client comes back no earlier."""
    engine.script.append(refuse(StatusCode.RESOURCE_EXHAUSTED, pushback_ms=700))
    client = connect()
    client.record("acme", "llm.completion")
    assert client.flush(60) == Delivery(accepted=1)
    (first_s, _), (second_s, _) = engine.requests
    assert 0.7 <= second_s - first_s < 5


def test_a_batch_fails_when_the_retries_have_used_up_their_time(engine, connect):
    """Every attempt is refused: after about 0.5 s the event is reported, and can be sent again."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE)] * 1_000)
    receipts = []
    client = connect(retry_timeout_s=0.5, on_problem=receipts.append)
    client.record("acme", "llm.completion", {"tokens": 7})
    assert client.flush(60) == Delivery(failed=1)
    [receipt] = receipts
    assert (receipt.verdict, receipt.reason, receipt.retryable) == (Verdict.FAILED, "unavailable", True)
    engine.script.clear()
    [again] = client.record_batch([receipt.event])
    assert again.verdict is Verdict.ACCEPTED
    assert again.event_id == receipt.event_id


def test_nothing_is_lost_when_the_engine_restarts_under_load(engine, connect):
    """Two restarts in the middle of 6,000 events: each is stored once and acknowledged."""
    client = connect(batch_events_max=100)
    ids = []

    def record():
        for _ in range(6_000):
            ids.append(client.record("acme", "llm.completion", {"tokens": 1}))
            time.sleep(0.0002)

    recording = threading.Thread(target=record)
    recording.start()
    for _ in range(2):
        time.sleep(0.3)
        engine.stop()
        time.sleep(0.3)
        engine.start()
    recording.join()
    delivery = client.flush(60)
    assert delivery.accepted + delivery.duplicate == 6_000
    assert (delivery.failed, delivery.pending) == (0, 0)
    assert set(engine.stored) == set(ids)


def test_an_engine_that_starts_later_gets_what_waited(engine, connect):
    """The product service may start first."""
    engine.stop()
    client = connect()
    client.record("acme", "llm.completion")
    time.sleep(0.5)
    engine.start()
    assert client.flush(60) == Delivery(accepted=1)


def test_closing_without_an_engine_ends_in_time_and_reports_all(engine, connect):
    """250 events in 3 batches: each is reported as failed with the reason, within the timeout."""
    engine.stop()
    receipts = []
    client = connect(on_problem=receipts.append, batch_events_max=100)
    ids = [client.record("acme", "llm.completion") for _ in range(250)]
    started_s = time.monotonic()
    assert client.close(timeout_s=0.5) == Delivery(failed=250)
    # Its retries would go on for 300 seconds.
    assert time.monotonic() - started_s < 60
    assert sorted(receipt.event_id for receipt in receipts) == sorted(ids)
    assert {(receipt.verdict, receipt.retryable) for receipt in receipts} == {(Verdict.FAILED, True)}
    assert any("no engine answers at" in receipt.message for receipt in receipts)


def test_closing_breaks_off_a_request_that_hangs(engine, connect):
    """The engine holds the request: close does not wait for its deadline."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(request_timeout_s=100)
    client.record("acme", "llm.completion")
    time.sleep(0.3)
    started_s = time.monotonic()
    delivery = client.close(timeout_s=0.3)
    assert time.monotonic() - started_s < 50
    assert delivery == Delivery(failed=1)
    gate.set()


def test_nobody_waits_busily(engine, connect):
    """In one second the senders of an idle client don't wake up at all; without an engine, for retries only."""
    client = connect()
    client.record("acme", "llm.completion")
    client.flush(60)
    time.sleep(0.2)
    assert wake_ups_in_a_second() <= 2

    engine.stop()
    for _ in range(100):
        client.record("acme", "llm.completion")
    # An attempt takes some ten; a loop without waits takes tens of thousands.
    assert 0 < wake_ups_in_a_second() < 1_000


def wake_ups_in_a_second():
    """How often the sender threads of this process gave up the processor and got it back."""
    before = voluntary_switches()
    time.sleep(1.0)
    return voluntary_switches() - before


def voluntary_switches():
    senders = [thread for thread in threading.enumerate() if thread.name.startswith("meterline-sender")]
    assert senders
    total = 0
    for thread in senders:
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)[1])
    return total


FORGETFUL = """
import sys
from meterline import Client

client = Client(sys.argv[1])
for _ in range(50):
    client.record("acme", "llm.completion")
"""


def test_the_end_of_the_process_flushes(engine):
    """A script that forgets to close loses nothing."""
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL, engine.target],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(engine.stored) == 50


def test_the_end_of_the_process_without_an_engine_is_bounded_and_told(engine):
    """It ends within its timeout, and the log names the loss."""
    engine.stop()
    script = FORGETFUL.replace("Client(sys.argv[1])", "Client(sys.argv[1], close_timeout_s=0.5)")
    started_s = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", script, engine.target], capture_output=True, text=True, timeout=60, check=False
    )
    assert time.monotonic() - started_s < 60
    assert ran.returncode == 0
    assert "50 of 50 events failed (cancelled): the client was closed before" in ran.stderr


def test_a_proxy_of_the_environment_is_not_asked_for_the_loopback(engine):
    """Many companies set http_proxy everywhere; the engine on the same machine is reached all the same."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL.replace("argv[1])", "argv[1], close_timeout_s=5)"), engine.target],
        env={**environment, "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(engine.stored) == 50
