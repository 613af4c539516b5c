"""Where an answer goes, and in which form: a table for people, or CSV and JSON lines for programs.

Rules:
1. The columns follow from the question alone, not from the rows: an answer without rows has the same.
2. An absent value is nothing in CSV (an empty text is ""), and no key in JSON.
3. No number is ever a binary float: quantities and amounts are text.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

from engine.api.message_json import JsonFields, json_line
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.options import Decorator, together

_Page = TypeVar("_Page")
Cells = Iterable[str | None]
_FORMS_OF = {
    ".csv": ("csv",),
    ".json": ("json",),
    ".ndjson": ("ndjson", "json"),
    ".jsonl": ("ndjson", "json"),
    ".parquet": ("parquet",),
}


def output_options(*forms: str) -> Decorator:
    """`--format`, `--json` and `--output`, for what `chosen_form` and `opened` take."""
    return together(
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["table", *forms]),
            help="json is one object a line. Default: by the name of FILE, or else table.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
        click.option(
            "-o",
            "--output",
            type=FileType(path_type=Path),
            metavar="FILE",
            help="Write there instead of standard output: the whole answer, or nothing.",
        ),
    )


def chosen_form(forms: Sequence[str], output_format: str | None, as_json: bool, output: Path | None) -> str:
    """Table, or one of these forms. Raises CommandError where the options contradict each other."""
    if as_json and output_format not in (None, "json"):
        raise CommandError(f"--json and --format {output_format} exclude each other")
    suffix = "" if output is None else output.suffix.lower()
    named = [form for form in _FORMS_OF.get(suffix, ()) if form in forms]
    form = "json" if as_json else output_format
    if output is None:
        form = form or "table"
    elif form is None and not named:
        raise CommandError(f"{output}: its name doesn't say what to write: give --format {_either(forms)}")
    form = form or named[0]
    if form == "table" and output is not None:
        raise CommandError(f"--format table is for people: write {_either(forms)} to a file")
    if named and form not in named:
        raise CommandError(f"{output}: its name says {named[0]}, and the options {form}: change one of them")
    if form == "parquet" and output is None:
        raise CommandError("--format parquet needs a file: name it with -o FILE")
    return form


def _either(forms: Sequence[str]) -> str:
    return f"{', '.join(forms[:-1])} or {forms[-1]}"


@contextlib.contextmanager
def opened(output: Path | None, *, private: bool = False) -> Iterator[BinaryIO]:
    """The file, whole or not at all; or standard output. `private`: for its owner alone."""
    if output is not None:
        with written_whole(output, private=private) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def write_csv(
    file: BinaryIO,
    answer: Iterator[_Page],
    columns: Callable[[_Page], Iterable[str]],
    rows: Callable[[_Page], Iterable[Cells]],
) -> _Page:
    """Writes a header and the rows of each page; gives the last page."""
    first = last = next(answer)
    file.write(csv_line(columns(first)).encode())
    for last in chain([first], answer):
        file.write("".join(map(csv_line, rows(last))).encode())
    return last


def write_json(
    file: BinaryIO, answer: Iterator[_Page], rows: Callable[[_Page], Iterable[JsonFields]]
) -> _Page:
    """Writes the rows of each page, one object a line; gives the last page."""
    first = last = next(answer)
    for last in chain([first], answer):
        file.write("".join(f"{json_line(fields)}\n" for fields in rows(last)).encode())
    return last
