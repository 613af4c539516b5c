"""The processes of the ingestion bench: clients in a closed loop, and the raw insert beside which they are judged."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import grpc

from bench.ingest_events import Events
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageResponse

_METHOD = "/meterline.v1.UsageService/RecordUsage"
_barrier: Barrier | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What one client process sends: `callers` threads, each with one request under way at a time."""

    target: str
    run: int
    start_us: int
    first: int
    events: int
    size: int
    callers: int


@dataclass(frozen=True, slots=True)
class Taken:
    """When one client process began and ended, on the machine's one monotonic clock, and each request's seconds."""

    began_s: float
    ended_s: float
    latencies_s: list[float]


def keep_barrier(barrier: Barrier) -> None:
    """Every process starts to send when all have made their requests."""
    global _barrier  # noqa: PLW0603 - how multiprocessing hands a barrier to the processes of a pool
    _barrier = barrier


def drive(load: Load) -> Taken:
    """Sends everything and checks that every event was accepted."""
    requests = list(Events(load.run, load.start_us).requests(load.first, load.events, load.size))
    latencies: list[float] = []
    failures: list[str] = []
    with grpc.insecure_channel(load.target) as channel:
        record = channel.unary_unary(_METHOD)

        def call(mine: Sequence[bytes]) -> None:
            for data in mine:
                began = perf_counter()
                answer = RecordUsageResponse.FromString(record(data, timeout=120))
                latencies.append(perf_counter() - began)
                if len(answer.verdicts) != load.size or set(answer.verdicts) != {VERDICT_ACCEPTED}:
                    failures.append(str(answer.problems[:1]))

        threads = [
            threading.Thread(target=call, args=(requests[i :: load.callers],)) for i in range(load.callers)
        ]
        if _barrier is None:
            raise RuntimeError("keep_barrier comes first")
        _barrier.wait(300)
        began_s = perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ended_s = perf_counter()
    if failures or len(latencies) != len(requests):
        raise RuntimeError(f"{len(requests) - len(latencies)} requests failed; {failures[:1]}")
    return Taken(began_s, ended_s, latencies)


def raw_insert(path: Path, events: Events, count: int, block_rows: int) -> tuple[float, float]:
    """Of insert_arrow alone, in blocks of `block_rows`: rows a second (the median block), and CPU seconds a row."""
    import clickhouse_connect  # noqa: PLC0415 - chDB lives in this process alone

    from engine.usage.schema import DATABASE, EVENTS_TABLE, SCHEMA, create_database  # noqa: PLC0415
    from engine.usage.store import INSERT_SETTINGS  # noqa: PLC0415

    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    client.command(create_database(DATABASE), use_database=False)
    client.database = DATABASE
    for statement in SCHEMA:
        client.command(statement)
    took: list[float] = []
    spent_s = 0.0
    for first in range(0, count, block_rows):
        rows = events.rows(first, block_rows)
        began, spent = perf_counter(), process_time()
        client.insert_arrow(EVENTS_TABLE, rows, settings=INSERT_SETTINGS)
        took.append(perf_counter() - began)
        spent_s += process_time() - spent
    client.close()
    return block_rows / median(took), spent_s / count


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bytes_an_event(path: Path) -> float:
    """Bytes on disk for one event, merged, with its key columns and index."""
    import clickhouse_connect  # noqa: PLC0415

    from engine.usage.schema import DATABASE, EVENTS_TABLE  # noqa: PLC0415

    client = clickhouse_connect.get_client(interface="chdb", path=str(path), database=DATABASE)
    client.command(f"OPTIMIZE TABLE {EVENTS_TABLE} FINAL")
    ((on_disk, rows),) = client.query(
        "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = {database:String}",
        parameters={"database": DATABASE},
    ).result_rows
    client.close()
    return int(on_disk) / int(rows)
