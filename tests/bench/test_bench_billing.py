"""The billing bench in its least form: it runs to its end, and what everybody owes agrees with its baselines."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEAST = ("--customers", "60", "--few-customers", "20", "--events", "1800", "--reads", "3")
_QUICK = ("--repeat-s", "0.2", "--sample-s", "0.1", "--rollups-s", "0")


def test_the_billing_bench_names_every_aim_for_every_case():
    """The engine's total and that of a bare aggregation with the kernel are one, or the bench would have failed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.bench_billing", *_LEAST, *_QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    cases = [(case["anchors"], case["events"]) for case in result["cases"]]
    assert cases == [("one day", 0), ("28 days", 0), ("one day", 1800), ("28 days", 1800)]
    # 60 customers owe 20 dollars each for the plan, and something more for their usage.
    totals = [float(case["spend"]["total"]) for case in result["cases"]]
    assert totals[:2] == [1200.0, 1200.0]
    assert min(totals[2:]) > 1200
    assert all(case["spend"]["line_items"] == 300 for case in result["cases"])
    # Customers 0, 10, 30 and 40 change their terms inside the period: three of their five prices have two lines.
    assert result["changing"]["lines"]["parquet"]["lines"] == 312
    # Seven aims for each case, and two for subscriptions that change.
    assert [set(aim) for aim in result["aims"]] == [{"name", "value", "aim", "met"}] * 30
