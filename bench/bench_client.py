"""What one `record` costs the caller: in memory, with a spool, with fsync; plain and asyncio.

No engine runs: the figures are the caller's part alone, without the sending, which is the same for all. Each
round times every way once, in turn, so that a busy machine spoils none in particular; medians of the rounds. The last
line of the output is one JSON object; there is nothing that it aims at.

    python -m bench.bench_client [directory for the spools, default: a temporary one]
"""

import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.aims import aims_json
from meterline import AsyncClient, Client

ROUNDS = 7
NOBODY = "127.0.0.1:9"
PROPERTIES = {"model": "large", "input_tokens": 374, "output_tokens": 44}


def plain(events: int, **keywords: object) -> float:
    """Microseconds a record of one thread."""
    client = Client(NOBODY, close_timeout_s=0, on_problem=lambda _: None, **keywords)  # type: ignore[arg-type]
    started_s = time.perf_counter()
    for _ in range(events):
        client.record("acme", "llm.completion", PROPERTIES)
    elapsed_s = time.perf_counter() - started_s
    client.close()
    return elapsed_s / events * 1e6


def on_a_loop(events: int, tasks: int, **keywords: object) -> float:
    """Microseconds a record, of so many tasks at once."""

    async def record(client: AsyncClient, count: int) -> None:
        for _ in range(count):
            await client.record("acme", "llm.completion", PROPERTIES)

    async def main() -> float:
        client = AsyncClient(NOBODY, close_timeout_s=0, on_problem=lambda _: None, **keywords)  # type: ignore[arg-type]
        async with client:
            started_s = time.perf_counter()
            work: list[Awaitable[None]] = [record(client, events // tasks) for _ in range(tasks)]
            await asyncio.gather(*work)
            return time.perf_counter() - started_s

    return asyncio.run(main()) / events * 1e6


def main() -> None:
    """Prints one line a way: median microseconds, and the ratio to `record` in memory."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:

        def spool(*, fsync: bool = False) -> dict[str, object]:
            return {"spool": Path(directory) / os.urandom(4).hex(), "spool_fsync": fsync}

        ways: dict[str, Callable[[], float]] = {
            "Client, in memory": lambda: plain(20_000),
            "Client, spool": lambda: plain(20_000, **spool()),
            "Client, spool with fsync": lambda: plain(200, **spool(fsync=True)),
            "AsyncClient, in memory": lambda: on_a_loop(20_000, 1),
            "AsyncClient, in memory, 100 tasks": lambda: on_a_loop(20_000, 100),
            "AsyncClient, spool": lambda: on_a_loop(4_000, 1, **spool()),
            "AsyncClient, spool, 100 tasks": lambda: on_a_loop(20_000, 100, **spool()),
            "AsyncClient, spool with fsync, 100 tasks": lambda: on_a_loop(4_000, 100, **spool(fsync=True)),
        }
        rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in ways}
    base = medians["Client, in memory"]
    for name, microseconds in medians.items():
        print(f"{name:42} {microseconds:10,.1f} us  x {microseconds / base:,.1f}")
    print()
    print(json.dumps({"bench": "client", "us_per_record": medians, "aims": aims_json([])}))


if __name__ == "__main__":
    main()
