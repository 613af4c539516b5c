"""The spend bench in its least form: it runs to its end, and names every aim."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEAST = ("--customers", "40", "--events", "800", "--reads", "25", "--watches", "6")
_QUICK = ("--seconds", "0.5", "--callers", "3", "--commits-per-s", "20")


def test_the_spend_bench_measures_every_part():
    """A push for each event that was acknowledged, and as many features as were asked for; what was not run is no aim that is met."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.bench_spend", *_LEAST, *_QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["spend"]["reads"] == 25
    assert result["access"]["features"] == 100
    assert result["watch"]["watches"] == 6
    assert result["watch"]["events"] >= 1
    assert result["watch"]["pushes_per_s"] > 0
    assert result["reserve"]["pairs_per_s"] > 0
    assert [set(aim) for aim in result["aims"]] == [{"name", "value", "aim", "met"}] * 7
    not_run = [aim["met"] for aim in result["aims"] if aim["value"] is None]
    assert not_run == [False] * 3
