"""How fast charges are rated: `make bench-rating`.

Each model rates the same charges three ways in one run: the rating core, a plain decimal.Decimal loop (a sample,
scaled to charges a second) and ClickHouse SQL with Decimal256 in process on one thread. The three must agree to the
cent, else nothing is printed. Times are medians of processor seconds, so that a busy machine doesn't decide; the last
line of the output is one JSON object.
"""

import argparse
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from statistics import median
from time import process_time
from typing import Any

from bench.aims import Aim, aims_json, print_aims
from bench.rating_cases import MIXED, MODELS, Case, case_of
from bench.rating_loop import time_loop
from bench.rating_sql import time_sql
from rating import Charges, DecimalColumn, rate

LINEARITY_MODEL = "graduated, every stage"
INPUT_BYTES_A_CHARGE = 16
"""Quantity and price index, which exist before the measured peak begins."""


def main() -> None:
    """Runs the cases that the arguments ask for and prints what they took."""
    options = _options()
    print(
        f"{options.charges:,} charges a model, seed {options.seed}; processor time, medians of {options.runs} runs\n"
    )
    print(
        f"{'model':28}{'charges/s':>14}{'x loop':>9}{'x SQL':>8}{'bytes':>7}{'with tiers/s':>15}{'x loop':>9}{'bytes':>7}"
    )
    rows = []
    for name in options.models or (*MODELS, MIXED):
        row = _measured(case_of(name, options.charges, options.seed), options)
        rows.append(row)
        print(
            f"{name:28}{row['charges_per_second']:>14,.0f}{row['times_loop']:>9.0f}{'-' if row['times_sql'] is None else format(row['times_sql'], '.1f'):>8}"
            f"{row['peak_bytes_per_charge']:>7.0f}{row['with_tiers_per_second']:>15,.0f}"
            f"{row['with_tiers_times_loop']:>9.0f}{row['with_tiers_peak_bytes_per_charge']:>7.0f}"
        )
    result: dict[str, Any] = {
        "bench": "rating",
        "charges": options.charges,
        "seed": options.seed,
        "models": rows,
    }
    if options.ten_million:
        result["ten_million_over_one_million"] = _linearity(options)
        print(
            f"\n10,000,000 charges take {result['ten_million_over_one_million']:.2f} times as long as 1,000,000"
        )
    aims = _aims(result)
    print()
    print_aims(aims)
    print(json.dumps(result | {"aims": aims_json(aims)}))


def _aims(result: dict[str, Any]) -> list[Aim]:
    """Of a graduated price through every stage, where that was measured."""
    aims = []
    for row in result["models"]:
        if row["model"] == LINEARITY_MODEL:
            aims += [
                Aim("amounts, times the loop", row["times_loop"], 100, at_least=True),
                Aim("amounts, times the SQL", row["times_sql"], 5, at_least=True),
                Aim("amounts, bytes a charge", row["peak_bytes_per_charge"], 400),
                Aim("with tiers, times the loop", row["with_tiers_times_loop"], 30, at_least=True),
                Aim("with tiers, bytes a charge", row["with_tiers_peak_bytes_per_charge"], 400),
            ]
    if "ten_million_over_one_million" in result:
        aims.append(Aim("10M charges / 1M", result["ten_million_over_one_million"], 11))
    return aims


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--charges", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=20_000, help="charges that the Decimal loop rates")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=20_260_901)
    parser.add_argument(
        "--ten-million", action="store_true", help="also rate 10M charges, to see that time is linear"
    )
    parser.add_argument("--no-sql", action="store_true", help="leave out ClickHouse")
    parser.add_argument("models", nargs="*", help="only these models")
    return parser.parse_args()


def _measured(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Times, ratios and peaks of one case."""
    charges, sample = len(case.charges), min(options.sample, len(case.charges))
    seconds = _median_seconds(lambda: rate(_fresh(case.charges)).amount, options.runs)
    tier_seconds = _median_seconds(lambda: rate(_fresh(case.charges)).breakdown(), options.runs)
    loops = [time_loop(case, sample, with_tiers=False) for _ in range(3)]
    tier_loops = [time_loop(case, sample, with_tiers=True) for _ in range(3)]
    loop_rate = sample / min(spent for spent, _ in loops)
    tier_loop_rate = sample / min(spent for spent, _ in tier_loops)
    amounts = rate(case.charges).amount
    _check(case.name, "the Decimal loop", loops[0][1], amounts.take(slice(sample)).to_decimals())
    sql_seconds = None
    if not options.no_sql and len(case.fields) == 1:
        sql_seconds, total = time_sql(case, 3)
        _check(case.name, "the SQL", total, amounts.total())
    return {
        "model": case.name,
        "charges_per_second": charges / seconds,
        "loop_per_second": loop_rate,
        "times_loop": charges / seconds / loop_rate,
        "times_sql": None if sql_seconds is None else sql_seconds / seconds,
        "peak_bytes_per_charge": _peak_bytes(lambda: rate(case.charges).amount) / charges
        + INPUT_BYTES_A_CHARGE,
        "with_tiers_per_second": charges / tier_seconds,
        "with_tiers_times_loop": charges / tier_seconds / tier_loop_rate,
        "with_tiers_peak_bytes_per_charge": _peak_bytes(lambda: rate(case.charges).breakdown()) / charges
        + INPUT_BYTES_A_CHARGE,
    }


def _fresh(charges: Charges) -> Charges:
    """The same charges from the bare arrays: checked anew, and nothing remembered from the run before."""
    return replace(charges, quantity=DecimalColumn(charges.quantity.mantissa, charges.quantity.scale))


def _check(name: str, other: str, theirs: Decimal | list[Decimal], ours: Decimal | list[Decimal]) -> None:
    if theirs != ours:
        raise SystemExit(f"{name}: the rating core and {other} disagree, so their speeds say nothing")


def _median_seconds(work: Callable[[], object], runs: int) -> float:
    work()
    seconds = []
    for _ in range(runs):
        start = process_time()
        work()
        seconds.append(process_time() - start)
    return median(seconds)


def _peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that the work holds at once, as tracemalloc (which NumPy reports to) counts it."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _linearity(options: argparse.Namespace) -> float:
    """Seconds for ten million charges over seconds for one million."""
    million, ten = (case_of(LINEARITY_MODEL, charges, options.seed).charges for charges in (10**6, 10**7))
    one = _median_seconds(lambda: rate(_fresh(million)).amount, options.runs)
    return _median_seconds(lambda: rate(_fresh(ten)).amount, 3) / one


if __name__ == "__main__":
    main()
