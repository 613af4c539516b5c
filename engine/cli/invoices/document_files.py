"""A document as a file, of an invoice or a credit note: which format is meant, and where it goes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.files import FileType, written_whole

_STANDARD_OUTPUT: Final = Path("-")
_FORMATS: Final = ("pdf", "html", "json", "csv")


def document_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --format, --locale and --output, as the arguments `form`, `locale` and `output`."""
    for option in (
        click.option(
            "-o",
            "--output",
            type=FileType(path_type=Path),
            metavar="FILE",
            help="Where to write it; - is standard output. Default: NUMBER.pdf in this directory, or .html, .json, .csv.",
        ),
        click.option(
            "--locale",
            default="en",
            show_default=True,
            metavar="LOCALE",
            help="Language of pdf and html: en, de, de-AT, ...",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(_FORMATS),
            help="Default: by the name of FILE, or else pdf.",
        ),
    ):
        command = option(command)
    return command


def asked_format(form: str | None, output: Path | None) -> str:
    """As the name of a DocumentFormat. Raises CommandError."""
    named = output is not None and output != _STANDARD_OUTPUT
    chosen = form or (output.suffix.lower().removeprefix(".") if output is not None and named else "pdf")
    if chosen not in _FORMATS:
        raise CommandError(
            f"{output}: its name doesn't say what to write: give --format {'|'.join(_FORMATS)}"
        )
    return f"DOCUMENT_FORMAT_{chosen.upper()}"


def write_document(content: bytes, file_name: str, output: Path | None) -> None:
    """Whole or not at all, and says where."""
    if output == _STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
        return
    path = output or Path(file_name)
    with written_whole(path) as file:
        file.write(content)
    click.echo(f"wrote {path}")
