"""`meterline restore`: events that were voided for their id, and are to count all the same."""

from typing import Any

import click

from engine.cli.corrections.correcting import correct
from engine.cli.corrections.correction_options import chosen_by_id, signed
from engine.cli.terminal.connection import INSTANT_HELP, target_option


@click.command(epilog=INSTANT_HELP)
@chosen_by_id
@signed
@target_option
def restore(**options: Any) -> None:  # noqa: ANN401 - click's own
    """Restore an event that was voided because its id had been used before (`meterline conflicts`): both count then.

    If only one should count, void or amend the other. What a correction voided comes back with `meterline undo`.
    """
    correct("restore", options, lambda request: request.restore.SetInParent())
