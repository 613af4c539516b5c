"""The text of an option, which is never empty.

`--customer "$CUSTOMER"` with a variable that is not set would ask for everybody, or correct what everybody used: an
empty text is refused, and never read as an option that was left out.
"""

import click

from engine.cli.connection import CommandError


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
            raise CommandError(f"{param.human_readable_name.strip('[]')} is empty: name {self._what}")
        given = param.opts[0] if param is not None else "a text"
        raise CommandError(f"{given} is empty: name {self._what}, or leave the option out")
