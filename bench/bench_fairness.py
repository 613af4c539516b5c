"""What one tenant's flood does to another: `make bench-fairness`.

A tenant that sends 1,000 events a second and reads spend, each call measured, alone and beside another that floods, in
turns within one run, over gRPC and over HTTP:

- over the limit: the flood comes at ten times its limit (10,000 events a second, in requests of 500), from several
  processes, and comes again at once when it is refused;
- without a limit: from as many processes with as many callers as they can; fairness alone holds it. The machine is
  then full, and a call takes longer because processors are shared: this is shown, and not an aim.

The flood's processes give way to all others (nice), as if they were on other machines, and still take of the two cores
what the table says. The aims are of medians over the runs. The last line of the output is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.aims import Aim, aims_json, print_aims
from bench.engine_watch import cpu_s
from bench.fairness_drive import Flood, Modest, Place, Sent, flood, modest, prepare
from bench.ingest_events import EVENT_TYPE
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest, SetTenantLimitsRequest, TenantLimitChange
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

_SPAWN = multiprocessing.get_context("spawn")
_LIMIT = 10_000
_TIMES_THE_LIMIT = 10
_FLOOD_SIZE = 500
_MODEST_SIZE = 50
_MODEST_EVERY_S = 0.05
_MARGIN_S = 3
_CUSTOMER = "customer-00000"
_FACES = ("grpc", "http")
_CATALOG = f"""
meters: [{{id: tokens, event_type: {EVENT_TYPE}, aggregation: sum, value: input_tokens}}]
plans:
  - id: pro
    name: Pro
    currency: USD
    prices: [{{id: tokens, meter: tokens, model: per_unit, unit_amount: "0.001"}}]
customers: [{{id: {_CUSTOMER}, name: One}}]
subscriptions: [{{customer: {_CUSTOMER}, plan: pro, start: 2020-01-01}}]
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How often, how long, and from how many processes and callers."""

    runs: int
    phase_s: float
    processes: int
    callers: int
    faces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """What came of some seconds: of the modest tenant, and of the flood beside it, if there was one."""

    modest: Sent
    flood: Sent
    seconds: float
    flooded_s: float
    engine_cpu_s: float


def main() -> None:
    """Runs everything and prints what it took."""
    options = _options()
    found: dict[tuple[str, str], list[Phase]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="meterline-bench-") as folder,
        EngineProcess(Path(folder) / "data", "--http-listen", "127.0.0.1:0") as engine,
        ProcessPoolExecutor(
            options.processes + 1, mp_context=_SPAWN, initializer=prepare, initargs=(_FLOOD_SIZE,)
        ) as pool,
    ):
        keys = _tenants(engine)
        runs = Runs(engine, keys, options, pool)
        for number in range(options.runs + 1):
            for face in options.faces:
                for kind in ("alone", "over its limit", "without a limit"):
                    phase = runs.phase(face, kind)
                    # The first one warms up.
                    if number:
                        found.setdefault((face, kind), []).append(phase)
    _report(found, options)


class Runs:
    """Phases on one engine."""

    def __init__(
        self, engine: EngineProcess, keys: dict[str, str], options: Options, pool: ProcessPoolExecutor
    ) -> None:
        self._engine, self._keys, self._options, self._pool = engine, keys, options, pool
        self._run = 0

    def phase(self, face: str, kind: str) -> Phase:
        options = self._options
        _limit(self._engine, None if kind == "without a limit" else _LIMIT)
        # Longer than who is measured takes to begin, and then measures.
        until_s = time.monotonic() + options.phase_s + _MARGIN_S
        floods = []
        if kind != "alone":
            offered = _TIMES_THE_LIMIT * _LIMIT / _FLOOD_SIZE / options.processes
            per_s = None if kind == "without a limit" else offered
            for _ in range(options.processes):
                self._run += 1
                load = Flood(
                    self._place(face, "flood"), self._run, until_s, options.callers, _FLOOD_SIZE, per_s
                )
                floods.append(self._pool.submit(flood, load))
            # It is under way by then.
            time.sleep(1)
        self._run += 1
        began_s, spent_s = time.monotonic(), cpu_s(self._engine.pid)
        own = Modest(
            self._place(face, "modest"), self._run, options.phase_s, _MODEST_EVERY_S, _MODEST_SIZE, _CUSTOMER
        )
        sent = self._pool.submit(modest, own).result()
        spent_s = cpu_s(self._engine.pid) - spent_s
        seconds = time.monotonic() - began_s
        others = [each.result() for each in floods]
        flooded_s = options.phase_s + _MARGIN_S
        whole = Sent(sum(each.accepted for each in others), sum(each.refused for each in others))
        return Phase(sent, whole, seconds, flooded_s, spent_s)

    def _place(self, face: str, tenant: str) -> Place:
        return Place(face, self._engine.target, self._engine.http_port or 0, self._keys[tenant])


def _tenants(engine: EngineProcess) -> dict[str, str]:
    keys = {}
    with open_channel(engine.target, api_key=engine.api_key) as channel:
        for tenant in ("flood", "modest"):
            made = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=60)
            keys[tenant] = made.key_text
            with open_channel(engine.target, api_key=made.key_text) as own:
                CatalogServiceStub(own).ApplyCatalog(ApplyCatalogRequest(document=_CATALOG), timeout=60)
    return keys


def _limit(engine: EngineProcess, number: int | None) -> None:
    change = TenantLimitChange(name="events_per_s_max", number=number, unlimited=None if number else True)
    with open_channel(engine.target, api_key=engine.api_key) as channel:
        TenantServiceStub(channel).SetTenantLimits(
            SetTenantLimitsRequest(tenant="flood", changes=[change]), timeout=60
        )


def _report(found: dict[tuple[str, str], list[Phase]], options: Options) -> None:
    print(
        f"two tenants on {os.cpu_count()} cores; {options.runs} runs of {options.phase_s:g} s, medians; the flood from "
        f"{options.processes} processes with {options.callers} callers each"
    )
    head = (
        "face",
        "beside a flood",
        "record p50",
        "p99",
        "spend p50",
        "p99",
        "flood accepted/s",
        "refused/s",
        "engine CPU",
    )
    print(
        f"{head[0]:6}{head[1]:18}"
        + "".join(f"{each:>12}" for each in head[2:6])
        + "".join(f"{each:>18}" for each in head[6:])
    )
    numbers: dict[str, Any] = {}
    for (face, kind), phases in found.items():
        row = {
            f"{what}_p{rank}_ms": median(_ms(getattr(each.modest, f"{what}_s"), rank) for each in phases)
            for what in ("record", "spend")
            for rank in (50, 99)
        }
        row |= {
            "accepted_per_s": median(each.flood.accepted * _FLOOD_SIZE / each.flooded_s for each in phases),
            "refused_per_s": median(each.flood.refused / each.flooded_s for each in phases),
            "engine_cores": median(each.engine_cpu_s / each.seconds for each in phases),
            "modest_refused": sum(each.modest.refused for each in phases),
        }
        numbers[f"{face}, {kind}"] = row
        times = [row[f"{what}_p{rank}_ms"] for what in ("record", "spend") for rank in (50, 99)]
        print(
            f"{face:6}{kind:18}"
            + "".join(f"{each:>9,.1f} ms" for each in times)
            + f"{row['accepted_per_s']:>18,.0f}{row['refused_per_s']:>18,.0f}{row['engine_cores']:>18.2f}"
        )
    print()
    aims = [
        Aim(
            f"{what} over {face}: p99 beside a flood over its limit / alone",
            numbers[f"{face}, over its limit"][f"{what}_p99_ms"]
            / numbers[f"{face}, alone"][f"{what}_p99_ms"],
            2,
        )
        for face in options.faces
        for what in ("record", "spend")
    ]
    print_aims(aims)
    print(
        json.dumps(
            {"bench": "fairness", "runs": options.runs, "rows": _rounded(numbers), "aims": aims_json(aims)}
        )
    )


def _rounded(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: float(f"{value:.4g}") for key, value in row.items()} for name, row in numbers.items()}


def _ms(times_s: Sequence[float], rank: int) -> float:
    ordered = sorted(times_s)
    return ordered[min(len(ordered) - 1, len(ordered) * rank // 100)] * 1_000


def _options() -> Options:
    parser = argparse.ArgumentParser(description="What one tenant's flood does to another.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--phase-s", type=float, default=8)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--face", choices=_FACES, action="append", help="Of these alone; again for each.")
    given = parser.parse_args()
    return Options(given.runs, given.phase_s, given.processes, given.callers, tuple(given.face or _FACES))


if __name__ == "__main__":
    main()
