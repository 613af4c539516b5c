"""The README's commands work when a newcomer runs them in its order."""

import re
import shlex
from pathlib import Path

import pytest

from examples.demo import ENGINE_OPTIONS, apply_catalog, usage_event
from examples.engine_process import EngineProcess
from examples.llm_trace import read_trace
from examples.recompute import read_catalog
from meterline import Client, open_channel
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llm.yaml"
RUN_IT = (ROOT / "README.md").read_text(encoding="utf-8").split("## Run it")[1].split("One process holds")[0]
FRESH, ON_THE_TRACE, QUOTE = (
    [
        shlex.split(line, comments=True)[1:]
        for line in block.splitlines()
        if line.startswith("meterline ") and " serve " not in line
    ]
    for block in re.findall(r"^```\n(.*?)^```", RUN_IT, re.DOTALL | re.MULTILINE)
)


@pytest.fixture
def engine(tmp_path):
    with EngineProcess(tmp_path / "data", *ENGINE_OPTIONS) as running:
        yield running


def _outputs(commands, *more):
    outputs = []
    for words in commands:
        done = run_command(*words, *more)
        assert done.returncode == 0, (words, done.stderr)
        outputs.append(done.stdout)
    return outputs


def test_run_it_works_on_a_fresh_engine(engine):
    """Nothing that it lists needs usage; the quote needs no engine at all."""
    assert [words[0] for words in FRESH] == [
        "apply",
        "apply",
        "customers",
        "subscriptions",
        "export",
        "spend",
        "spend-link",
        "access",
        "alert-crossings",
        "lines",
        "close",
        "payments",
        "events",
        "problems",
        "conflicts",
        "keys",
    ]
    _outputs(FRESH, "--target", engine.target)
    (quote,) = _outputs(QUOTE)
    assert "input" in quote


def test_what_follows_the_demo_works_on_its_trace(engine):
    """Lines of its month, and what voiding the large model's events of acme would change, as the README says.

    Their lines of the demo go, 2.92 + 2.37; and of 4,107 requests 2,835 are left: 3 packages at 0.19, not 5.
    62.55 - 2.92 - 2.37 - 0.38 = 56.88.
    """
    customers = [customer["id"] for customer in read_catalog(EXAMPLE)["customers"]]
    with open_channel(engine.target) as channel, Client(engine.target) as client:
        apply_catalog(channel)
        client.record_batch([usage_event(request) for request in read_trace(customers)])
    assert [words[0] for words in ON_THE_TRACE] == ["lines", "void"]
    lines, void = _outputs(ON_THE_TRACE, "--target", engine.target)
    assert "acme, plan scale, 2023-11-01 to 2023-12-01" in lines
    assert void.startswith("would void 1,272 events\n")
    (total,) = re.findall(r"^all lines of these customers and periods: (.*)$", void, re.MULTILINE)
    assert total == "62.55 -> 56.88 USD"
    assert f"in money: {total}\n" in RUN_IT
