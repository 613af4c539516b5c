"""The page about the import tells the truth: its files are written, its commands run, and they print what it says."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def target(tmp_path):
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        with open_channel(running.target) as channel:
            document = (ROOT / "examples" / "llm.yaml").read_text(encoding="utf-8")
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
        yield running.target


def _printed(command, cwd, target):
    words = shlex.split(command)
    if words[0] == "sed":
        subprocess.run(words, cwd=cwd, check=True)
        return ""
    assert words[0] == "meterline"
    key = {"METERLINE_API_KEY": os.environ["METERLINE_API_KEY"]}
    done = run_command(*words[1:], "--target", target, cwd=cwd, env=key)
    return done.stdout + done.stderr


def test_the_commands_on_the_page_print_what_it_says(target, tmp_path):
    """In their order, on the files that it shows; and the rejects are those that it shows."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = [
        (command, expected)
        for block in BLOCKS
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(FILES) == 2
    assert len(commands) == 5
    shown = []
    for command, expected in commands:
        assert _printed(command, tmp_path, target) == expected
        rejects = tmp_path / "usage.csv.rejects.ndjson"
        shown.append(rejects.read_text(encoding="utf-8") if rejects.exists() else "")
    assert f"```json\n{shown[0]}```" in PAGE
