"""Tables as they come out of a pipe: whole lines, whatever the width of the window, and nothing at their ends."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTE = ("quote", "-f", "examples/llm.yaml", "--plan", "developer")


@pytest.mark.parametrize("columns", ["10", "40", "1000"])
def test_a_table_in_a_pipe_is_as_wide_as_its_content(write, columns):
    """A title longer than the table stays on its line, and no line ends in blanks."""
    rows = write("usage.csv", f"customer,input\n{'a customer of a long name ' * 10},1482229\n")
    done = subprocess.run(
        [sys.executable, "-m", "engine", *QUOTE, "--csv", str(rows), "--by", "customer"],
        cwd=ROOT, env={"PATH": "", "COLUMNS": columns, "TERM": "xterm-256color"},
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    title, header, first, *_ = done.stdout.splitlines()
    assert title == ("a customer of a long name " * 10).rstrip()
    assert header.split() == ["price", "working", "quantity", "exact", "amount"]
    assert first.split()[0] == "input"
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []
    assert "\x1b" not in done.stdout
