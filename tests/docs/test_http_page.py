"""The page about HTTP tells the truth: its commands run as they stand, in one shell, against one engine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
FIRST, *CALLS = re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
_END = "-- the end of a block --"


def _command(block):
    """What a person types: all of a block, or of one that shows an answer its first command."""
    if not block.startswith("$ "):
        return block
    return re.match(r"\$ ((?:.*\\\n)*.*\n)", block)[1]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each call prints."""
    programs = tmp_path_factory.mktemp("bin")
    (programs / "meterline").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m engine "$@"\n', encoding="utf-8"
    )
    (programs / "meterline").chmod(0o755)
    serve, *before = FIRST.splitlines()
    assert serve == "meterline serve --http-listen 127.0.0.1:7080 &"
    blocks = ["\n".join(before), *map(_command, CALLS)]
    script = "".join(f"{each}\necho '{_END}'\n" for each in blocks)
    data = tmp_path_factory.mktemp("engine") / "data"
    with EngineProcess(data, "--http-listen", "127.0.0.1:0") as running:
        env = {"METERLINE_API_KEY": running.api_key, "METERLINE_TARGET": running.target}
        done = subprocess.run(
            ["bash", "-euc", script.replace("localhost:7080", f"127.0.0.1:{running.http_port}")],
            cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
            env=os.environ | env | {"PATH": f"{programs}:{os.environ['PATH']}"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [each.strip() for each in done.stdout.split(_END)[1:-1]]


def test_every_call_of_the_page_is_answered_as_the_page_says(answers):
    """Each by what it asked for: a customer's spend, an event that counts, a customer that is made, a refusal."""
    assert len(CALLS) == 5
    spend, recorded, created, refused, cloud_event = answers
    assert [each["customer_id"] for each in json.loads(spend)["spends"]] == ["acme"]
    assert json.loads(recorded)["verdicts"] == ["VERDICT_ACCEPTED"]
    assert json.loads(created)["customer"]["id"] == "corn"
    assert refused == CALLS[3].splitlines()[-1]
    assert json.loads(cloud_event)["verdicts"] == ["VERDICT_ACCEPTED"]
