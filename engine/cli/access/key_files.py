"""Where the text of a new key goes: to standard output, or to a file for its owner alone, whole or not at all.

A shell's `>` empties the file before the command has read its own key from it, and leaves it for everybody to read.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from engine.cli.terminal.files import FileType, written_whole

key_file_option = click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Write the key there instead of standard output: whole or not at all, for the file's owner alone (0600).",
)


@contextlib.contextmanager
def key_kept(output: Path | None) -> Iterator[Callable[[str], object]]:
    """Takes the text of one key. A file is known to be writable before the block makes the key, and has it when the
    block ends well.

    Raises:
        CommandError: it can't be written.
    """
    if output is None:
        yield click.echo
        return
    with written_whole(output, private=True) as file:
        yield lambda text: file.write(f"{text}\n".encode())


def where_it_is(output: Path | None) -> str:
    """For the line about a key that can't be shown again."""
    return "keep it, it can't be shown again" if output is None else f"it is in {output}"
