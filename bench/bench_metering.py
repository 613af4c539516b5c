"""How fast usage is read, and what its rollups cost: `make bench-metering`.

One month of 5,000 customers, one of whom has a tenth of all events, is stored in a data directory of its own that is
removed in the end: 1M and 10M events, and 100M with --hundred-million. Event ids are like UUIDs, in no order of time.
Two meters, a sum of a property and a count grouped by another, are rolled up as the engine does it. Then, for each size,
each beside its baseline and in the same run:

- reads of one customer, the way rating reads: any at random, and the large one, which is also read from its events;
- reads of all customers beside a bare scan, which sums the property by customer without anything that makes it right;
- a pass of the rollups after one late event, after a void and after nothing, and the first pass over everything;
- reads of 10,000 events of the current hour that no rollup has yet, in ten unmerged parts;
- reads of events in ten unmerged parts (up to 10M), and bytes on disk.

Every answer that is timed is compared with the events themselves; a difference ends the run with an error. CPU is that
of the whole process, ClickHouse's threads included. The last line of the output is one JSON object.
"""

import argparse
import json
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.metering_reads import Repeats, measure
from bench.metering_report import as_json, plot, print_tables
from bench.metering_store import say

_SPAWN = multiprocessing.get_context("spawn")
_HUNDRED_MILLION = 100_000_000
_UNMERGED_EVENTS_MAX = 10_000_000


def main() -> None:
    """Measures every size and prints what it took."""
    options = _options()
    sizes = sorted({*options.events, *([_HUNDRED_MILLION] if options.hundred_million else [])})
    repeats = Repeats(options.reads, max(options.reads // 2, 3), 3, 5, options.late)
    found = [_alone(size, repeats, options) for size in sizes]
    print_tables(found)
    plot(found, options.plot)
    say(f"the plot is in {options.plot}")
    print(json.dumps(as_json(found)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--events", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the store"
    )
    parser.add_argument(
        "--hundred-million",
        action="store_true",
        help="also 100M events: 6 GB of disk, and a quarter of an hour",
    )
    parser.add_argument("--reads", type=int, default=300, help="reads of customers at random")
    parser.add_argument("--late", type=int, default=7, help="late events of each kind")
    parser.add_argument("--seed", type=int, default=20_261_001)
    parser.add_argument("--plot", type=Path, default=Path("bench-metering.png"), help="where the plot goes")
    parser.add_argument(
        "--directory", type=Path, help="where the stores are made (default: the temporary directory)"
    )
    return parser.parse_args()


def _alone(events: int, repeats: Repeats, options: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own: chDB holds one store a process."""
    with (
        tempfile.TemporaryDirectory(prefix="meterline-bench-", dir=options.directory) as folder,
        ProcessPoolExecutor(1, mp_context=_SPAWN) as pool,
    ):
        unmerged = events <= _UNMERGED_EVENTS_MAX
        work = pool.submit(measure, Path(folder) / "usage", events, repeats, options.seed, unmerged=unmerged)
        return work.result()


if __name__ == "__main__":
    main()
