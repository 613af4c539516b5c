"""Plays many simulated histories: `make simulate`, `make simulate SEEDS=7`, `make simulate SEEDS=0:100000`."""

import argparse
import multiprocessing
import os
import sys
import time

from tests.support.simulation.sim_world import HistoryError, play

_CHUNK = 50


def main():
    """Plays them on all cores; prints each failure with its trace and exits with 1 if there was one."""
    first, last = _seeds()
    began_s, played, failed = time.monotonic(), 0, 0
    with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, last - first)) as pool:
        chunks = [range(start, min(start + _CHUNK, last)) for start in range(first, last, _CHUNK)]
        for number, failures in enumerate(pool.imap_unordered(_failures, chunks), 1):
            for text in failures:
                print(text, end="\n\n")
            played += _CHUNK
            failed += len(failures)
            if number % 40 == 0:
                print(f"{played} histories, {failed} failed, {time.monotonic() - began_s:.0f} s", flush=True)
    print(f"{last - first} histories from seed {first}: {failed} failed, {time.monotonic() - began_s:.0f} s")
    sys.exit(1 if failed else 0)


def _seeds():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", help="SEED, or FIRST:LAST with LAST left out")
    first, _, last = parser.parse_args().seeds.partition(":")
    return int(first), int(last) if last else int(first) + 1


def _failures(seeds):
    found = []
    for seed in seeds:
        try:
            play(seed)
        except HistoryError as error:
            found.append(str(error))
    return found


if __name__ == "__main__":
    main()
