"""Tables for people: as wide as their content, since a number that is cut short or broken in two would be a wrong one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click
from google.protobuf.message import Message
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from engine.api.message_json import message_line
from engine.cli.terminal.text import visible

_Found = TypeVar("_Found", bound=Message)

# Wider than any row: properties of an event may take some hundred thousand bytes.
_WIDTH_MAX = 1_000_000


class NumberColumn(str):
    """The name of a column of numbers, which stand to the right."""

    __slots__ = ()


class TextTable:
    """Rows of text below their columns' names. A producer's text in a cell is made visible here."""

    def __init__(self, *columns: str) -> None:
        self._table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            self._table.add_column(
                Text(visible(name)),
                justify="right" if isinstance(name, NumberColumn) else "left",
                no_wrap=True,
            )

    def add(self, *cells: str | Text, style: str = "") -> None:
        """A row, in `style`; a cell that is a Text has its own."""
        shown = (cell if isinstance(cell, Text) else Text(visible(cell)) for cell in cells)
        self._table.add_row(*shown, style=style)

    def show(self, title: str = "") -> None:
        """Prints the table below its title. In a pipe no line has blanks at its end."""
        if title:
            click.echo(visible(title).rstrip())
        console = Console(highlight=False, width=_WIDTH_MAX)
        if console.is_terminal:
            console.print(self._table)
            return
        with console.capture() as printed:
            console.print(self._table)
        for line in printed.get().splitlines():
            click.echo(line.rstrip())

    def __rich__(self) -> RenderableType:
        return self._table


def show_found(
    found: Sequence[_Found],
    table_of: Callable[[Sequence[_Found]], TextTable],
    nothing: str,
    *,
    as_json: bool,
) -> None:
    """What a listing found: JSON, one object a line, or a table; `nothing` says that there is none."""
    if as_json:
        for each in found:
            click.echo(message_line(each))
    elif found:
        table_of(found).show()
    else:
        click.echo(nothing)
