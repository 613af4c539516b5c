"""The page about usage tells the truth: its file is written, its commands run, and they print what it says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [
    command
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for command in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]
PYTHON, PRINTED = re.search(
    r"```python\n(from datetime import datetime\n.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL
).groups()


@pytest.fixture
def target(tmp_path):
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        with open_channel(running.target) as channel:
            document = (ROOT / "examples" / "llm.yaml").read_text(encoding="utf-8")
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
        yield running.target


def _run(words, cwd):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "METERLINE_API_KEY": os.environ["METERLINE_API_KEY"], "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.stdout + done.stderr


def _lasting(text):
    """Without what differs from run to run: the watermark, and when events were ingested. None of the page's events is of a
    part of a second.
    """
    text = re.sub(r"20\d\d-\d\d-\d\dT[\d:]+\.(?!000000)\d{6}Z", "INSTANT", text)
    return re.sub(r"(as of |--as-of |\"as_of\": \")(\S+Z|INSTANT)", r"\1WATERMARK", text)


def test_the_page_starts_the_engine_that_it_runs_on():
    """Its events are old: an engine with the default age would refuse them."""
    start = PAGE.split("`usage.csv`:")[0]
    assert "meterline serve --data ./x --event-age-max-days 36525" in start
    assert "meterline apply -f examples/llm.yaml" in start


def test_the_commands_on_the_page_print_what_it_says(target, tmp_path):
    """In their order, on the file that it shows; only watermarks and the engine's address differ."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert (len(FILES), len(COMMANDS)) == (1, 9)
    for command, expected in COMMANDS:
        words = shlex.split(command)
        assert words[0] == "meterline"
        printed = _run(["-m", "engine", *words[1:], "--target", target], tmp_path)
        assert _lasting(printed.replace(f" --target {target}", "")) == _lasting(expected)
    code = PYTHON.replace("localhost:7070", target)
    assert _run(["-c", code], tmp_path) == PRINTED
