"""`meterline void`: recorded events that are to count no more."""

from typing import Any

import click

from engine.cli.corrections.correcting import correct
from engine.cli.corrections.correction_options import chosen_by_id, chosen_by_selection, signed
from engine.cli.terminal.connection import INSTANT_HELP, target_option


@click.command(epilog=INSTANT_HELP)
@chosen_by_id
@chosen_by_selection
@signed
@target_option
def void(**options: Any) -> None:  # noqa: ANN401 - click's own
    """Void recorded events: they count no more.

    Name them with --event-id, or select all that count in a period with --from and --to. Without --yes or --expect
    what would change is shown first, and asked about. Nothing is deleted: `meterline undo` makes them count again.
    """
    correct("void", options, lambda request: request.void.SetInParent())
