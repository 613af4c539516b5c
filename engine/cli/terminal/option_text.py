"""The text of an option, which is never empty.

`--customer "$CUSTOMER"` with a variable that is not set would ask for everybody, or correct what everybody used: an
empty text is refused, and never read as an option that was left out.
"""

import click

from engine.cli.terminal.connection import CommandError


class TextType(click.ParamType[str]):
    """A text that says something; `what` it names stands in the line that refuses an empty one."""

    name = "text"

    def __init__(self, what: str) -> None:
        self._what = what

    def convert(
        self,
        value: str,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - click's own
    ) -> str:
        """Raises CommandError for an empty text."""
        if value:
            return value
        if isinstance(param, click.Argument):
            raise CommandError(f"{option_name(param)} is empty: name {self._what}")
        raise CommandError(f"{option_name(param)} is empty: name {self._what}, or leave the option out")


def option_name(param: click.Parameter | None) -> str:
    """As a person writes it: the long form of an option, the word of an argument in the usage line."""
    if isinstance(param, click.Argument):
        return param.human_readable_name.strip("[].")
    return param.opts[-1] if param is not None else "it"
