"""The page about closing tells the truth: its files are applied and imported, and its commands print what it shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from examples.engine_process import EngineProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "closing.md").read_text(encoding="utf-8")
FILES = re.findall(r"```(?:yaml|csv)\n# ([\w.-]+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    found
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for found in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_SECONDS = re.compile(r"\d+\.\d s|[\d,]+ events a second|[\d,]+ rows a second")


def comparable(text):
    """Watermarks and speeds differ from run to run."""
    return [_SECONDS.sub("SPEED", _INSTANT.sub("INSTANT", line)).rstrip() for line in text.splitlines()]


def shown(folder):
    """Each command with what it prints."""
    for name, text in FILES:
        (folder / name).write_text(text, encoding="utf-8")
    with EngineProcess(folder / "data", "--event-age-max-days", "36525") as running:
        for command, _ in COMMANDS:
            program, *words = shlex.split(command)
            assert program == "meterline"
            done = subprocess.run(
                [sys.executable, "-m", "engine", *words, "--target", running.target],
                cwd=folder, env={"PYTHONPATH": str(ROOT), "METERLINE_API_KEY": running.api_key, "COLUMNS": "120"},
                capture_output=True, text=True, timeout=180, check=False,
            )  # fmt: skip
            yield command, (done.stdout + done.stderr).replace(f" --target {running.target}", "")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine."""
    assert len(COMMANDS) == 12
    for (command, expected), (_, output) in zip(COMMANDS, shown(tmp_path), strict=True):
        assert comparable(output) == comparable(expected), command
