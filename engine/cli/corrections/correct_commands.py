"""`meterline void`, `amend`, `restore` and `undo`: recorded events that are to count otherwise."""

from datetime import datetime
from typing import Any

import click

from engine.cli.corrections.correcting import send
from engine.cli.corrections.correction_options import (
    chosen_by_id,
    chosen_by_selection,
    request_of,
    signature_of,
    signed,
)
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    Pair,
    PairType,
    TextType,
    each_once,
    target_option,
    timestamp,
)
from meterline.v1.correction_pb2 import AmendUsage, UndoCorrectionRequest


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
    request = request_of(options)
    request.void.SetInParent()
    send("void", options, request)


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
    set_: tuple[Pair, ...],
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
        set_properties=each_once(set_, "--set"),
        remove_properties=remove,
        customer_id=to_customer or "",
        event_time=timestamp(to_time),
    )
    request = request_of(options)
    request.amend.CopyFrom(change)
    send("amend", options, request)


@click.command(epilog=INSTANT_HELP)
@chosen_by_id
@signed
@target_option
def restore(**options: Any) -> None:  # noqa: ANN401 - click's own
    """Restore an event that was voided because its id had been used before (`meterline conflicts`): both count then.

    If only one should count, void or amend the other. What a correction voided comes back with `meterline undo`.
    """
    request = request_of(options)
    request.restore.SetInParent()
    send("restore", options, request)


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
