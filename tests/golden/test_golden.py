"""What the engine answers is what the golden files say; what differs is shown, and `make golden` takes it over."""

import difflib

import pytest

from tests.golden.record import FILES, RECORDINGS, recorded

_SHOWN_LINES_MAX = 60
_SHOWN_CHARS_MAX = 600


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_answers_are_those_of_the_golden_files(name):
    """Of every model and aggregation, of the demo, and the help of every command."""
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
    lines = [
        line
        for each in difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), file, "now", n=0, lineterm=""
        )
        for line in ([each] if len(each) < _SHOWN_CHARS_MAX else _parts(each))
    ]
    if len(lines) > _SHOWN_LINES_MAX:
        return [*lines[:_SHOWN_LINES_MAX], f"... and {len(lines) - _SHOWN_LINES_MAX:,} lines more in {file}"]
    return lines


def _parts(line):
    """A long line of JSON in pieces, each with the sign of the line, so that what differs is near the eye."""
    sign, text = line[0], line[1:]
    return [
        sign + text[first : first + _SHOWN_CHARS_MAX - 1]
        for first in range(0, len(text), _SHOWN_CHARS_MAX - 1)
    ]
