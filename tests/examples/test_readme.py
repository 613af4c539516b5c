"""The page of the examples tells the truth: its commands print what it shows."""

import os
import re
import shlex
import shutil
from pathlib import Path

from examples.engine_process import EngineProcess
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    found
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for found in re.findall(r"^\$ meterline (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def comparable(text):
    """Watermarks differ from run to run."""
    return [_INSTANT.sub("INSTANT", line).rstrip() for line in text.splitlines()]


def shown(folder):
    """Each command with what it prints, run beside a copy of the examples: an import writes down how far it is."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    with EngineProcess(folder / "data", "--event-age-max-days", "36525") as running:
        for command, _ in COMMANDS:
            env = {**os.environ, "METERLINE_API_KEY": running.api_key, "COLUMNS": "110"}
            done = run_command(*shlex.split(command), "--target", running.target, cwd=folder, env=env)
            yield command, done.stdout + done.stderr


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine."""
    assert len(COMMANDS) > 3
    expected = dict(COMMANDS)
    for command, output in shown(tmp_path):
        assert comparable(output) == comparable(expected[command]), command
