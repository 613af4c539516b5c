"""How large a catalog may be: `make bench-catalog`.

A catalog of as many customers, each with a subscription, is applied in pieces to a `meterline serve` process of its own,
by way of the API as any client would. Then, each with the engine's memory:

- a restart, up to the first answer of a customer's spend;
- changes of one subscription, one by one: the time of ApplyCatalog and of the first spend that sees the change;
- pages of GetCatalog from the start, and from its end;
- one customer's spend at a revision before the changes.

Peak memory is the process's own high-water mark (VmHWM). The last line of the output is one JSON object; `aims` holds
what the engine promises, beside what was measured.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import grpc

from bench.aims import Aim, aims_json, print_aims
from bench.engine_watch import cpu_s, memory_mib, peak_memory_mib
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub

_MILLION: Final = 1_000_000
_PLANS: Final = 5
_PIECE: Final = 25_000
_PAGES: Final = 20
_TIMEOUT_S: Final = 600
_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_START_S_AIM: Final = 10
_CHANGE_MS_AIM: Final = 50
_MEMORY_MIB_AIM: Final = 2048
_APPLY_S_AIM: Final = 300

PLANS: Final = json.dumps(
    {
        "meters": [
            {"id": f"m{meter}", "event_type": "bench.event", "aggregation": "sum", "value": f"v{meter}"}
            for meter in range(_PLANS)
        ],
        "plans": [
            {
                "id": f"plan-{plan}",
                "name": f"Plan {plan}",
                "currency": "USD",
                "prices": [
                    {
                        "id": f"p{meter}",
                        "meter": f"m{meter}",
                        "model": "per_unit",
                        "unit_amount": f"0.0{plan + 1}",
                    }
                    for meter in range(_PLANS)
                ],
            }
            for plan in range(_PLANS)
        ],
    }
)


@dataclass(slots=True)
class Found:
    """What was measured so far, in the order of the table: name, value, unit."""

    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        self.rows.append((name, value, unit))
        print(f"{name:58}{value:>14,.1f} {unit}", flush=True)

    def value(self, name: str) -> float:
        return next(value for known, value, _ in self.rows if known == name)


def main() -> None:
    """Measures one size and prints what it took."""
    options = _options()
    found = Found()
    print(f"{options.customers:,} customers, each with a subscription\n")
    with tempfile.TemporaryDirectory(prefix="meterline-bench-", dir=options.directory) as folder:
        data = Path(folder) / "data"
        engine = EngineProcess(data).start()
        try:
            _apply(engine, options.customers, found)
            engine.stop()
            _restart(engine, options, found)
            _changes(engine, options, found)
            _pages(engine, found)
            found.add("memory, high-water mark after the restart", peak_memory_mib(engine.pid), "MiB")
        finally:
            engine.stop()
        on_disk = sum(path.stat().st_size for path in data.glob("catalog.sqlite*"))
        found.add("catalog on disk, a customer with a subscription", on_disk / options.customers, "bytes")
    print()
    print(json.dumps(_judged(options.customers, found)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=_MILLION)
    parser.add_argument("--changes", type=int, default=100, help="subscriptions that change one by one")
    parser.add_argument(
        "--directory", type=Path, help="where the data directory is made (default: the temporary directory)"
    )
    return parser.parse_args()


def _apply(engine: EngineProcess, customers: int, found: Found) -> None:
    began_s = perf_counter()
    with _channel(engine) as channel:
        catalog = CatalogServiceStub(channel)
        pieces_s = [
            _timed(
                lambda text=text: catalog.ApplyCatalog(ApplyCatalogRequest(document=text), timeout=_TIMEOUT_S)
            )
            for text in _documents(customers)
        ]
    spent_s = perf_counter() - began_s
    found.add("applying all", spent_s, "s")
    found.add("applying all, CPU of the engine", cpu_s(engine.pid), "s")
    found.add("applied a second, customers and subscriptions", 2 * customers / spent_s, "")
    found.add("a piece, the slowest", max(pieces_s), "s")
    found.add("memory, high-water mark while applying", peak_memory_mib(engine.pid), "MiB")


def _documents(customers: int) -> Iterator[str]:
    yield PLANS
    for first in range(0, customers, _PIECE):
        chosen = range(first, min(first + _PIECE, customers))
        yield json.dumps(
            {"customers": [{"id": _customer(each), "name": f"Customer {each}"} for each in chosen]}
        )
    for first in range(0, customers, _PIECE):
        chosen = range(first, min(first + _PIECE, customers))
        yield json.dumps({"subscriptions": [_subscription(each) for each in chosen]})


def _customer(number: int) -> str:
    # In no order, as from another system: a multiplier that is prime to the modulus visits each once.
    return f"cus_{number * 387_420_489 % 2**40:012x}"


def _subscription(number: int, **more: str) -> dict[str, str]:
    day = number % 28 + 1
    fields = {"customer": _customer(number), "plan": f"plan-{number % _PLANS}", "start": f"2026-01-{day:02}"}
    return {**fields, **more}


def _restart(engine: EngineProcess, options: argparse.Namespace, found: Found) -> None:
    began_s = perf_counter()
    engine.start()
    found.add("start, until it serves", perf_counter() - began_s, "s")
    with _channel(engine) as channel:
        request = GetSpendRequest(customer_id=_customer(options.customers // 2))
        SpendServiceStub(channel).GetSpend(request, timeout=_TIMEOUT_S)
    found.add("start, until a customer's spend is answered", perf_counter() - began_s, "s")
    found.add("start, CPU of the engine", cpu_s(engine.pid), "s")
    found.add("memory, with the catalog loaded", memory_mib(engine.pid), "MiB")


def _changes(engine: EngineProcess, options: argparse.Namespace, found: Found) -> None:
    changes_s, spends_s, earlier_s = [], [], []
    spent_cpu_s = cpu_s(engine.pid)
    with _channel(engine) as channel:
        catalog, spend = CatalogServiceStub(channel), SpendServiceStub(channel)
        revision = catalog.GetCatalog(GetCatalogRequest(), timeout=_TIMEOUT_S).revision
        step = max(1, options.customers // options.changes)
        for number in range(0, options.customers, step):
            changed = json.dumps({"subscriptions": [_subscription(number, end="2030-01-01")]})
            request = ApplyCatalogRequest(document=changed)
            changes_s.append(
                _timed(lambda request=request: catalog.ApplyCatalog(request, timeout=_TIMEOUT_S))
            )
            one = GetSpendRequest(customer_id=_customer(number))
            spends_s.append(_timed(lambda one=one: spend.GetSpend(one, timeout=_TIMEOUT_S)))
            earlier = GetSpendRequest(customer_id=_customer(number), catalog_revision=revision)
            earlier_s.append(_timed(lambda one=earlier: spend.GetSpend(one, timeout=_TIMEOUT_S)))
    spent_cpu_s = cpu_s(engine.pid) - spent_cpu_s
    found.add("a change and both spends, CPU of the engine", spent_cpu_s / len(changes_s) * 1_000, "ms")
    found.add("one change, median", median(changes_s) * 1_000, "ms")
    found.add("one change, 95 of 100 are quicker", _most(changes_s) * 1_000, "ms")
    found.add("one change, the slowest", max(changes_s) * 1_000, "ms")
    found.add("the first spend after a change, median", median(spends_s) * 1_000, "ms")
    found.add("a spend at the revision before the changes, median", median(earlier_s) * 1_000, "ms")


def _pages(engine: EngineProcess, found: Found) -> None:
    times_s: list[float] = []
    with _channel(engine) as channel:
        catalog = CatalogServiceStub(channel)
        token, count = "", 0
        while True:
            began_s = perf_counter()
            page = catalog.GetCatalog(GetCatalogRequest(page_token=token), timeout=_TIMEOUT_S)
            times_s.append(perf_counter() - began_s)
            count += len(page.resources)
            token = page.next_page_token
            if not token:
                break
    found.add("listing the catalog", sum(times_s), "s")
    found.add("listed a second", count / sum(times_s), "")
    found.add("a page, median of the first", median(times_s[:_PAGES]) * 1_000, "ms")
    found.add("a page, median of the last", median(times_s[-_PAGES - 1 : -1] or times_s) * 1_000, "ms")


def _judged(customers: int, found: Found) -> dict[str, Any]:
    # The high-water mark of the process that loads the catalog at its start and of the one that it was applied to.
    peak_mib = max(value for name, value, unit in found.rows if unit == "MiB")
    aims = [
        Aim("applying all, s", found.value("applying all"), _APPLY_S_AIM),
        Aim("start, s", found.value("start, until a customer's spend is answered"), _START_S_AIM),
        Aim("one change, 95 of 100, ms", found.value("one change, 95 of 100 are quicker"), _CHANGE_MS_AIM),
        Aim("memory, MiB", peak_mib, _MEMORY_MIB_AIM),
    ]
    print_aims(aims)
    return {
        "bench": "catalog",
        "customers": customers,
        "measured": [{"name": name, "value": value, "unit": unit} for name, value, unit in found.rows],
        "aims": aims_json(aims),
    }


def _channel(engine: EngineProcess) -> grpc.Channel:
    options = [("grpc.max_receive_message_length", _ANSWER_BYTES_MAX)]
    return open_channel(engine.target, api_key=engine.api_key, options=options)


def _timed(work: Callable[[], object]) -> float:
    began_s = perf_counter()
    work()
    return perf_counter() - began_s


def _most(times_s: list[float]) -> float:
    return sorted(times_s)[len(times_s) * 95 // 100]


if __name__ == "__main__":
    main()
