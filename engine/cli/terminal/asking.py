"""The question that a command asks before it does what can't be taken back, or would be a surprise."""

import sys

import click

from engine.cli.terminal.connection import CommandError


def is_to_ask(*, dry_run: bool, yes: bool, expect: int | None) -> bool:
    """Whether a person must agree first.

    Raises:
        CommandError: one must, and there is nobody to ask.
    """
    if dry_run or yes or expect is not None:
        return False
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked: look with --dry-run, then say --yes or --expect N")
    return True


def ask(question: str, otherwise: str) -> None:
    """Raises CommandError, which says `otherwise`, unless the answer is yes."""
    if not click.confirm(question):
        raise CommandError(otherwise)
