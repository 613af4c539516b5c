"""Plays many worlds of ids beside their model: `make test-ids`, `make test-ids STEPS=20000 SEED=7`."""

import argparse
import multiprocessing
import os
import random
import sys
import time

import structlog

from tests.support.usage.id_life_run import Played, Size, WorldError, play

_WORLD_STEPS = 8_000


def main():
    """Plays them on all cores; prints each failure with its steps and exits with 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="of one id each")
    parser.add_argument("--seed", default=str(random.randrange(2**32)))
    asked = parser.parse_args()
    print(f"seed {asked.seed}: {asked.steps} steps of one id each", flush=True)
    began_s, played, failed = time.monotonic(), Played(), 0
    worlds = [
        (f"{asked.seed}-{number}", min(_WORLD_STEPS, asked.steps - first))
        for number, first in enumerate(range(0, asked.steps, _WORLD_STEPS), 1)
    ]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for number, (done, failure) in enumerate(pool.imap_unordered(_play, worlds), 1):
            if failure:
                print(failure, end="\n\n")
            played, failed = played + done, failed + bool(failure)
            took_s = time.monotonic() - began_s
            print(
                f"{number} of {len(worlds)} worlds, {played.steps} steps, {failed} failed, {took_s:.0f} s",
                flush=True,
            )
    for name in ("requests", "corrections", "refusals"):
        print(
            f"{name}: {', '.join(f'{count} {what}' for what, count in getattr(played, name).most_common())}"
        )
    sys.exit(1 if failed else 0)


def _play(world):
    # What the engine logs of every id is what is looked at anyway.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seed, steps = world
    try:
        return play(seed, Size(steps)), None
    except WorldError as error:
        return Played(), str(error)


if __name__ == "__main__":
    main()
