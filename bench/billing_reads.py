"""What the billing bench times: spend, lines, one customer and pages, through gRPC and the command line."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import grpc
import numpy as np
import pyarrow.parquet as pq
from google.protobuf.timestamp_pb2 import Timestamp

from bench.billing_world import AT, TIMEOUT_S, World, changing_lines, channel, customer, numbers
from bench.engine_watch import cpu_s, memory_mib, peak_memory_mib, reset_peak_memory
from examples.engine_process import EngineProcess
from meterline.v1.billing_pb2 import ListLineItemsRequest, ListLineItemsResponse
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest, ListSpendResponse
from meterline.v1.spend_pb2_grpc import SpendServiceStub

_PAGE: Final = 100
_LARGE_PAGE: Final = 1_000
_RUNS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one measurement may go on: a slow path is repeated less often, or read in part."""

    repeat_s: float
    sample_s: float
    customers: int


def measure(
    engine: EngineProcess, world: World, patience: Patience, dice: np.random.Generator
) -> dict[str, Any]:
    """Everything of one case. `total` is what everybody owes, to be compared with the baseline."""
    with channel(engine) as opened:
        spend = _spend(engine, opened, patience)
        return {
            "spend": spend,
            "spend_command": _spend_command(engine, spend["s"], patience),
            "one_customer": _one_customer(opened, world, patience, dice),
            "page": _pages(opened, world, patience),
            "lines": _lines(engine, world.lines),
        }


def measure_changing(engine: EngineProcess, world: World, anchors: str, patience: Patience) -> dict[str, Any]:
    """Spend and lines of subscriptions that have changed."""
    with channel(engine) as opened:
        return {
            "spend": _spend(engine, opened, patience),
            "lines": _lines(engine, changing_lines(world, anchors)),
        }


def measure_page(engine: EngineProcess, patience: Patience) -> float:
    """Milliseconds of the first page of a hundred lines."""
    with channel(engine) as opened:
        return _first_page_ms(opened, patience)


def _at() -> Timestamp:
    return Timestamp(seconds=int(AT.timestamp()))


def _spend(engine: EngineProcess, opened: grpc.Channel, patience: Patience) -> dict[str, Any]:
    stub, request = SpendServiceStub(opened), ListSpendRequest(at=_at(), limit=10)
    reset_peak_memory(engine.pid)
    before_mib, spent_s = memory_mib(engine.pid), cpu_s(engine.pid)
    answers: list[ListSpendResponse] = []
    walls_s = _repeated(lambda: answers.append(stub.ListSpend(request, timeout=TIMEOUT_S)), patience.repeat_s)
    (total,) = answers[-1].totals
    return {
        "first_s": walls_s[0],
        "s": median(walls_s),
        "cpu_s": (cpu_s(engine.pid) - spent_s) / len(walls_s),
        "runs": len(walls_s),
        "peak_mib": peak_memory_mib(engine.pid),
        "growth_mib": peak_memory_mib(engine.pid) - before_mib,
        "total": str(Decimal(total.amount)),
        "line_items": total.line_item_count,
        "events": total.event_count,
    }


def _spend_command(engine: EngineProcess, rpc_s: float, patience: Patience) -> dict[str, Any]:
    """`meterline spend` from its start to its end; `error` is why there is no time of it."""
    if rpc_s > patience.repeat_s:
        return {"s": None, "error": f"not run: ListSpend alone took {rpc_s:.0f} s"}
    seconds, error = _command("spend", "--at", f"{AT:%Y-%m-%dT%H:%M:%SZ}", "--target", engine.target)
    return {"s": None, "error": error} if error else {"s": seconds}


def _one_customer(
    opened: grpc.Channel, world: World, patience: Patience, dice: np.random.Generator
) -> dict[str, float]:
    stub = SpendServiceStub(opened)
    times_ms = []
    for number in numbers(world, patience.customers, dice):
        request = GetSpendRequest(customer_id=customer(number), at=_at())
        times_ms.append(_timed(lambda request=request: stub.GetSpend(request, timeout=TIMEOUT_S)) * 1_000)
    return {"p50_ms": median(times_ms), "p95_ms": sorted(times_ms)[len(times_ms) * 95 // 100]}


def _pages(opened: grpc.Channel, world: World, patience: Patience) -> dict[str, Any]:
    """The first page of a hundred lines, and one as far behind as the patience reaches."""
    stub = BillingServiceStub(opened)
    first_ms = _first_page_ms(opened, patience)
    skipped, token = 0, ""
    for page in _walk(stub, patience.sample_s, 9 * world.lines // 10):
        skipped += len(page.line_items)
        token = page.next_page_token
    request = ListLineItemsRequest(at=_at(), page_size=_PAGE, page_token=token)
    far_s = _repeated(lambda: stub.ListLineItems(request, timeout=TIMEOUT_S), patience.repeat_s)
    return {"first_ms": first_ms, "far_ms": median(far_s) * 1_000, "far_after_lines": skipped}


def _first_page_ms(opened: grpc.Channel, patience: Patience) -> float:
    stub, request = BillingServiceStub(opened), ListLineItemsRequest(at=_at(), page_size=_PAGE)
    stub.ListLineItems(request, timeout=TIMEOUT_S)
    walls_s = _repeated(lambda: stub.ListLineItems(request, timeout=TIMEOUT_S), patience.repeat_s)
    return median(walls_s) * 1_000


def _walk(stub: Any, seconds: float, lines_max: int) -> Iterator[ListLineItemsResponse]:  # noqa: ANN401 - untyped
    """Pages from the start, for so long or so far."""
    began_s, lines, token = perf_counter(), 0, ""
    while True:
        request = ListLineItemsRequest(at=_at(), page_size=_LARGE_PAGE, page_token=token)
        page = stub.ListLineItems(request, timeout=TIMEOUT_S)
        yield page
        lines, token = lines + len(page.line_items), page.next_page_token
        if not token or lines >= lines_max or perf_counter() - began_s > seconds:
            return


def _lines(engine: EngineProcess, lines: int) -> dict[str, dict[str, Any]]:
    """All lines to a file of each form."""
    with tempfile.TemporaryDirectory(prefix="meterline-bench-") as folder:
        return {
            form: _written(engine, lines, Path(folder) / f"lines.{form}", count)
            for form, count in (("parquet", _parquet_rows), ("ndjson", _text_lines))
        }


def _written(engine: EngineProcess, lines: int, path: Path, count: Callable[[Path], int]) -> dict[str, Any]:
    """`meterline lines --output` from its start to its end.

    Raises:
        SystemExit: lines are missing.
    """
    reset_peak_memory(engine.pid)
    before_mib = memory_mib(engine.pid)
    at = f"{AT:%Y-%m-%dT%H:%M:%SZ}"
    seconds, error = _command("lines", "--at", at, "--output", str(path), "--target", engine.target)
    if error:
        return {"lines_per_second": None, "error": error}
    if count(path) != lines:
        raise SystemExit(f"{path.name} has {count(path):,} lines of {lines:,}: its speed says nothing")
    return {
        "lines_per_second": lines / seconds,
        "lines": lines,
        "s": seconds,
        "growth_mib": peak_memory_mib(engine.pid) - before_mib,
    }


def _parquet_rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _text_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _command(*arguments: str) -> tuple[float, str]:
    """Seconds of a `meterline` command, and the last line of its complaint if it failed."""
    began_s = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments], capture_output=True, text=True, check=False
    )
    seconds = perf_counter() - began_s
    return seconds, done.stderr.strip().splitlines()[-1] if done.returncode else ""


def _repeated(work: Callable[[], object], seconds: float) -> list[float]:
    """Times of some runs: at least one, and no more once they have taken so long."""
    times_s: list[float] = []
    while not times_s or (len(times_s) < _RUNS_MAX and sum(times_s) + times_s[-1] < seconds):
        times_s.append(_timed(work))
    return times_s


def _timed(work: Callable[[], object]) -> float:
    began_s = perf_counter()
    work()
    return perf_counter() - began_s
