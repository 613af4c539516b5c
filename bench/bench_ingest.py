"""How fast events become durable: `make bench-ingest`.

Client processes send RecordUsage in a closed loop over gRPC to a `meterline serve` process of its own, at 1, 100 and
1,000 events a request; every event must come back accepted. Beside it, in the same run and before and after, the
same rows go into the same table through insert_arrow alone, with no client and no server on the machine. On a busy
machine the CPU time an event tells more than events a second: it is given for both, clients not counted. The last
line of the output is one JSON object.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grpc

from bench.ingest_drive import Load, Taken, bytes_an_event, cpu_s, drive, keep_barrier, raw_insert
from bench.ingest_events import CATALOG, Events
from examples.engine_process import EngineProcess
from ingest import Limits
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_SPAWN = multiprocessing.get_context("spawn")
_RAW_EVENTS = 500_000


def main() -> None:
    """Runs the sizes that the arguments ask for and prints what they took."""
    options = _options()
    start_us = time.time_ns() // 1_000 - 86_400_000_000
    with tempfile.TemporaryDirectory(prefix="meterline-bench-") as folder:
        root = Path(folder)
        raw = [_raw(root / "raw-before", start_us)]
        rows = _measured(root / "data", options, start_us)
        raw.append(_raw(root / "raw-after", start_us))
        on_disk = _alone(bytes_an_event, root / "data" / "usage")
    raw_rate = sum(rate for rate, _ in raw) / len(raw)
    raw_cpu_us = sum(spent_s for _, spent_s in raw) / len(raw) * 1e6
    print(
        f"raw insert_arrow, {Limits().insert_events_max:,} rows a block: {raw_rate:,.0f} rows/s"
        f" ({', '.join(f'{rate:,.0f}' for rate, _ in raw)}), {raw_cpu_us:.2f} us of CPU a row"
    )
    print(
        f"{'events a request':>16}{'callers':>9}{'events/s':>12}{'x raw':>7}{'CPU us':>8}{'p50 ms':>9}{'p99 ms':>9}"
    )
    for row in rows:
        row["times_raw"] = row["events_per_second"] / raw_rate
        print(
            f"{row['request_events']:>16,}{row['callers']:>9}{row['events_per_second']:>12,.0f}"
            f"{row['times_raw']:>7.2f}{row['cpu_us_per_event']:>8.1f}{row['p50_ms']:>9.1f}{row['p99_ms']:>9.1f}"
        )
    print(f"on disk, merged: {on_disk:.1f} bytes an event\n")
    result = {
        "bench": "ingest",
        "raw_rows_per_second": raw_rate,
        "raw_cpu_us_per_row": raw_cpu_us,
        "bytes_per_event": on_disk,
        "record_usage": rows,
    }
    print(json.dumps(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 1_000], help="events a request")
    parser.add_argument("--requests", type=int, default=1_500, help="requests of the largest size")
    parser.add_argument("--processes", type=int, default=2, help="client processes")
    parser.add_argument("--callers", type=int, default=32, help="callers in each of them")
    return parser.parse_args()


def _raw(path: Path, start_us: int) -> tuple[float, float]:
    events = Events(0xFFFF, start_us)
    rate, spent_s = _alone(raw_insert, path, events, _RAW_EVENTS, Limits().insert_events_max)
    return float(rate), float(spent_s)


def _alone(work: Any, *arguments: Any) -> Any:  # noqa: ANN401 - whatever the work gives
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(work, *arguments).result()


def _measured(data: Path, options: argparse.Namespace, start_us: int) -> list[dict[str, Any]]:
    rows = []
    with EngineProcess(data) as engine:
        with grpc.insecure_channel(engine.target) as channel:
            request = ApplyCatalogRequest(document=CATALOG, file_name="bench.yaml")
            CatalogServiceStub(channel).ApplyCatalog(request, timeout=30)
        for run, size in enumerate(options.sizes):
            # Fewer and larger, or smaller and more: each size runs for seconds.
            requests = min(options.requests * max(options.sizes) // size, 15_000)
            each = requests // options.processes
            loads = [
                Load(engine.target, run, start_us, i * each * size, each * size, size, options.callers)
                for i in range(options.processes)
            ]
            barrier = _SPAWN.Barrier(options.processes)
            with ProcessPoolExecutor(
                options.processes, mp_context=_SPAWN, initializer=keep_barrier, initargs=(barrier,)
            ) as pool:
                spent_s = cpu_s(engine.pid)
                row = _row(size, options, each, list(pool.map(drive, loads)))
                spent_s = cpu_s(engine.pid) - spent_s
                rows.append(row | {"cpu_us_per_event": spent_s / sum(load.events for load in loads) * 1e6})
    return rows


def _row(size: int, options: argparse.Namespace, each: int, taken: list[Taken]) -> dict[str, Any]:
    seconds = max(one.ended_s for one in taken) - min(one.began_s for one in taken)
    latencies_ms = [latency * 1_000 for one in taken for latency in one.latencies_s]
    return {
        "request_events": size,
        "callers": options.processes * options.callers,
        "events_per_second": each * size * len(taken) / seconds,
        "p50_ms": median(latencies_ms),
        "p99_ms": quantiles(latencies_ms, n=100)[98],
    }


if __name__ == "__main__":
    main()
