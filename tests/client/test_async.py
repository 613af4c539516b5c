"""AsyncClient keeps the promises of Client."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from grpc import StatusCode

from meterline import (
    AsyncClient,
    BufferFullError,
    Delivery,
    Event,
    InvalidArgumentError,
    NotFoundError,
    SpoolError,
    Verdict,
)
from meterline.v1 import spend_pb2
from tests.support.client.scripted_engine import answer_when, refuse

NEVER_MS = 60_000  # an age that no test reaches


def test_events_arrive_and_a_flush_waits_for_them(engine, keeping):
    """Recorded by 20 tasks at once: each stored once."""

    async def main():
        async with AsyncClient(engine.target, **keeping) as client:

            async def record():
                return [await client.record("acme", "llm.completion", {"n": n}) for n in range(50)]

            ids = await asyncio.gather(*(record() for _ in range(20)))
            assert await client.flush(60) == client.delivery() == Delivery(accepted=1_000)
            return {event_id for some in ids for event_id in some}

    assert asyncio.run(main()) == set(engine.stored)


def test_the_end_of_an_async_with_block_flushes(engine, keeping):
    """As that of a `with` block does."""

    async def main():
        async with AsyncClient(engine.target, batch_age_max_ms=NEVER_MS, **keeping) as client:
            for _ in range(25):
                await client.record("acme", "llm.completion")

    asyncio.run(main())
    assert len(engine.stored) == 25


def test_a_batch_and_a_read(engine):
    """Receipts in order, a spend, and the errors of the tree."""
    engine.spends["acme"] = spend_pb2.GetSpendResponse()
    engine.spends["acme"].spends.add(customer_id="acme", currency="USD", amount="12.50")

    async def main():
        async with AsyncClient(engine.target) as client:
            receipts = await client.record_batch(
                [Event("acme", "llm.completion", {"n": 1}), Event("acme", "unknown")]
            )
            assert [receipt.verdict for receipt in receipts] == [Verdict.ACCEPTED, Verdict.REJECTED]
            assert str((await client.spend("acme")).amount) == "12.50"
            with pytest.raises(NotFoundError, match="nobody"):
                await client.spend("nobody")
            with pytest.raises(InvalidArgumentError, match="property 'cost' is nan"):
                await client.record("acme", "llm.completion", {"cost": float("nan")})
            with pytest.raises(InvalidArgumentError, match="event 0 of the batch"):
                await client.record_batch([Event("acme", "llm.completion", {"cost": float("nan")})])

    asyncio.run(main())


def test_a_record_that_finds_no_room_waits_for_it(engine, keeping):
    """Twelve tasks, room for ten events of 100 kB: all are recorded when the engine answers, none before."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    bounds = {"spool_bytes_max": 1_048_576} if keeping else {"buffer_events_max": 10}

    async def main():
        async with AsyncClient(engine.target, **keeping, **bounds) as client:
            tasks = [
                asyncio.create_task(client.record("acme", "llm.completion", {"text": "x" * 100_000}))
                for _ in range(12)
            ]
            await asyncio.sleep(0.3)
            assert sum(task.done() for task in tasks) == client.delivery().pending == 10
            gate.set()
            await asyncio.gather(*tasks)
            assert await client.flush(60) == Delivery(accepted=12)

    asyncio.run(main())


@pytest.mark.parametrize("policy", [{"when_full": "raise"}, {"block_timeout_s": 0.3}])
def test_a_full_buffer_raises_by_its_policy(engine, keeping, policy):
    """At once, or after the timeout; the events before stay."""
    gate = threading.Event()
    engine.script.extend([answer_when(gate)] * 2)
    bounds = {"spool_bytes_max": 1_048_576} if keeping else {"buffer_events_max": 10}

    async def main():
        async with AsyncClient(engine.target, **keeping, **bounds, **policy) as client:
            for _ in range(10):
                await client.record("acme", "llm.completion", {"text": "x" * 100_000})
            started_s, timeout_s = time.monotonic(), policy.get("block_timeout_s", 0)
            with pytest.raises(BufferFullError, match=rf"no room after {timeout_s} s: is the engine up\?"):
                await client.record("acme", "llm.completion", {"text": "x" * 100_000})
            assert time.monotonic() - started_s >= timeout_s
            gate.set()
            assert await client.flush(60) == Delivery(accepted=10)

    asyncio.run(main())


def test_a_spool_that_can_not_be_had_is_told_when_the_client_opens(engine, tmp_path):
    """By `async with`, or by the first call; making the client touches no disk."""
    (tmp_path / "file").write_text("")

    async def main():
        client = AsyncClient(engine.target, spool=tmp_path / "file" / "spool")
        with pytest.raises(SpoolError, match="can't be opened: Not a directory"):
            async with client:
                pass
        with pytest.raises(SpoolError, match="can't be opened: Not a directory"):
            await client.record("acme", "llm.completion")
        assert await client.close() == Delivery()

    asyncio.run(main())


def test_a_disk_that_refuses_is_an_error_of_every_record_that_waited(engine, tmp_path, monkeypatch):
    """Ten tasks whose writes went together: each gets the error, nothing is recorded."""

    async def main():
        async with AsyncClient(engine.target, spool=tmp_path / "spool") as client:
            with monkeypatch.context() as patch:
                patch.setattr(
                    "os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
                )
                results = await asyncio.gather(
                    *(client.record("acme", "llm.completion") for _ in range(10)), return_exceptions=True
                )
            [error] = {str(result) for result in results}
            assert error.startswith(f"the spool {tmp_path / 'spool'} could not be written, the event is not ")
            assert error.endswith("recorded: No space left on device")
            await client.record("acme", "llm.completion")
            assert await client.flush(60) == Delivery(accepted=1)

    asyncio.run(main())


def test_an_outage_and_its_end(engine, keeping):
    """The engine comes back: what waited arrives once."""
    engine.script.extend([refuse(StatusCode.UNAVAILABLE)] * 4)

    async def main():
        async with AsyncClient(engine.target, **keeping) as client:
            for number in range(100):
                await client.record("acme", "llm.completion", {"n": number})
            assert await client.flush(30) == Delivery(accepted=100)

    asyncio.run(main())
    assert len(engine.stored) == 100


FORGETFUL = """
import asyncio, sys
from meterline import AsyncClient

client = AsyncClient(sys.argv[1], spool=sys.argv[2] or None)

async def main():
    for _ in range(50):
        await client.record("acme", "llm.completion")

asyncio.run(main())
"""


def test_the_end_of_the_process_flushes_a_client_that_was_not_closed(engine, keeping):
    """Its loop is gone; nothing is lost and nobody complains."""
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL, engine.target, str(keeping.get("spool", ""))],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(engine.stored) == 50


PREFORK = """
import asyncio, os, sys
from meterline import AsyncClient

client = AsyncClient(sys.argv[1], spool=sys.argv[2] or None)

async def work():
    for _ in range(50):
        await client.record("acme", "llm.completion")
    return await client.close()

if sys.argv[3] == "used":
    asyncio.run(client.__aenter__())
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(work()).accepted == 50 else 1)
    children.append(child)
print(asyncio.run(work()).accepted, *(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.parametrize("state", ["unused", "used"])
def test_a_client_made_before_a_fork_works_in_each_process(engine, keeping, state):
    """Workers of a preloading server: each has a loop, ids and a place of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", PREFORK, engine.target, str(keeping.get("spool", "")), state],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (ran.stdout.split(), ran.stderr) == (["50", "0", "0"], "")
    assert len(engine.stored) == 150
