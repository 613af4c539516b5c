"""The page about corrections tells the truth: its commands, run in their order, print what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "corrections.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def target(tmp_path):
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        yield running.target


def _run(target, cwd, *words):
    return subprocess.run(
        [sys.executable, "-m", "engine", *words, "--target", target],
        cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _without_instants(text):
    """When things were recorded is another instant each time; event times are not."""
    return "\n".join(
        _INSTANT.sub("INSTANT", line) if "2025" not in line else line for line in text.splitlines()
    )


def test_the_commands_on_the_page_print_what_it_says(target, tmp_path):
    """On the files that it shows."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert _run(target, tmp_path, "apply", "-f", "catalog.yaml").returncode == 0
    assert _run(target, tmp_path, "import", "usage.csv", "--event-type", "=call").returncode == 0
    commands = [
        (command, expected)
        for block in BLOCKS
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(commands) == 11
    for command, expected in commands:
        program, *words = shlex.split(command)
        assert program == "meterline"
        done = _run(target, tmp_path, *words)
        assert _without_instants(done.stdout + done.stderr) == _without_instants(expected), command


def test_nobody_is_asked_where_nobody_is(target, tmp_path):
    """In a pipe a correction needs --yes or --expect; a person who says no records nothing."""
    done = _run(target, tmp_path, "void", "--event-id", "a", "--by", "ada", "--reason", "r")
    assert done.returncode == 2
    assert done.stderr == (
        "meterline: nobody is there to be asked: look with --dry-run, then say --yes or --expect N\n"
    )
