"""`meterline amend`: recorded events that are to count as something else."""

from datetime import datetime
from typing import Any

import click

from engine.cli.corrections.correcting import correct
from engine.cli.corrections.correction_options import (
    PairType,
    chosen_by_id,
    chosen_by_selection,
    pairs,
    signed,
)
from engine.cli.terminal.connection import INSTANT_HELP, CommandError, InstantType, target_option, timestamp
from engine.cli.terminal.option_text import TextType
from meterline.v1.correction_pb2 import AmendUsage


@click.command(epilog=INSTANT_HELP)
@chosen_by_id
@chosen_by_selection
@click.option(
    "--set", "set_", type=PairType(), multiple=True, metavar="NAME=VALUE", help="Set a property; repeatable."
)
@click.option(
    "--remove",
    type=TextType("a property"),
    multiple=True,
    metavar="NAME",
    help="Remove a property; repeatable.",
)
@click.option(
    "--to-customer",
    type=TextType("a customer"),
    metavar="ID",
    help="With --event-id: move it to this customer.",
)
@click.option(
    "--to-time", type=InstantType(), metavar="INSTANT", help="With --event-id: move it to this event time."
)
@signed
@target_option
def amend(
    set_: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
    to_customer: str | None,
    to_time: datetime | None,
    **options: Any,  # noqa: ANN401 - click's own
) -> None:
    """Amend recorded events: from now on they count with other properties, for another customer or at another time.

    Events are chosen, shown and asked about as for `meterline void`; `meterline undo` makes them count as before.
    """
    for given, option in ((to_customer, "--to-customer"), (to_time, "--to-time")):
        if given and not options["event_ids"]:
            raise CommandError(f"{option} moves events that are named with --event-id")
    if not (set_ or remove or to_customer or to_time):
        raise CommandError("nothing would change: give --set, --remove, --to-customer or --to-time")
    change = AmendUsage(
        set_properties=pairs(set_, "--set"),
        remove_properties=remove,
        customer_id=to_customer or "",
        event_time=timestamp(to_time),
    )
    correct("amend", options, lambda request: request.amend.CopyFrom(change))
