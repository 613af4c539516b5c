"""The client processes of the ingestion bench: callers in a closed loop, over real gRPC."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from time import perf_counter, process_time
from typing import TypeVar

from bench.ingest_events import Events
from meterline import open_channel
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageResponse

_barrier: Barrier | None = None
Sent = TypeVar("Sent")


@dataclass(frozen=True, slots=True)
class Load:
    """What one client process sends: `callers` threads, each with one request under way at a time.

    `method`: of UsageService; the two have the same answer.
    """

    target: str
    run: int
    start_us: int
    first: int
    events: int
    size: int
    callers: int
    method: str = "RecordUsage"


@dataclass(frozen=True, slots=True)
class Taken:
    """When one client process began and ended, on the machine's one monotonic clock, and the CPU that it took
    meanwhile; of each request, when it was answered and how long it took.
    """

    began_s: float
    ended_s: float
    cpu_s: float
    answered_s: list[float]
    latencies_s: list[float]


def keep_barrier(barrier: Barrier) -> None:
    """Every process starts to send when all have made their requests."""
    global _barrier  # noqa: PLW0603 - how multiprocessing hands a barrier to the processes of a pool
    _barrier = barrier


def drive(load: Load) -> Taken:
    """Sends everything and checks that every event was accepted."""
    events = Events(load.run, load.start_us)
    requests = list(events.requests(load.method, load.first, load.events, load.size))
    with open_channel(load.target) as channel:
        record = channel.unary_unary(f"/meterline.v1.UsageService/{load.method}")

        def call(data: bytes) -> None:
            answer = RecordUsageResponse.FromString(record(data, timeout=120))
            if len(answer.verdicts) != load.size or set(answer.verdicts) != {VERDICT_ACCEPTED}:
                raise RuntimeError(f"not accepted: {answer.problems[:1]}")

        return at_once(call, requests, load.callers)


def at_once(call: Callable[[Sent], None], items: Sequence[Sent], callers: int) -> Taken:
    """Makes every call, `callers` at a time.

    Raises:
        RuntimeError: a call failed.
    """
    answered: list[float] = []
    latencies: list[float] = []
    failures: list[Exception] = []

    def work(mine: Iterator[Sent]) -> None:
        try:
            for item in mine:
                began_s = perf_counter()
                call(item)
                answered.append(perf_counter())
                latencies.append(answered[-1] - began_s)
        except Exception as error:  # noqa: BLE001 - raised below, by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work, args=(iter(items[i::callers]),)) for i in range(callers)]
    if _barrier is None:
        raise RuntimeError("keep_barrier comes first")
    _barrier.wait(300)
    began_s, spent_s = perf_counter(), process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} callers failed: {failures[0]}") from failures[0]
    return Taken(began_s, perf_counter(), process_time() - spent_s, answered, latencies)
