"""How fast billing periods close, and how fast another catalog is simulated: `make bench-closing`.

The world of the billing bench, subscriptions that start on one day of the month on a plan of five prices: March 2026 is closed,
and another price is simulated over January to March. So is a tenth of the subscriptions with a tenth of the events. Beside them,
in the same run and on the same store, a bare aggregation in ClickHouse of the usage of March, one statement a meter. What was
billed must agree with the aggregation and the rating kernel, else nothing is printed. The last line is one JSON object with `aims`.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from bench.aims import Aim, aims_json, print_aims
from bench.billing_baselines import Baseline, baselines
from bench.billing_world import (
    PLAN,
    PRICES,
    TIMEOUT_S,
    World,
    apply_plan,
    channel,
    record,
    subscribe,
    usage_path,
)
from bench.engine_watch import memory_mib, peak_memory_mib, reset_peak_memory
from examples.engine_process import EngineProcess
from meterline.v1.billing_pb2 import LineItemForm
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.invoices_pb2 import ClosePeriodsRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.simulations_pb2 import SimulateCatalogRequest
from meterline.v1.simulations_pb2_grpc import SimulationServiceStub

_SPAWN: Final = multiprocessing.get_context("spawn")
_CASE: Final = ("one day", True)
_MARCH: Final = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
_FIRST_QUARTER: Final = (datetime(2026, 1, 1, tzinfo=UTC), _MARCH[1])
_METERED: Final = {name: fields for name, fields in PRICES.items() if name != "fee"}


@dataclass(frozen=True, slots=True)
class Found:
    """Of one world. Seconds; memory that the engine had at most, in MiB, and before."""

    world: World
    close_s: float
    simulate_s: float
    total: Decimal
    lines: int
    peak_mib: float
    growth_mib: float
    bytes_a_line: float
    beside: Baseline


def main() -> None:
    """Measures both worlds, and prints what they took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=10_000, help="each with a subscription")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument(
        "--small", action="store_true", help="2,000 customers and 50,000 events: half a minute"
    )
    options = parser.parse_args()
    if options.small:
        options.customers, options.events = 2_000, 50_000
    worlds = (World(options.customers // 10, options.events // 10), World(options.customers, options.events))
    few, many = (_measured(world) for world in worlds)
    _print_table((few, many))
    aims = [
        Aim("closing a month / bare aggregation", many.close_s / many.beside.aggregation_s, 1.5),
        Aim("simulating three months / bare aggregation", many.simulate_s / many.beside.aggregation_s, 1.5),
        Aim("closing ten times the subscriptions / a tenth", many.close_s / few.close_s, 11),
    ]
    print_aims(aims)
    print(
        json.dumps(
            {
                "bench": "closing",
                "load_average": _load(),
                "worlds": [_as_json(few), _as_json(many)],
                "aims": aims_json(aims),
            }
        )
    )


def _measured(world: World) -> Found:
    with tempfile.TemporaryDirectory(prefix="meterline-bench-") as folder:
        data = Path(folder) / "data"
        with EngineProcess(data, "--event-age-max-days", "36525") as engine:
            _say(f"{world.customers:,} subscriptions: recording {world.events:,} events")
            apply_plan(engine, world)
            subscribe(engine, world, "one day")
            record(engine, world, lambda _sent: None)
            with channel(engine) as opened:
                _say("simulating, and closing")
                simulate_s, _ = _simulate(opened)
                reset_peak_memory(engine.pid)
                before_mib = memory_mib(engine.pid)
                close_s, total = _close(opened)
                peak_mib = peak_memory_mib(engine.pid)
        with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
            beside = pool.submit(baselines, usage_path(data), world, [_CASE]).result()[_CASE]
        with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
            lines, size_bytes = pool.submit(_booked, usage_path(data)).result()
    if total != beside.total:
        raise SystemExit(
            f"{total} was billed and the baseline has {beside.total}, so their speeds say nothing"
        )
    return Found(
        world, close_s, simulate_s, total, lines, peak_mib, peak_mib - before_mib, size_bytes / lines, beside
    )


def _close(opened: Any) -> tuple[float, Decimal]:  # noqa: ANN401 - grpc's own
    """Seconds, and what was billed before taxes."""
    request = ClosePeriodsRequest()
    request.period_end_after.FromDatetime(_MARCH[0])
    request.period_end_until.FromDatetime(_MARCH[1])
    began_s, total = perf_counter(), Decimal(0)
    while True:
        page = InvoiceServiceStub(opened).ClosePeriods(request, timeout=TIMEOUT_S)
        total += sum((Decimal(each.amounts.amount) for each in page.issued_totals), Decimal(0))
        if not page.next_page_token:
            return perf_counter() - began_s, total
        request = ClosePeriodsRequest(close_id=page.close_id, page_token=page.next_page_token)


def _simulate(opened: Any) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Seconds, and bytes of the answer."""
    prices = [{"id": "fee", "model": "flat", "flat_amount": "25"}]
    prices += [{"id": name, "meter": name, **fields} for name, fields in _METERED.items()]
    plan = {"id": PLAN, "name": "Standard", "currency": "USD", "prices": prices}
    request = SimulateCatalogRequest(form=LineItemForm.LINE_ITEM_FORM_ARROW)
    request.pieces.append(ApplyCatalogRequest(document=json.dumps({"plans": [plan]})))
    request.period_end_after.FromDatetime(_FIRST_QUARTER[0])
    request.period_end_until.FromDatetime(_FIRST_QUARTER[1])
    began_s, size_bytes = perf_counter(), 0
    while True:
        page = SimulationServiceStub(opened).SimulateCatalog(request, timeout=TIMEOUT_S)
        size_bytes += len(page.arrow)
        if not page.next_page_token:
            return perf_counter() - began_s, size_bytes
        request.page_token = page.next_page_token


def _booked(path: Path) -> tuple[int, int]:
    """How many lines are booked, and their bytes on disk. In a process of its own: chDB holds one store."""
    import clickhouse_connect  # noqa: PLC0415 - as in the baselines

    from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE  # noqa: PLC0415

    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    sql = f"SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = '{BOOKED_LINES_TABLE}'"
    lines, size_bytes = client.query(sql).result_rows[0]
    client.close()
    return int(lines), int(size_bytes)


def _print_table(found: tuple[Found, Found]) -> None:
    print(
        f"\nload {_load()}\n\n{'subscriptions':<36}"
        + "".join(f"{each.world.customers:>16,}" for each in found)
    )
    for label, cell in (
        ("events", lambda each: f"{each.world.events:,}"),
        ("closing March, s", lambda each: f"{each.close_s:.2f}"),
        ("    lines booked a second", lambda each: f"{each.lines / each.close_s:,.0f}"),
        ("    bytes a line on disk", lambda each: f"{each.bytes_a_line:.0f}"),
        ("    peak memory of the engine, MiB", lambda each: f"{each.peak_mib:,.0f}"),
        ("    more than before, MiB", lambda each: f"{each.growth_mib:,.0f}"),
        ("simulating three months, s", lambda each: f"{each.simulate_s:.2f}"),
        ("bare aggregation of March, s", lambda each: f"{each.beside.aggregation_s:.3f}"),
        ("kernel alone, s", lambda each: f"{each.beside.kernel_s:.3f}"),
    ):
        print(f"{label:<36}" + "".join(f"{cell(each):>16}" for each in found))
    print()


def _as_json(found: Found) -> dict[str, Any]:
    return {
        "customers": found.world.customers,
        "events": found.world.events,
        "close_s": found.close_s,
        "simulate_s": found.simulate_s,
        "lines": found.lines,
        "lines_per_second": found.lines / found.close_s,
        "bytes_a_line": found.bytes_a_line,
        "peak_mib": found.peak_mib,
        "growth_mib": found.growth_mib,
        "aggregation_s": found.beside.aggregation_s,
        "kernel_s": found.beside.kernel_s,
    }


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
