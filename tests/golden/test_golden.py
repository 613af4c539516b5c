"""What the engine answers is what the golden files say; what differs is shown, and `make golden` takes it over."""

import difflib
import itertools

import pytest

from tests.golden.record import FILES, RECORDINGS, recorded

_SHOWN_LINES_MAX = 60
_SHOWN_CHARS_MAX = 300
_SHOWN_BEFORE_CHARS = 60


# Hundreds of commands, each a process: minutes on a busy machine.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", RECORDINGS)
def test_the_answers_are_those_of_the_golden_files(name):
    """Of every model and aggregation, of the demo, the help of every command, and what the chart makes."""
    expected = {
        path.relative_to(FILES).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((FILES / name).iterdir())
    }
    actual = recorded(name)
    shown = [
        line[:_SHOWN_CHARS_MAX]
        for file in sorted(expected.keys() | actual.keys())
        for line in _difference(file, expected.get(file, ""), actual.get(file, ""))
    ]
    if shown:
        text = "\n".join(shown)
        pytest.fail(
            f"answers differ from tests/golden/files/{name}:\n{text}\n"
            "if that is meant: make golden, look at `git diff`, and say it in CHANGELOG.md",
            pytrace=False,
        )


def _difference(file, expected, actual):
    """Like a unified diff without context; of a long line, what is around its first difference."""
    before, now = expected.splitlines(), actual.splitlines()
    lines = []
    for what, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        lines.append(f"{file}, line {i1 + 1}:")
        for was, is_now in itertools.zip_longest(before[i1:i2], now[j1:j2]):
            pairs = enumerate(zip(was or "", is_now or "", strict=False))
            differs = next((place for place, (one, other) in pairs if one != other), 0)
            start = max(0, differs - _SHOWN_BEFORE_CHARS)
            lines += [] if was is None else [f"- {was[start:]}"]
            lines += [] if is_now is None else [f"+ {is_now[start:]}"]
    if len(lines) > _SHOWN_LINES_MAX:
        return [*lines[:_SHOWN_LINES_MAX], f"... and {len(lines) - _SHOWN_LINES_MAX:,} lines more in {file}"]
    return lines
