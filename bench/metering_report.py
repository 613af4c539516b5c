"""What the metering bench found: the aims, a table for people, a plot."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.aims import Aim, aims_json, print_aims

Found = dict[str, Any]
_READS = {
    "any_sum": "any customer, sum",
    "any_count": "any customer, count by model",
    "large_sum": "the large one, sum",
    "large_count": "the large one, count by model",
}


def aims(sizes: Sequence[Found]) -> list[Aim]:
    """Of the largest size, beside the smallest."""
    first, last = sizes[0], sizes[-1]
    one, most = first["one_customer"], last["one_customer"]
    found = []
    if len(sizes) > 1:
        found += [
            Aim(f"p99 of {name}: largest / smallest", most[key]["p99_ms"] / one[key]["p99_ms"], 2)
            for key, name in _READS.items()
        ]
    found += [Aim(f"p99 of {name}, ms", most[key]["p99_ms"], 20) for key, name in _READS.items()]
    found.append(
        Aim(
            "the large one: raw / rolled up",
            most["large_raw_ms"] / most["large_sum"]["p50_ms"],
            50,
            at_least=True,
        )
    )
    found += [
        Aim(f"all customers / bare scan, {_short(size['events'])}", _of_scan(size), 1.2) for size in sizes
    ]
    if len(sizes) > 1:
        before, after = first["refresh"], last["refresh"]
        found += [
            Aim(f"pass after one {name}: largest / smallest", after[key] / before[key], 2)
            for key, name in (("late_large_ms", "late event"), ("void_ms", "void"))
        ]
    found += [Aim(f"bytes an event, {_short(size['events'])}", _bytes(size), 30) for size in sizes]
    return found


def as_json(sizes: Sequence[Found]) -> dict[str, Any]:
    return {"bench": "metering", "sizes": list(sizes), "aims": aims_json(aims(sizes))}


def print_tables(sizes: Sequence[Found]) -> None:
    console = Console(width=110)
    table = Table(title="milliseconds, by events stored", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("")
    for size in sizes:
        table.add_column(_short(size["events"]), justify="right")
    for key, name in _READS.items():
        table.add_row(
            f"{name}: p50 / p99 (CPU)", *(_percentiles(size["one_customer"][key]) for size in sizes)
        )
    for name, cell in _ROWS:
        table.add_row(name, *map(cell, sizes))
    console.print(table)
    print_aims(aims(sizes))


def plot(sizes: Sequence[Found], path: Path) -> None:
    """Latency against the number of events, both logarithmic."""
    from matplotlib import use  # noqa: PLC0415 - half a second that only a plot is worth

    use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    events = [size["events"] for size in sizes]
    figure, (one, everybody) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for key, name in (("any_sum", "any customer"), ("large_sum", "the large one")):
        for percentile, style in (("p50_ms", "-"), ("p99_ms", "--")):
            values = [size["one_customer"][key][percentile] for size in sizes]
            one.plot(events, values, style, marker="o", label=f"{name}, {percentile[:3]}")
    one.plot(
        events,
        [size["one_customer"]["large_raw_ms"] for size in sizes],
        ":",
        marker="s",
        label="the large one, from events",
    )
    one.set_title("one customer's month")
    for key, name in (("sum_ms", "sum"), ("count_ms", "count by model"), ("scan_ms", "bare scan")):
        everybody.plot(events, [size["all_customers"][key] for size in sizes], marker="o", label=name)
    everybody.set_title("all 5,000 customers' month")
    for axes in (one, everybody):
        axes.set(xscale="log", yscale="log", xlabel="events stored", ylabel="ms")
        axes.set_xticks(events, [_short(each) for each in events])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)


def _of_scan(size: Found) -> float:
    return float(size["all_customers"]["sum_ms"] / size["all_customers"]["scan_ms"])


def _bytes(size: Found) -> float:
    return float(sum(size["bytes_per_event"].values()))


def _unmerged(size: Found, key: str) -> str:
    return f"{size['unmerged'][key]:,.0f}" if "unmerged" in size else ""


def _percentiles(found: Found) -> str:
    return f"{found['p50_ms']:.1f} / {found['p99_ms']:.1f} ({found['p50_cpu_ms']:.1f})"


def _short(events: int) -> str:
    return f"{events / 1e6:g}M"


def _number(*path: str) -> Callable[[Found], str]:
    """A cell with the number that is found there."""

    def cell(size: Found) -> str:
        found: Any = size
        for key in path:
            found = found.get(key, {})
        return f"{found:,.0f}" if found else ""

    return cell


_ROWS: Sequence[tuple[str, Callable[[Found], str]]] = (
    ("the large one from events", _number("one_customer", "large_raw_ms")),
    ("all customers, sum", _number("all_customers", "sum_ms")),
    ("    bare scan", _number("all_customers", "scan_ms")),
    ("all customers, count by model", _number("all_customers", "count_ms")),
    ("10,000 events not rolled up: the large one", lambda size: _percentiles(size["tail"]["large"])),
    ("    any of the nine others that have some", lambda size: _percentiles(size["tail"]["any"])),
    ("    all customers", _number("tail", "all_ms")),
    ("    the pass that rolls them up", _number("tail", "keep_up_ms")),
    ("pass after one late event: the large one", _number("refresh", "late_large_ms")),
    ("    any customer", _number("refresh", "late_any_ms")),
    ("    after a void", _number("refresh", "void_ms")),
    ("    after nothing", _number("refresh", "nothing_ms")),
    ("10 unmerged parts, from events: the large one", _number("unmerged", "large_raw_ms")),
    ("    all customers", _number("unmerged", "all_raw_ms")),
    ("    bare scan", _number("unmerged", "scan_ms")),
    ("first build, events a second: sum", _number("build", "sum", "events_per_second")),
    ("    count by model", _number("build", "count", "events_per_second")),
    (
        "bytes an event: log + rollups of both meters",
        lambda size: f"{size['bytes_per_event']['events']:.1f} + {size['bytes_per_event']['rollups']:.1f}",
    ),
)
