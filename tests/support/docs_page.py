"""A page of the docs whose files are applied and whose commands print what it shows."""

import re
import shlex
import time
from pathlib import Path

from examples.engine_process import EngineProcess
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z|20\d\d-\d\d-\d\d \d\d:\d\d UTC")
_DUE_DATE = re.compile(r"20(?!26-0[1-6])\d\d-\d\d-\d\d")
_SPEED = re.compile(r"\d+\.\d s|[\d,]+ events a second|[\d,]+ rows a second")


class DocsPage:
    """`files`: name and text of each; `commands`: each with what it prints, in order."""

    def __init__(self, name):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        self.files = re.findall(r"```(?:yaml|csv)\n# ([\w.-]+)\n(.*?)```", text, re.DOTALL)
        self.commands = [
            found
            for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)
            for found in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
        ]

    def shown(self, folder, awaited=None):
        """Each command with what it prints now, all of them against one engine. `awaited`: how a command begins that is given again,
        for a minute, until it prints what the page shows: of what an engine does by itself.
        """
        for name, text in self.files:
            (folder / name).write_text(text, encoding="utf-8")
        with EngineProcess(folder / "data", "--event-age-max-days", "36525") as running:
            for command, expected in self.commands:
                output = _printed(command, folder, running)
                deadline_s = time.monotonic() + 60
                while (
                    awaited is not None
                    and command.startswith(awaited)
                    and comparable(output) != comparable(expected)
                    and time.monotonic() < deadline_s
                ):
                    time.sleep(0.2)
                    output = _printed(command, folder, running)
                yield command, output


def _printed(command, folder, running):
    program, *words = shlex.split(command)
    assert program == "meterline"
    env = {"METERLINE_API_KEY": running.api_key, "COLUMNS": "120"}
    done = run_command(*words, "--target", running.target, cwd=folder, env=env)
    return (done.stdout + done.stderr).replace(f" --target {running.target}", "")


def comparable(text):
    """Watermarks and speeds differ from run to run."""
    return [_SPEED.sub("SPEED", _INSTANT.sub("INSTANT", line)).rstrip() for line in text.splitlines()]


def without_due_dates(text):
    """As `comparable`, where due dates differ, too; what the page bills is of the first half of 2026."""
    return [_DUE_DATE.sub("DATE", line) for line in comparable(text)]
