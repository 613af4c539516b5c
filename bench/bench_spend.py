"""Spend and limits while somebody waits for them: `make bench-spend`.

100,000 customers of one plan with five prices, each with as many events of March 2026 as the rest, and 100 features and limits
in the plan. One engine, everything over gRPC:

- GetSpend of customers at random at 1M events, and with `--hundred-million` at 100M in an engine of its own;
- WatchSpend of as many customers as an engine lets watch at once: how long after the acknowledgement of an event the spend that has it
  is pushed, at so many commits a second; then how many spends are pushed a second while every customer changes all the time;
- CheckAccess of 100 features of one customer, of customers at random;
- ReserveUsage and CommitReservation by 64 callers.

The callers are threads of one Python process on the same cores, so what they take is in every figure. The last line of the
output is one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from bench.aims import Aim, aims_json, print_aims
from bench.billing_world import (
    AT,
    EVENT_TYPE,
    METERS,
    World,
    apply_documents,
    apply_plan,
    channel,
    customer,
    numbers,
    plan_document,
    record,
    subscribe,
)
from bench.engine_watch import cpu_s
from bench.spend_drive import TIMEOUT_S, Recorder, Watches, reserve_and_commit
from engine.api.operation import WATCHES
from examples.engine_process import EngineProcess
from meterline.v1.entitlements_pb2 import CheckAccessRequest
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub

_LIMIT: Final = "calls_quota"
_LIMITS: Final = 20
_FEATURES: Final = 80
# Places of the engine that the bench leaves to others.
_SPARE: Final = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How much of everything."""

    customers: int
    events: int
    reads: int
    watches: int
    commits_per_s: int
    callers: int
    seconds: float
    hundred_million: bool


def main() -> None:
    """Measures everything and prints it."""
    options = _options()
    dice = np.random.default_rng(7)
    found: dict[str, Any] = {}
    with _world(World(options.customers, options.events)) as (engine, world):
        found["spend"] = _spend(engine, world, options, dice)
        found["watch"] = _watch(engine, options, dice)
        found["access"] = _access(engine, world, options, dice)
        found["reserve"] = _reserve(engine, world, options)
    if options.hundred_million:
        with _world(World(options.customers, 100_000_000)) as (engine, world):
            found["spend_at_100m"] = _spend(engine, world, options, dice)
    _print(found, options)
    aims = _aims(found)
    print_aims(aims)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        json.dumps(
            {
                "bench": "spend",
                "customers": options.customers,
                "events": options.events,
                "load_average": load,
                **found,
                "aims": aims_json(aims),
            }
        )
    )


class _world:  # noqa: N801 - used as a context alone
    """An engine with the customers, their subscriptions and events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = tempfile.TemporaryDirectory(prefix="meterline-bench-")
        # The events are of March 2026.
        self._engine = EngineProcess(Path(self._folder.name) / "data", "--event-age-max-days", "36525")

    def __enter__(self) -> tuple[EngineProcess, World]:
        self._engine.__enter__()
        began_s = time.monotonic()
        apply_plan(self._engine, self._world)
        apply_documents(self._engine, [_entitling_plan()])
        subscribe(self._engine, self._world, "28 days")
        _say(f"{self._world.customers:,} customers after {time.monotonic() - began_s:.0f} s")
        record(self._engine, self._world, lambda _sent: None)
        _say(f"{self._world.events:,} events after {time.monotonic() - began_s:.0f} s")
        return self._engine, self._world

    def __exit__(self, *raised: object) -> None:
        self._engine.__exit__(*raised)
        self._folder.cleanup()


def _entitling_plan() -> dict[str, Any]:
    """The plan with features and limits; the engine may take as many as are asked for at once."""
    document = plan_document()
    meters = list(METERS)
    limits = [
        {"id": f"limit_{n}", "meter": meters[n % len(meters)], "quantity": "1000000000"}
        for n in range(_LIMITS - 1)
    ]
    document["plans"][0] |= {
        "features": {f"feature_{n}": True for n in range(_FEATURES)},
        "limits": [{"id": _LIMIT, "meter": "calls", "quantity": "1000000000"}, *limits],
    }
    return document


def _spend(
    engine: EngineProcess, world: World, options: Options, dice: np.random.Generator
) -> dict[str, Any]:
    at = Timestamp(seconds=int(AT.timestamp()))
    with channel(engine) as opened:
        stub = SpendServiceStub(opened)

        def ask(number: int) -> None:
            stub.GetSpend(GetSpendRequest(customer_id=customer(number), at=at), timeout=TIMEOUT_S)

        return _timed(engine, ask, list(numbers(world, options.reads, dice)))


def _access(
    engine: EngineProcess, world: World, options: Options, dice: np.random.Generator
) -> dict[str, Any]:
    names = [_LIMIT, *(f"limit_{n}" for n in range(_LIMITS - 1)), *(f"feature_{n}" for n in range(_FEATURES))]
    with channel(engine) as opened:
        stub = EntitlementServiceStub(opened)

        def ask(number: int) -> None:
            request = CheckAccessRequest(customer_id=customer(number), features=names)
            answer = stub.CheckAccess(request, timeout=TIMEOUT_S)
            if not all(each.allowed for each in answer.features):
                raise RuntimeError("a feature of the bench was refused")

        return {**_timed(engine, ask, list(numbers(world, options.reads, dice))), "features": len(names)}


def _timed(engine: EngineProcess, ask: Callable[[int], None], asked: Sequence[int]) -> dict[str, Any]:
    """One caller, one question after the other."""
    for number in asked[:20]:
        ask(number)
    times_ms, spent_s = [], cpu_s(engine.pid)
    for number in asked:
        start_s = time.perf_counter()
        ask(number)
        times_ms.append((time.perf_counter() - start_s) * 1_000)
    cpu_ms = (cpu_s(engine.pid) - spent_s) * 1_000 / len(asked)
    return {"reads": len(asked), "cpu_ms": cpu_ms, **_quantiles(times_ms)}


def _watch(engine: EngineProcess, options: Options, dice: np.random.Generator) -> dict[str, Any]:
    customers = [customer(n) for n in range(min(options.watches, options.customers))]
    watches = Watches(engine, customers, len(METERS))
    try:
        watches.wait_for_first()
        watched = list(watches.watched.values())
        with channel(engine) as opened:
            recorder = Recorder(opened, EVENT_TYPE, "w")
            began_s, count = time.monotonic(), 0
            while (now_s := time.monotonic()) < began_s + options.seconds:
                if (wait_s := began_s + count / options.commits_per_s - now_s) > 0:
                    time.sleep(wait_s)
                recorder.record([watched[int(dice.integers(len(watched)))]])
                count += 1
            commits_per_s = count / (time.monotonic() - began_s)
            watches.wait_for_all()
            delays_ms = [each for one in watched for each in one.delays_ms()]
            before, began_s = sum(each.pushes for each in watched), time.monotonic()
            while time.monotonic() < began_s + options.seconds:
                recorder.record(watched)
            # To the last push: what was recorded in this time may be told of after it.
            watches.wait_for_all()
            pushes = sum(each.pushes for each in watched) - before
            pushes_per_s = pushes / (time.monotonic() - began_s)
    finally:
        watches.close()
    return {
        "watches": len(customers),
        "commits_per_s": commits_per_s,
        "events": len(delays_ms),
        "pushes_per_s": pushes_per_s,
        **_quantiles(delays_ms),
    }


def _reserve(engine: EngineProcess, world: World, options: Options) -> dict[str, Any]:
    customers = [customer(n) for n in range(min(1_000, world.customers))]
    # The first ones warm up.
    reserve_and_commit(engine, customers, _LIMIT, EVENT_TYPE, 2, min(1.0, options.seconds), "warm")
    alone = reserve_and_commit(engine, customers, _LIMIT, EVENT_TYPE, 1, options.seconds, "one")
    many = reserve_and_commit(engine, customers, _LIMIT, EVENT_TYPE, options.callers, options.seconds, "many")
    return {
        "callers": options.callers,
        "alone": _quantiles(alone.both_ms),
        "reserve": _quantiles(many.reserve_ms),
        "commit": _quantiles(many.commit_ms),
        "both": _quantiles(many.both_ms),
        "pairs_per_s": len(many.both_ms) / many.seconds,
    }


def _quantiles(values_ms: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.quantile(values_ms, [0.5, 0.99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _aims(found: dict[str, Any]) -> list[Aim]:
    spend, large = found["spend"], found.get("spend_at_100m", {})
    watch = found["watch"]
    return [
        Aim("GetSpend, ms: p50", spend["p50_ms"], 5),
        Aim("    at 100M events, p99", large.get("p99_ms"), 20),
        Aim("    times p99 at the smaller one", large["p99_ms"] / spend["p99_ms"] if large else None, 2),
        # An engine lets no more than WATCHES.places watch: what 1,000 would see nobody knows.
        Aim(f"WatchSpend, ms: p99 with {watch['watches']}", watch["p99_ms"], 250),
        Aim("    with 1,000", watch["p99_ms"] if watch["watches"] >= 1_000 else None, 250),
        Aim("CheckAccess of 100, ms: p50", found["access"]["p50_ms"], 5),
        Aim(
            f"reserve and commit, {found['reserve']['callers']} callers, ms: p99",
            found["reserve"]["both"]["p99_ms"],
            5,
        ),
    ]


def _print(found: dict[str, Any], options: Options) -> None:
    print(f"{options.customers:,} customers, {options.events:,} events\n")
    print(f"{'ms':<52}{'p50':>10}{'p99':>10}")
    rows = [(f"GetSpend at {options.events:,} events", found["spend"])]
    if "spend_at_100m" in found:
        rows.append(("GetSpend at 100,000,000 events", found["spend_at_100m"]))
    watch, reserve = found["watch"], found["reserve"]
    rows += [
        (f"WatchSpend, from ack to push, {watch['watches']} watches", watch),
        (f"CheckAccess of {found['access']['features']} features", found["access"]),
        ("reserve and commit, one caller", reserve["alone"]),
        (f"reserve, {reserve['callers']} callers", reserve["reserve"]),
        (f"commit, {reserve['callers']} callers", reserve["commit"]),
        (f"both, {reserve['callers']} callers", reserve["both"]),
    ]
    for name, each in rows:
        print(f"{name:<52}{each['p50_ms']:>10.2f}{each['p99_ms']:>10.2f}")
    print(f"{'GetSpend, CPU of the engine, ms':<52}{found['spend']['cpu_ms']:>10.2f}")
    print(f"{'CheckAccess, CPU of the engine, ms':<52}{found['access']['cpu_ms']:>10.2f}")
    print(f"{'commits a second beside the watches':<52}{watch['commits_per_s']:>10.0f}")
    print(f"{'pushes a second at most':<52}{watch['pushes_per_s']:>10.0f}")
    print(f"{'reservations a second, committed':<52}{reserve['pairs_per_s']:>10.0f}")
    print()


def _options() -> Options:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=2_000, help="questions of one kind")
    parser.add_argument("--watches", type=int, default=WATCHES.places - _SPARE)
    parser.add_argument("--commits-per-s", type=int, default=50, help="while somebody watches")
    parser.add_argument("--callers", type=int, default=64, help="that reserve and commit")
    parser.add_argument("--seconds", type=float, default=15, help="of each part that is not counted in reads")
    parser.add_argument("--hundred-million", action="store_true", help="GetSpend at 100M events, too")
    return Options(**vars(parser.parse_args()))


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
