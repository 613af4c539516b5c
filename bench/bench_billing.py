"""How fast usage becomes money: `make bench-billing`.

100,000 subscriptions on one plan of five prices, four of them metered, in a `meterline serve` process of its own; without
usage and with 5 million events, subscriptions that start on one day of the month and on 28. For each of the four cases:

- all customers' spend: ListSpend, and `meterline spend` from its start to its end;
- all lines to a Parquet and an NDJSON file;
- one customer's GetSpend, for customers at random;
- a page of a hundred lines: the first, and one far behind. The first is also timed with 1,000 customers.

And for the last of them once more spend and lines, when every subscription has phases, an override and a coupon.

Beside them, in the same run and on the same store: a bare aggregation in ClickHouse of the same usage in the same periods,
one statement a meter, deduplicated with FINAL, and the rating kernel alone on the quantities that came out. What everybody
owes must agree with the engine's answer, else nothing is printed. Memory is the engine's high-water mark (VmHWM) while it
answers. The last line of the output is one JSON object; `aims` has those that were missed, too.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.aims import Aim, aims_json, print_aims
from bench.billing_baselines import Baseline, baselines
from bench.billing_reads import Patience, measure, measure_changing, measure_page
from bench.billing_world import (
    ANCHORS,
    World,
    apply_plan,
    let_change,
    record,
    subscribe,
    usage_path,
)
from bench.engine_watch import cpu_s
from examples.engine_process import EngineProcess

_SPAWN: Final = multiprocessing.get_context("spawn")
# The events are of a fixed month, whatever the day is.
_OPTIONS: Final = ("--event-age-max-days", "36525")
# A pass of the rollups begins at most about a minute after the last, and is over when the engine is at rest.
_AT_REST_S: Final = 3
_AT_REST_CPU_S: Final = 0.3
_REST_S_MAX: Final = 240

Case = tuple[str, bool]
"""On how many days subscriptions start, and whether there is usage."""


def main() -> None:
    """Measures both worlds and the baselines, and prints what they took."""
    options = _options()
    world, small = World(options.customers, options.events), _smaller(options)
    patience = Patience(options.repeat_s, options.sample_s, options.reads)
    with tempfile.TemporaryDirectory(prefix="meterline-bench-", dir=options.directory) as folder:
        data = Path(folder) / "data"
        pages = _pages_of_few(Path(folder) / "few", small, patience, options)
        found, changing = _measured(data, world, patience, options)
        _say("baselines: aggregation and kernel")
        with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
            beside = pool.submit(baselines, usage_path(data), world, list(found)).result()
    for case, measured in found.items():
        _check(case, measured, beside[case])
        measured["page"]["few_customers_ms"] = pages[case]
    _print_table(world, small, found, beside)
    aims = [*_aims(found, beside), *_changing_aims(found[list(found)[-1]], changing)]
    print_aims(aims)
    print(json.dumps(_as_json(world, small, found, beside, aims) | {"changing": changing}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=100_000, help="each with a subscription")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument(
        "--small", action="store_true", help="1,000 customers and 20,000 events: half a minute"
    )
    parser.add_argument("--few-customers", type=int, default=1_000, help="beside how many pages are judged")
    parser.add_argument("--reads", type=int, default=200, help="customers at random")
    parser.add_argument("--repeat-s", type=float, default=20, help="how long one answer may be repeated")
    parser.add_argument(
        "--sample-s", type=float, default=15, help="how long pages are turned before the one far behind"
    )
    parser.add_argument(
        "--rollups-s",
        type=float,
        default=65,
        help="how long to wait for rollups to begin; 0: never mind them",
    )
    parser.add_argument("--seed", type=int, default=20_261_101)
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the data directories are made (default: the temporary directory)",
    )
    options = parser.parse_args()
    if options.small:
        options.customers, options.events, options.few_customers = 1_000, 20_000, 250
        options.reads, options.repeat_s, options.sample_s, options.rollups_s = 30, 2, 1, 0
    return options


def _smaller(options: argparse.Namespace) -> World:
    """Few customers, each with as many events."""
    return World(options.few_customers, options.events * options.few_customers // options.customers)


def _measured(
    data: Path, world: World, patience: Patience, options: argparse.Namespace
) -> tuple[dict[Case, dict[str, Any]], dict[str, Any]]:
    """Of each case what it took; and of the last one again, once every subscription has changed."""
    found: dict[Case, dict[str, Any]] = {}
    dice = np.random.default_rng(options.seed)
    with EngineProcess(data, *_OPTIONS) as engine:
        _say(f"applying {world.customers:,} customers")
        apply_plan(engine, world)
        for has_usage in (False, True):
            if has_usage:
                _fill(engine, world, options)
            for anchors in ANCHORS:
                subscribe(engine, world, anchors)
                _say(f"{_name((anchors, has_usage))}: spend, lines, pages")
                measured = found[anchors, has_usage] = measure(engine, world, patience, dice)
                _say(_in_short(measured))
        _say("subscriptions with phases, overrides and coupons: spend, lines")
        let_change(engine, world, anchors)
        changing = measure_changing(engine, world, anchors, patience)
    return found, changing


def _in_short(measured: dict[str, Any]) -> str:
    spend, lines = measured["spend"], measured["lines"]["ndjson"]["lines_per_second"]
    return (
        f"    all spend {spend['s']:,.2f} s ({spend['cpu_s']:,.2f} of CPU), {_number(lines)} lines a second, "
        f"one customer {measured['one_customer']['p50_ms']:,.1f} ms, a page {measured['page']['first_ms']:,.1f} ms"
    )


def _pages_of_few(
    data: Path, world: World, patience: Patience, options: argparse.Namespace
) -> dict[Case, float]:
    """Milliseconds of a page for each case."""
    _say(f"pages with {world.customers:,} customers")
    pages = {}
    with EngineProcess(data, *_OPTIONS) as engine:
        apply_plan(engine, world)
        for has_usage in (False, True):
            if has_usage:
                _fill(engine, world, options)
            for anchors in ANCHORS:
                subscribe(engine, world, anchors)
                pages[anchors, has_usage] = measure_page(engine, patience)
    return pages


def _fill(engine: EngineProcess, world: World, options: argparse.Namespace) -> None:
    """Records all events, and waits until they are merged and rolled up."""
    told = 0

    def said(sent: int) -> None:
        nonlocal told
        if sent - told >= 1_000_000 or sent == world.events:
            told = sent
            _say(f"recorded {sent:,} events")

    began_s = time.monotonic()
    record(engine, world, said)
    _say("waiting for merges and rollups")
    time.sleep(max(0.0, options.rollups_s - (time.monotonic() - began_s)))
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < (_AT_REST_S if options.rollups_s else 0):
        spent = cpu_s(engine.pid)
        time.sleep(1)
        if cpu_s(engine.pid) - spent > _AT_REST_CPU_S:
            quiet_since = time.monotonic()
        if time.monotonic() - began_s > _REST_S_MAX:
            _say("the engine does not come to rest; going on")
            return


def _check(case: Case, measured: dict[str, Any], baseline: Baseline) -> None:
    total = Decimal(measured["spend"]["total"])
    if total != baseline.total:
        raise SystemExit(
            f"{_name(case)}: the engine says {total} and the baseline {baseline.total}, so their speeds say nothing"
        )


def _name(case: Case) -> str:
    anchors, has_usage = case
    return f"{anchors}, {'usage' if has_usage else 'no usage'}"


def _aims(found: dict[Case, dict[str, Any]], beside: dict[Case, Baseline]) -> list[Aim]:
    aims = []
    for case, measured in found.items():
        name, lines, page = _name(case), measured["lines"], measured["page"]
        written = [form["growth_mib"] for form in lines.values() if "growth_mib" in form]
        aims += [
            Aim(f"all customers' spend / (aggregation + kernel), {name}", measured["spend"]["s"] / beside[case].wall_s, 1.5),
            Aim(f"lines to Parquet a second, {name}", lines["parquet"]["lines_per_second"], 200_000, at_least=True),
            Aim(f"lines to NDJSON a second, {name}", lines["ndjson"]["lines_per_second"], 50_000, at_least=True),
            Aim(f"memory added by all lines, MiB, {name}", max(written, default=None), 128),
            Aim(f"one customer p50, ms, {name}", measured["one_customer"]["p50_ms"], 15),
            Aim(f"first page / that of few customers, {name}", page["first_ms"] / page["few_customers_ms"], 1.3),
            Aim(f"page far behind / first page, {name}", page["far_ms"] / page["first_ms"], 1.3),
        ]  # fmt: skip
    return aims


def _changing_aims(before: dict[str, Any], changing: dict[str, Any]) -> list[Aim]:
    """What phases, overrides and settlement cost: the same subscriptions and usage without and with them."""
    spend = changing["spend"]["s"] / before["spend"]["s"]
    lines = before["lines"]["parquet"]["lines_per_second"] / changing["lines"]["parquet"]["lines_per_second"]
    return [
        Aim("spend with phases, overrides and settlement / without", spend, 1.5),
        Aim("time of a line to Parquet with phases and overrides / without", lines, 1.5),
    ]


def _print_table(
    world: World, small: World, found: dict[Case, dict[str, Any]], beside: dict[Case, Baseline]
) -> None:
    print(
        f"\n{world.customers:,} subscriptions, {world.lines:,} lines, {world.events:,} events; load {_load()}\n"
    )
    print(f"{'':<46}" + "".join(f"{_name(case):>20}" for case in found))
    for label, cell in (
        ("all customers' spend, s", lambda m, _: _number(m["spend"]["s"])),
        ("    the first time", lambda m, _: _number(m["spend"]["first_s"])),
        ("    CPU of the engine", lambda m, _: _number(m["spend"]["cpu_s"])),
        ("    as `meterline spend`", lambda m, _: _number(m["spend_command"]["s"])),
        ("    bare aggregation (CPU)", lambda _, b: f"{b.aggregation_s:.3f} ({b.aggregation_cpu_s:.3f})"),
        ("    kernel alone (CPU)", lambda _, b: f"{b.kernel_s:.3f} ({b.kernel_cpu_s:.3f})"),
        ("    times aggregation and kernel", lambda m, b: _number(m["spend"]["s"] / b.wall_s)),
        ("    by CPU", lambda m, b: _number(m["spend"]["cpu_s"] / b.cpu_s)),
        ("    peak memory of the engine, MiB", lambda m, _: _number(m["spend"]["peak_mib"])),
        ("lines to Parquet a second", lambda m, _: _number(m["lines"]["parquet"]["lines_per_second"])),
        ("lines to NDJSON a second", lambda m, _: _number(m["lines"]["ndjson"]["lines_per_second"])),
        ("    memory added, MiB", lambda m, _: _number(m["lines"]["ndjson"].get("growth_mib"))),
        ("one customer, ms: p50", lambda m, _: _number(m["one_customer"]["p50_ms"])),
        ("    p95", lambda m, _: _number(m["one_customer"]["p95_ms"])),
        ("a page of 100 lines, ms", lambda m, _: _number(m["page"]["first_ms"])),
        (f"    with {small.customers:,} customers", lambda m, _: _number(m["page"]["few_customers_ms"])),
        ("    far behind", lambda m, _: _number(m["page"]["far_ms"])),
        ("    so many lines behind", lambda m, _: f"{m['page']['far_after_lines']:,}"),
    ):
        print(f"{label:<46}" + "".join(f"{cell(found[case], beside[case]):>20}" for case in found))
    errors = {measured["spend_command"].get("error") for measured in found.values()} - {None}
    for error in sorted(map(str, errors)):
        print(f"meterline spend: {error}")
    print()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _as_json(
    world: World,
    small: World,
    found: dict[Case, dict[str, Any]],
    beside: dict[Case, Baseline],
    aims: list[Aim],
) -> dict[str, Any]:
    cases = [
        {
            "anchors": anchors,
            "events": world.events if has_usage else 0,
            **measured,
            "baseline": {
                **asdict(beside[anchors, has_usage]),
                "total": str(beside[anchors, has_usage].total),
            },
        }
        for (anchors, has_usage), measured in found.items()
    ]
    return {
        "bench": "billing",
        "customers": world.customers,
        "few_customers": small.customers,
        "load_average": _load(),
        "cases": cases,
        "aims": aims_json(aims),
    }


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
