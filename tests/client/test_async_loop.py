"""AsyncClient and event loops: they stay free, run the callbacks, and may end."""

import asyncio
import contextlib
import itertools
import threading
import time

import pytest

from meterline import (
    AsyncClient,
    BufferFullError,
    CallbackMisuseError,
    Delivery,
    Event,
)
from tests.support.client.scripted_engine import answer_after, answer_when

BEAT_S = 0.005
# A wait that blocks the loop lasts a second or longer: up to 200 beats of the thread beside it.
LONGEST_STALL_BEATS = 120


@contextlib.asynccontextmanager
async def heartbeat():
    """How often a thread of this process ran between each two turns of a task of the loop.

    A wait in the loop holds the task up, and not the thread. A busy machine holds up both.
    """
    stalls = []
    thread_beats = itertools.count()
    ended = threading.Event()

    def beat_beside():
        while not ended.wait(BEAT_S):
            next(thread_beats)

    async def beat():
        last = next(thread_beats)
        while True:
            await asyncio.sleep(0.001)
            now = next(thread_beats)
            stalls.append(now - last - 1)
            last = now

    thread = threading.Thread(target=beat_beside)
    thread.start()
    task = asyncio.create_task(beat())
    try:
        yield stalls
    finally:
        task.cancel()
        ended.set()
        thread.join()


def test_the_heartbeat_tells_a_loop_that_waits():
    """The judge of the tests below, beside a wait of a second."""

    async def main():
        async with heartbeat() as stalls:
            await asyncio.sleep(0.05)
            time.sleep(1)  # noqa: ASYNC251 - the mistake that it tells
            await asyncio.sleep(0.05)
        return stalls

    assert max(asyncio.run(main())) > 20


async def record_much(client):
    for number in range(5_000):
        await client.record("acme", "llm.completion", {"n": number})


async def fill_the_buffer(client):
    for _ in range(10):
        await client.record("acme", "llm.completion", {"text": "x" * 100_000})
    with pytest.raises(BufferFullError):
        await client.record("acme", "llm.completion", {"text": "x" * 100_000})


async def use_everything(client):
    await record_much(client)
    await client.flush(1)
    with contextlib.suppress(Exception):
        await client.spend("acme", timeout_s=1)
    with contextlib.suppress(Exception):
        await client.lines("acme", timeout_s=1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await client.record_batch([Event("acme", "llm.completion")])


@pytest.mark.parametrize("work", [record_much, fill_the_buffer, use_everything])
@pytest.mark.parametrize("state", ["away", "slow"])
def test_the_loop_stays_free_whatever_the_engine_does(engine, keeping, work, state):
    """Away or slow, with a full buffer, a full spool: a task that beats every millisecond misses little.

    Every wait inside is a second or longer; the beats share a processor with the sender's threads.
    """
    if state == "away":
        engine.stop()
    else:
        engine.script.extend([answer_after(1.5)] * 100)
    bounds = {"spool_bytes_max": 1_048_576} if keeping else {"buffer_bytes_max": 1_048_576}

    async def main():
        client = AsyncClient(engine.target, block_timeout_s=1, **keeping, **bounds)
        async with heartbeat() as stalls:
            await asyncio.sleep(0.05)
            await work(client)
            await client.close(1)
        return stalls

    stalls = asyncio.run(main())
    print(f"{len(stalls)} turns, the longest stall {max(stalls) * BEAT_S} s")
    assert max(stalls) < LONGEST_STALL_BEATS


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_problems_are_told_on_the_loop(engine, keeping, kind):
    """Both kinds of callback run in the loop's thread, before the flush returns; one that raises is logged."""
    told = []

    def note(receipt):
        told.append((receipt.event_id, asyncio.get_running_loop(), threading.get_ident()))
        if receipt.event_id == "first":
            raise LookupError(receipt.event_id)

    async def note_later(receipt):
        await asyncio.sleep(0.01)
        note(receipt)

    async def main():
        callback = note if kind == "function" else note_later
        async with AsyncClient(engine.target, on_problem=callback, **keeping) as client:
            await client.record("acme", "unknown", event_id="first")
            await client.record("acme", "unknown", event_id="second")
            assert await client.flush(60) == Delivery(rejected=2)
            return asyncio.get_running_loop()

    loop = asyncio.run(main())
    assert told == [(event_id, loop, threading.get_ident()) for event_id in ("first", "second")]


def test_a_callback_may_record_and_must_not_wait_for_itself(engine, keeping):
    """The mended event goes through; flush and close in it are refused; a full buffer raises at once."""
    caught = []

    async def main():
        async def mend(receipt):
            for call in (client.flush, client.close):
                try:
                    await call()
                except CallbackMisuseError as error:
                    caught.append(str(error))
            await client.record("acme", "llm.completion", receipt.event.properties)
            if not keeping:
                with pytest.raises(BufferFullError, match="no room after 0 s"):
                    await client.record("acme", "llm.completion")
                caught.append("full")

        client = AsyncClient(engine.target, on_problem=mend, buffer_events_max=2, **keeping)
        async with client:
            await client.record("acme", "unknown", {"n": 1})
            await client.flush(60)
            assert await client.flush(60) == Delivery(accepted=1, rejected=1)

    asyncio.run(main())
    assert caught[:2] == [
        "flush() in on_problem would wait for itself: call it elsewhere",
        "close() in on_problem would wait for itself: call it elsewhere",
    ]


def test_a_client_outlives_a_loop(engine, keeping, caplog):
    """Two runs of two loops with one client, and a close in a third; problems go to the loop that runs."""
    told = []
    client = AsyncClient(engine.target, on_problem=lambda receipt: told.append(receipt.event_id), **keeping)
    gate = threading.Event()

    async def record(event_id):
        await client.record("acme", "unknown", event_id=event_id)
        return await client.flush(60)

    assert asyncio.run(record("one")) == Delivery(rejected=1)
    assert asyncio.run(record("two")) == Delivery(rejected=2)
    assert told == ["one", "two"]

    async def record_and_leave():
        engine.script.append(answer_when(gate))
        await client.record("acme", "unknown", event_id="three")
        await client.flush(0.3)

    asyncio.run(record_and_leave())
    gate.set()  # the verdict comes when no loop runs any more
    deadline_s = time.monotonic() + 60
    while client.delivery().rejected < 3 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert (
        "on_problem could not run for 1 events, its event loop has ended; first: event three of "
        in caplog.text
    )
    assert asyncio.run(client.close()) == Delivery(rejected=3)


def test_many_problems_neither_block_the_loop_nor_get_lost_at_the_end(engine, capfd):
    """10,000 events fail when the client is closed: each is told on the loop, which beats on meanwhile.

    A loop that waited for the sender's threads, which wait for it, would stand still for a second.
    """
    engine.stop()
    told = []

    async def main():
        client = AsyncClient(engine.target, on_problem=lambda receipt: told.append(receipt.event_id))
        ids = [await client.record("acme", "llm.completion") for _ in range(10_000)]
        async with heartbeat() as stalls:
            await asyncio.sleep(0.05)
            assert await client.close(0.1) == Delivery(failed=10_000)
        return ids, stalls

    ids, stalls = asyncio.run(main())
    assert sorted(told) == sorted(ids)
    assert max(stalls) < LONGEST_STALL_BEATS
    assert capfd.readouterr().err == ""


def test_loops_of_several_threads_share_a_client(engine, keeping):
    """Four threads, each with a loop of its own, record 100 events each, and each can flush."""
    client = AsyncClient(engine.target, **keeping)

    async def record():
        for _ in range(100):
            await client.record("acme", "llm.completion")
        await client.flush(60)

    threads = [threading.Thread(target=lambda: asyncio.run(record())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(client.close()) == Delivery(accepted=400)
    assert len(engine.stored) == 400
