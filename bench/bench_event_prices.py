"""What terms per event cost: `make bench-event-prices`.

10,000 customers with a million payments, in a `meterline serve` process of its own. All customers' spend (ListSpend) is
timed under a percentage price, then under the same with a fixed amount, bounds and free events, which reads every payment.
What everybody owes must be what whole numbers come to in NumPy, else nothing is printed. The last line of the output is one
JSON object.
"""

import argparse
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from bench.billing_world import AT, EVENT_TYPE, TIMEOUT_S, World, apply_documents, channel, customer, record
from bench.engine_watch import memory_mib, peak_memory_mib, reset_peak_memory
from examples.engine_process import EngineProcess
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub

_OPTIONS: Final = ("--event-age-max-days", "36525")
_PERCENT_THOUSANDTHS: Final = 29
_PER_EVENT: Final = {
    "fixed_amount_per_event": "0.30",
    "minimum_per_event": "0.50",
    "maximum_per_event": "50",
    "free_events": 10,
}


def main() -> None:
    """Measures both prices, and prints what they took."""
    options = _options()
    world = World(options.customers, options.events)
    with (
        tempfile.TemporaryDirectory(prefix="meterline-bench-", dir=options.directory) as folder,
        EngineProcess(Path(folder) / "data", *_OPTIONS) as engine,
    ):
        _apply(engine, world, {})
        record(engine, world, lambda _sent: None)
        plain = _measured(engine, options.runs, _owed(world, by_event=False))
        _apply(engine, world, {"payments": _PER_EVENT})
        by_event = _measured(engine, options.runs, _owed(world, by_event=True))
    ratio = by_event["s"] / plain["s"]
    print(f"{world.customers:,} customers, {world.events:,} payments: all customers' spend")
    for name, found in (("a percentage", plain), ("with terms per event", by_event)):
        print(f"{name:24}{found['s']:8,.2f} s {found['peak_mib']:8,.0f} MiB")
    print(f"{'ratio':24}{ratio:8,.2f}")
    print(json.dumps({"plain": plain, "by_event": by_event, "ratio": float(f"{ratio:.4g}")}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where the data directory is made")
    return parser.parse_args()


def _apply(engine: EngineProcess, world: World, overrides: dict[str, Any]) -> None:
    """The meter, the plan and everybody's subscription, which overrides the plan's price."""
    price = {"id": "payments", "meter": "payments", "model": "percentage", "percent": "2.9"}
    meter = {"id": "payments", "event_type": EVENT_TYPE, "aggregation": "sum", "value": "tokens"}
    plan = {"id": "shop", "name": "Shop", "currency": "USD", "prices": [price]}
    names = [customer(n) for n in range(world.customers)]
    subscriptions = [
        {"customer": name, "plan": "shop", "start": "2026-01-01", "overrides": overrides} for name in names
    ]
    customers = {"customers": [{"id": name, "name": name} for name in names]}
    apply_documents(
        engine, [{"meters": [meter], "plans": [plan]}, customers, {"subscriptions": subscriptions}]
    )


def _owed(world: World, *, by_event: bool) -> Decimal:
    """What all customers owe for March: thousandths of dollars in whole numbers, to cents once a customer, half up."""
    number = np.arange(world.events, dtype=np.int64)
    start_us, span_us = int(np.datetime64("2026-02-28", "us").astype(np.int64)), 28 * 86_400_000_000
    at_us = start_us + number * (span_us // world.events)
    number = number[at_us >= int(np.datetime64("2026-03-01", "us").astype(np.int64))]
    who = number * 7919 % world.customers
    fees = number * 7907 % 4_001 * _PERCENT_THOUSANDTHS
    if by_event:
        order = np.argsort(who, kind="stable")
        begins = np.searchsorted(who[order], who[order])
        is_free = np.arange(len(order)) - begins < int(_PER_EVENT["free_events"])
        fees = np.clip(fees[order] + 300, 500, 50_000)
        fees, who = np.where(is_free, 0, fees), who[order]
    sums = np.zeros(world.customers, dtype=np.int64)
    np.add.at(sums, who, fees)
    return Decimal(int(((sums + 5) // 10).sum())).scaleb(-2)


def _measured(engine: EngineProcess, runs: int, owed: Decimal) -> dict[str, float]:
    """Seconds, the median of some runs, and the engine's high-water mark of memory beyond what it had."""
    request = ListSpendRequest(at=Timestamp(seconds=int(AT.timestamp())), limit=10)
    walls_s = []
    with channel(engine) as opened:
        stub = SpendServiceStub(opened)
        stub.ListSpend(request, timeout=TIMEOUT_S)
        reset_peak_memory(engine.pid)
        before_mib = memory_mib(engine.pid)
        for _ in range(runs):
            begin = time.perf_counter()
            answer = stub.ListSpend(request, timeout=TIMEOUT_S)
            walls_s.append(time.perf_counter() - begin)
            found = Decimal(answer.totals[0].amount)
            if found != owed:
                raise RuntimeError(f"everybody owes {owed}, the engine says {found}")
    return {"s": median(walls_s), "peak_mib": peak_memory_mib(engine.pid) - before_mib}


if __name__ == "__main__":
    main()
