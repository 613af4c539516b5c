"""AsyncClient: the same promises as Client, and the event loop stays free."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time

import pytest
from grpc import StatusCode
from scripted_engine import answer_after, answer_when, refuse

from meterline import (
    AsyncClient,
    BufferFullError,
    CallbackMisuseError,
    ClientClosedError,
    Delivery,
    Event,
    InvalidArgumentError,
    NotFoundError,
    SpoolError,
    Verdict,
)
from meterline.v1 import spend_pb2

NEVER_MS = 60_000  # an age that no test reaches


@pytest.fixture(params=["memory", "spool"])
def keeping(request, tmp_path):
    """The keywords of a client that keeps events in memory, or on disk."""
    return {} if request.param == "memory" else {"spool": tmp_path / "spool"}


@contextlib.asynccontextmanager
async def heartbeat():
    """The gaps between the beats of a task that wants to run every millisecond."""
    gaps = []

    async def beat():
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now_s = time.monotonic()
            gaps.append(now_s - last_s)
            last_s = now_s

    task = asyncio.create_task(beat())
    try:
        yield gaps
    finally:
        task.cancel()


def test_events_arrive_and_a_flush_waits_for_them(engine, keeping):
    """Recorded by 20 tasks at once: each stored once."""

    async def main():
        async with AsyncClient(engine.target, **keeping) as client:

            async def record():
                return [await client.record("acme", "llm.completion", {"n": n}) for n in range(50)]

            ids = await asyncio.gather(*(record() for _ in range(20)))
            assert await client.flush(20) == client.delivery() == Delivery(accepted=1_000)
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
    await client.flush(0.5)
    with contextlib.suppress(Exception):
        await client.spend("acme", timeout_s=0.5)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.record_batch([Event("acme", "llm.completion")])


@pytest.mark.parametrize("work", [record_much, fill_the_buffer, use_everything])
@pytest.mark.parametrize("state", ["away", "slow"])
def test_the_loop_stays_free_whatever_the_engine_does(engine, keeping, work, state):
    """Away or slow, with a full buffer, a full spool: a task that beats every millisecond misses little.

    The processor is shared with the sender's threads, which may hold it for some switch intervals of 5 ms; a
    blocking wait would be half a second and more.
    """
    if state == "away":
        engine.stop()
    else:
        engine.script.extend([answer_after(0.8)] * 100)
    bounds = {"spool_bytes_max": 1_048_576} if keeping else {"buffer_bytes_max": 1_048_576}

    async def main():
        client = AsyncClient(engine.target, block_timeout_s=0.5, **keeping, **bounds)
        async with heartbeat() as gaps:
            await asyncio.sleep(0.05)
            await work(client)
            await client.close(0.5)
        return gaps

    gaps = asyncio.run(main())
    print(f"{len(gaps)} beats, largest gap {max(gaps) * 1_000:.1f} ms")
    assert max(gaps) < 0.25


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
            assert await client.flush(20) == Delivery(accepted=12)

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
            started_s = time.monotonic()
            with pytest.raises(BufferFullError, match=r"no room after .* s: is the engine up\?"):
                await client.record("acme", "llm.completion", {"text": "x" * 100_000})
            assert policy.get("block_timeout_s", 0) <= time.monotonic() - started_s < 2
            gate.set()
            assert await client.flush(20) == Delivery(accepted=10)

    asyncio.run(main())


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
            assert await client.flush(20) == Delivery(accepted=15)

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
            delivery = await client.flush(20)
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
    engine.spend_script.append(lambda *_: gate.wait(30))

    async def main():
        async with AsyncClient(engine.target) as client:
            started_s = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.record_batch([Event("acme", "llm.completion")])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.spend("acme", timeout_s=60)
            assert time.monotonic() - started_s < 3
        assert time.monotonic() - started_s < 5

    started_s = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started_s < 6
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
            assert await client.flush(20) == Delivery(accepted=1)

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
            assert await client.flush(20) == Delivery(rejected=2)
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
            await client.flush(20)
            assert await client.flush(20) == Delivery(accepted=1, rejected=1)

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
        return await client.flush(20)

    assert asyncio.run(record("one")) == Delivery(rejected=1)
    assert asyncio.run(record("two")) == Delivery(rejected=2)
    assert told == ["one", "two"]

    async def record_and_leave():
        engine.script.append(answer_when(gate))
        await client.record("acme", "unknown", event_id="three")
        await client.flush(0.3)

    asyncio.run(record_and_leave())
    gate.set()  # the verdict comes when no loop runs any more
    deadline_s = time.monotonic() + 10
    while client.delivery().rejected < 3 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert (
        "on_problem could not run for 1 events, its event loop has ended; first: event three of "
        in caplog.text
    )
    assert asyncio.run(client.close()) == Delivery(rejected=3)


def test_many_problems_neither_block_the_loop_nor_get_lost_at_the_end(engine, capfd):
    """10,000 events fail when the client is closed: each is told on the loop, which beats on meanwhile."""
    engine.stop()
    told = []

    async def main():
        client = AsyncClient(engine.target, on_problem=lambda receipt: told.append(receipt.event_id))
        ids = [await client.record("acme", "llm.completion") for _ in range(10_000)]
        async with heartbeat() as gaps:
            await asyncio.sleep(0.05)
            assert await client.close(0.1) == Delivery(failed=10_000)
        return ids, gaps

    ids, gaps = asyncio.run(main())
    assert sorted(told) == sorted(ids)
    assert max(gaps) < 0.25
    assert capfd.readouterr().err == ""


def test_loops_of_several_threads_share_a_client(engine, keeping):
    """Four threads, each with a loop of its own, record 100 events each, and each can flush."""
    client = AsyncClient(engine.target, **keeping)

    async def record():
        for _ in range(100):
            await client.record("acme", "llm.completion")
        await client.flush(20)

    threads = [threading.Thread(target=lambda: asyncio.run(record())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(client.close()) == Delivery(accepted=400)
    assert len(engine.stored) == 400


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
            assert await client.flush(20) == Delivery(accepted=1)

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
        timeout=60,
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
        timeout=60,
        check=False,
    )
    assert (ran.stdout.split(), ran.stderr) == (["50", "0", "0"], "")
    assert len(engine.stored) == 150
