"""The command line. One file for each command; what they share is in connection and show."""

import importlib.metadata

import click

from engine.cli.apply import apply
from engine.cli.catalog import catalog
from engine.cli.lines import lines
from engine.cli.quote import quote
from engine.cli.serve import serve
from engine.cli.spend import spend


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("meterline"), prog_name="meterline")
def cli() -> None:
    r"""Meterline: usage metering and rating.

    \b
    meterline serve --data DIR          run the engine
    meterline apply -f examples/llm.yaml  tell it what is metered and what it costs
    meterline spend                     who has spent what, right now
    meterline lines --customer ID       the rated line items, tier by tier

    A command that fails prints one line that says why, and exits with 2.
    """


for command in (serve, apply, catalog, spend, lines, quote):
    cli.add_command(command)
