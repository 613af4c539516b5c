"""What a cancelled call of AsyncClient leaves behind: nothing half done."""

import asyncio
import threading
import time

import pytest

from meterline import (
    AsyncClient,
    ClientClosedError,
    Delivery,
    Event,
)
from tests.support.client.scripted_engine import answer_when


def test_a_cancelled_record_that_waited_for_room_is_not_recorded(engine, keeping):
    """Five of ten waiting tasks are cancelled: the other five arrive, and only they."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    bounds = {"spool_bytes_max": 1_048_576} if keeping else {"buffer_events_max": 10}

    async def main():
        async with AsyncClient(engine.target, **keeping, **bounds) as client:
            text = {"text": "x" * 100_000}
            for number in range(10):
                await client.record("acme", "llm.completion", text, event_id=f"first-{number}")
            tasks = [
                asyncio.create_task(client.record("acme", "llm.completion", text, event_id=f"then-{number}"))
                for number in range(10)
            ]
            await asyncio.sleep(0.1)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks[::2], return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            gate.set()
            await asyncio.gather(*tasks[1::2])
            assert await client.flush(60) == Delivery(accepted=15)

    asyncio.run(main())
    assert {event_id for event_id in engine.stored if event_id.startswith("then")} == {
        f"then-{number}" for number in range(1, 10, 2)
    }


def test_cancelled_at_any_moment_a_record_is_in_or_out(engine, keeping, tmp_path):
    """400 records cancelled after random turns of the loop: returned is stored, cancelled is nowhere.

    With a spool the write to the disk may be under way: it is taken back, also from the disk.
    """

    async def main():
        returned, cancelled = set(), set()
        client = AsyncClient(engine.target, batch_age_max_ms=5, **keeping)
        async with client:

            async def record(event_id):
                try:
                    await client.record("acme", "llm.completion", event_id=event_id)
                except asyncio.CancelledError:
                    cancelled.add(event_id)
                    raise
                returned.add(event_id)

            for number in range(400):
                task = asyncio.create_task(record(str(number)))
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                if number % 3 == 0:
                    await asyncio.sleep(0.00005 * (number % 11))
                task.cancel()
                await asyncio.wait([task])
                cancelled |= {str(number)} - returned  # also those that never began
            delivery = await client.flush(60)
        return returned, cancelled, delivery

    returned, cancelled, delivery = asyncio.run(main())
    assert (len(returned) + len(cancelled), delivery.accepted) == (400, len(returned))
    assert set(engine.stored) == returned
    if keeping:
        assert cancelled
        assert [path.name for path in keeping["spool"].iterdir()] == ["lock"]


def test_a_cancelled_batch_is_broken_off(engine):
    """The engine holds the request: the task ends at once, and the thread too."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))
    engine.spend_script.append(lambda *_: gate.wait(100))

    async def main():
        async with AsyncClient(engine.target, request_timeout_s=100, close_timeout_s=100) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.record_batch([Event("acme", "llm.completion")])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.spend("acme", timeout_s=100)

    started_s = time.monotonic()
    asyncio.run(main())
    # Every wait in there that is not broken off takes a hundred seconds.
    assert time.monotonic() - started_s < 50
    gate.set()
    assert len(engine.requests) == 1


def test_a_cancelled_flush_only_ends_the_waiting(engine, keeping):
    """The events are sent all the same."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))

    async def main():
        async with AsyncClient(engine.target, **keeping) as client:
            await client.record("acme", "llm.completion")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.flush()
            assert await client.flush(0.1) == Delivery(pending=1)
            gate.set()
            assert await client.flush(60) == Delivery(accepted=1)

    asyncio.run(main())


def test_a_cancelled_close_can_be_finished(engine, keeping):
    """It takes no more, and a second close waits for what is left."""
    gate = threading.Event()
    engine.script.append(answer_when(gate))

    async def main():
        client = AsyncClient(engine.target, **keeping)
        await client.record("acme", "llm.completion")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.close()
        with pytest.raises(ClientClosedError):
            await client.record("acme", "llm.completion")
        gate.set()
        assert await client.close() == Delivery(accepted=1)
        assert await client.close() == Delivery(accepted=1)
        for call in (client.record("a", "b"), client.record_batch([]), client.spend("a")):
            with pytest.raises(ClientClosedError, match="the client is closed"):
                await call

    asyncio.run(main())
