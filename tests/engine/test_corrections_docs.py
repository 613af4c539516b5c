"""The page about corrections tells the truth: its commands, run in their order, print what it says."""

import os
import pty
import re
import shlex
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from tests.support.command_processes import run_command

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
    key = {"METERLINE_API_KEY": os.environ["METERLINE_API_KEY"]}
    return run_command(*words, "--target", target, cwd=cwd, env=key)


def _without_instants(text):
    """When things were recorded is another instant each time; event times are not."""
    return "\n".join(
        (_INSTANT.sub("INSTANT", line) if "2025" not in line else line).rstrip() for line in text.splitlines()
    )


def test_the_commands_on_the_page_print_what_it_says(target, tmp_path):
    """On the files that it shows."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = [
        (command, expected)
        for block in BLOCKS
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(commands) == 14
    for command, expected in commands:
        program, *words = shlex.split(command)
        assert program == "meterline"
        done = _run(target, tmp_path, *words)
        shown = done.stdout + done.stderr
        assert _without_instants(shown) == _without_instants(expected), command


def test_the_page_starts_the_engine_that_it_runs_on():
    """Its events are old: an engine with the default age would refuse them."""
    assert "meterline serve --data ./x --event-age-max-days 36525" in PAGE.split("`usage.csv`:")[0]


def test_a_person_is_asked_and_nobody_else(target, tmp_path):
    """What is recorded is what was shown, after a yes; in a pipe, where nobody can be asked, nothing is."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    _run(target, tmp_path, "apply", "-f", "catalog.yaml")
    _run(target, tmp_path, "import", "usage.csv", "--event-type", "=call")
    void = ("void", "--event-id", "o-2", "--by", "ada", "--reason", "r")
    done = _run(target, tmp_path, *void)
    assert (done.returncode, done.stderr) == (
        2,
        "meterline: nobody is there to be asked: look with --dry-run, then say --yes or --expect N\n",
    )
    refused = _answered(target, b"n\n", *void)
    assert (refused.returncode, refused.stderr) == (2, "meterline: nothing was recorded\n")
    assert "11.50 -> 7.00 USD" in refused.stdout
    assert "no correction was recorded" in _run(target, tmp_path, "corrections").stdout
    agreed = _answered(target, b"y\n", *void)
    assert (agreed.returncode, agreed.stderr) == (0, "")
    assert "void 1 event? [y/N]: voided 1 event\n" in agreed.stdout


def _answered(target, answer, *words):
    """The command at a terminal of its own, where this is typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        return run_command(*words, "--target", target, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
