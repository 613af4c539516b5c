"""How fast events become durable: `make bench-ingest`.

Client processes send in a closed loop over gRPC to a `meterline serve` process of its own: RecordUsage at 1, 100 and
1,000 events a request, RecordUsageColumns at 1,000, 10,000 and 25,000; every event must come back accepted. In the same run:

- before and after, the rows of the largest of these go into the same table through insert_arrow alone, in the
  largest blocks that the engine makes, with no client and no server on the machine;
- batches of 1,000 go from as many clients into a plain PostgreSQL table, INSERT ... ON CONFLICT DO NOTHING;
- locust users send batches of 100 and single events, for latencies as a tool sees them that is not ours.

On a busy machine the CPU time an event tells more than events a second: it is given for the engine and the raw
insert, clients not counted, with the ratio of the two; what the clients took of the machine stands beside it. The
last line of the output is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from bench.aims import Aim, aims_json, print_aims
from bench.engine_watch import MemoryWatch, cpu_s
from bench.ingest_baselines import Raw, bytes_an_event, drive_postgres, postgres, raw_insert, write_rows
from bench.ingest_drive import Load, Taken, drive, keep_barrier
from bench.ingest_events import CATALOG, Events
from bench.ingest_report import Measured, measured, print_over_time, print_table
from examples.engine_process import EngineProcess
from ingest import Limits
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_SPAWN = multiprocessing.get_context("spawn")
_SIZES_OF = {"RecordUsage": (1, 100, 1_000), "RecordUsageColumns": (1_000, 10_000, 25_000)}
_POSTGRES_SIZE = 1_000
_POSTGRES_CALLERS = 4
# Requests of one event and of a hundred are made for some seconds, not for as many events.
_REQUESTS_MAX = 15_000


@dataclass(frozen=True, slots=True)
class Options:
    """What to run: `events` for the largest requests; `processes` of clients with `callers` each."""

    events: int
    processes: int
    callers: int
    locust_s: int
    sizes: tuple[int, ...] | None


def main() -> None:
    """Runs everything and prints what it took."""
    options = _options()
    start_us = time.time_ns() // 1_000 - 86_400_000_000
    with tempfile.TemporaryDirectory(prefix="meterline-bench-") as folder:
        root = Path(folder)
        rows = root / "rows.arrow"
        _say("making the rows of the raw insert")
        write_rows(rows, Events(0xFFFF, start_us), options.events)
        raws = [_raw(root / "raw-before", rows)]
        found, memory, locust = _engine(root / "data", options, start_us)
        raws.append(_raw(root / "raw-after", rows))
        on_disk = _alone(bytes_an_event, root / "data" / "usage")
        beside = _postgres(root / "postgres", options, start_us)
    raw_rate = mean(raw.rows_per_second for raw in raws)
    raw_cpu_us = mean(raw.cpu_s_per_row for raw in raws) * 1e6
    print_table(raws, raw_rate, [*found, beside], on_disk)
    print_over_time(max(found, key=lambda each: each.events), memory)
    best = max(each.events_per_second for each in found if each.method == "RecordUsage")
    print(
        f"memory of the engine: {memory[0][1]:.0f} MiB at the start, {max(mib for _, mib in memory):.0f} at most\n"
    )
    aims = _aims(found, raw_rate, beside)
    print_aims(aims)
    result = {
        "bench": "ingest",
        "raw_rows_per_second": raw_rate,
        "raw_cpu_us_per_row": raw_cpu_us,
        "measured": [each.as_json(raw_rate, raw_cpu_us) for each in found],
        "postgres": beside.as_json(raw_rate, raw_cpu_us),
        "times_postgres": best / beside.events_per_second,
        "bytes_per_event": on_disk,
        "memory_mib": [round(mib) for _, mib in memory],
        "locust": locust,
        "aims": aims_json(aims),
    }
    print(json.dumps(result))


def _aims(found: Sequence[Measured], raw_rate: float, beside: Measured) -> list[Aim]:
    """Of what was measured: the best of each way at a thousand events a request or more."""

    def best(method: str) -> float | None:
        rates = [each.events_per_second for each in found if each.method == method and each.size >= 1_000]
        return max(rates, default=None)

    usage, columns = best("RecordUsage"), best("RecordUsageColumns")
    return [
        Aim("RecordUsage / raw inserts", usage and usage / raw_rate, 0.8, at_least=True),
        Aim("RecordUsageColumns / raw inserts", columns and columns / raw_rate, 0.9, at_least=True),
        Aim("RecordUsage / PostgreSQL", usage and usage / beside.events_per_second, 10, at_least=True),
    ]


def _options() -> Options:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_500_000, help="events of the largest requests")
    parser.add_argument("--processes", type=int, default=2, help="client processes")
    parser.add_argument("--callers", type=int, default=32, help="callers in each of them")
    parser.add_argument("--locust-s", type=int, default=10, help="seconds for locust; 0 leaves it out")
    parser.add_argument("--sizes", type=int, nargs="+", help="only these events a request")
    given = parser.parse_args()
    return Options(
        given.events, given.processes, given.callers, given.locust_s, given.sizes and tuple(given.sizes)
    )


def _engine(
    data: Path, options: Options, start_us: int
) -> tuple[list[Measured], list[tuple[float, float]], dict[str, Any]]:
    found = []
    with EngineProcess(data) as engine, MemoryWatch(engine.pid) as memory:
        # For the processes that send, and for locust.
        os.environ["METERLINE_API_KEY"] = engine.api_key
        with open_channel(engine.target) as channel:
            request = ApplyCatalogRequest(document=CATALOG, file_name="bench.yaml")
            CatalogServiceStub(channel).ApplyCatalog(request, timeout=30)
        run = 0
        for method, sizes in _SIZES_OF.items():
            for size in sizes:
                if options.sizes and size not in options.sizes:
                    continue
                run += 1
                _say(f"{method}, {size:,} events a request")
                # All callers together wait with half of what the queue takes: none is refused.
                callers = max(1, Limits().queue_events_max // 2 // size // options.processes)
                # Events of its own: the same ones under other ids would compress beside those of the run before.
                first = run * options.events
                load = Load(
                    engine.target, run, start_us, first, 0, size, min(options.callers, callers), method
                )
                spent_s = cpu_s(engine.pid)
                taken = _drive(drive, load, options, min(options.events, _REQUESTS_MAX * size))
                found.append(measured(method, load, taken, cpu_s(engine.pid) - spent_s))
        locust = _locust(engine.target, options.locust_s) if options.locust_s else {}
    return found, memory.samples, locust


def _postgres(path: Path, options: Options, start_us: int) -> Measured:
    _say("PostgreSQL")
    with postgres(path) as uri:
        load = Load(uri, 0, start_us, 0, 0, _POSTGRES_SIZE, _POSTGRES_CALLERS)
        taken = _drive(drive_postgres, load, options, options.events // 4)
    return measured("PostgreSQL", load, taken, None)


def _drive(work: Callable[[Load], Taken], load: Load, options: Options, events: int) -> list[Taken]:
    """Runs the client processes, each with its share of the events."""
    each = events // load.size // options.processes * load.size
    loads = [replace(load, first=load.first + i * each, events=each) for i in range(options.processes)]
    barrier = _SPAWN.Barrier(options.processes)
    with ProcessPoolExecutor(
        options.processes, mp_context=_SPAWN, initializer=keep_barrier, initargs=(barrier,)
    ) as pool:
        return list(pool.map(work, loads))


def _raw(path: Path, rows: Path) -> Raw:
    _say("raw inserts")
    raw: Raw = _alone(raw_insert, path, rows, Limits().insert_events_max)
    return raw


def _alone(work: Any, *arguments: Any) -> Any:  # noqa: ANN401 - whatever the work gives
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(work, *arguments).result()


def _locust(target: str, seconds: int) -> dict[str, Any]:
    """Milliseconds by kind of request, as locust saw them.

    Raises:
        RuntimeError: locust saw a failure.
    """
    _say(f"locust, {seconds} s")
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("locustfile.py"))]
    command += ["--host", target, "--headless", "--users", "32", "--spawn-rate", "32"]
    command += ["--run-time", f"{seconds}s", "--json", "--loglevel", "ERROR"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=False)
    if done.returncode:
        raise RuntimeError(f"locust: {(done.stdout + done.stderr)[-2_000:]}")
    return {
        entry["name"]: {
            "requests": entry["num_requests"],
            **{f"p{percent}_ms": _percentile(entry["response_times"], percent) for percent in (50, 99)},
        }
        for entry in json.loads(done.stdout)
    }


def _percentile(counts: dict[str, int], percent: int) -> float:
    """Nearest rank, of a histogram of milliseconds."""
    times_ms = sorted((float(ms), count) for ms, count in counts.items())
    rank = -(-sum(count for _, count in times_ms) * percent // 100)
    seen = 0
    for ms, count in times_ms:
        seen += count
        if seen >= rank:
            return ms
    raise ValueError("no requests")


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
