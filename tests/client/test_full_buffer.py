"""A full buffer: block or raise, never grow."""

import threading
import time

import pytest

from meterline import BufferFullError, ClientClosedError, Delivery
from tests.support.client.scripted_engine import answer_when

NEVER_MS = 60_000  # an age that no test reaches


def test_a_full_buffer_raises_at_once_if_asked_to(engine, connect):
    """The refused event is not recorded; those before it are."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    # Who waited would wait for longer than a test may take.
    client = connect(buffer_events_max=5, when_full="raise", batch_events_max=5, block_timeout_s=600)
    for _ in range(5):
        client.record("acme", "llm.completion")
    with pytest.raises(BufferFullError, match=r"5 events \(\d+ bytes\) wait .* buffer_events_max \(5\)"):
        client.record("acme", "llm.completion")
    gate.set()
    assert client.flush(60) == Delivery(accepted=5)
    client.record("acme", "llm.completion")
    assert client.flush(60).accepted == 6


def test_a_full_buffer_blocks_until_there_is_room(engine, connect):
    """The sixth event waits for the first five to be acknowledged, then goes through."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(buffer_events_max=5, batch_events_max=5)
    for _ in range(5):
        client.record("acme", "llm.completion")
    threading.Timer(0.3, gate.set).start()
    client.record("acme", "llm.completion")
    assert gate.is_set()
    assert client.flush(60).accepted == 6


def test_a_full_buffer_blocks_no_longer_than_its_timeout(engine, connect):
    """Then the event is refused, so that a product service is never stuck for good."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(buffer_events_max=1, block_timeout_s=0.3)
    client.record("acme", "llm.completion")
    started_s = time.monotonic()
    with pytest.raises(BufferFullError, match=r"no room after 0\.3 s: is the engine up\?"):
        client.record("acme", "llm.completion")
    assert time.monotonic() - started_s >= 0.3
    gate.set()


def test_a_small_buffer_does_not_wait_for_the_age_of_its_batch(engine, connect):
    """A caller who waits for room hurries what fills it."""
    client = connect(buffer_events_max=1, batch_age_max_ms=NEVER_MS, block_timeout_s=20)
    for _ in range(3):
        client.record("acme", "llm.completion")
    assert client.flush(60).accepted == 3


def test_the_buffers_bytes_are_bounded_too(engine, connect):
    """Two events of 100 kB don't fit 131,072 bytes."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(buffer_bytes_max=131_072, when_full="raise")
    client.record("acme", "llm.completion", {"text": "x" * 100_000})
    with pytest.raises(BufferFullError, match=r"buffer_bytes_max \(131,072\)"):
        client.record("acme", "llm.completion", {"text": "x" * 100_000})
    gate.set()


def test_closing_wakes_a_caller_that_waits_for_room(engine, connect):
    """It learns at once that the client is closed, while the events before it are still being flushed."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    client = connect(buffer_events_max=1, block_timeout_s=60)
    client.record("acme", "llm.completion")
    caught = []

    def record():
        try:
            client.record("acme", "llm.completion")
        except ClientClosedError as error:
            caught.append(error)

    waiting = threading.Thread(target=record)
    waiting.start()
    time.sleep(0.1)
    closing = threading.Thread(target=client.close, args=(30,))
    closing.start()
    waiting.join(60)
    assert len(caught) == 1
    assert closing.is_alive()
    gate.set()
    closing.join(60)
    assert client.delivery() == Delivery(accepted=1)
