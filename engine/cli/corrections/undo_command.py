"""`meterline undo`: a correction that is to hold no more."""

from typing import Any

import click

from engine.cli.corrections.correcting import send
from engine.cli.corrections.correction_options import signature_of, signed
from engine.cli.terminal.connection import target_option
from engine.cli.terminal.option_text import TextType
from meterline.v1.correction_pb2 import UndoCorrectionRequest


@click.command()
@click.argument("undone", type=TextType("a correction"), metavar="CORRECTION_ID")
@signed
@target_option
def undo(undone: str, **options: Any) -> None:  # noqa: ANN401 - click's own
    """Undo a correction: its events count as they did before it. `meterline corrections` lists them.

    An undoing is a correction of its own, and can be undone. What was corrected later on one of the events is undone
    first.
    """
    request = UndoCorrectionRequest(
        signature=signature_of(options), correction_id=undone, dry_run=options["dry_run"]
    )
    if options["expect"] is not None:
        request.expected_event_count = options["expect"]
    send("undo the correction of", options, request)
