"""`meterline reconcile`: the event ids of a period settled now."""

from datetime import datetime

import click

from engine.cli.corrections.correction_show import events_text
from engine.cli.terminal.connection import (
    INSTANT_HELP,
    InstantType,
    check_period,
    connected,
    target_option,
    timestamp,
)
from engine.cli.terminal.show import footer
from meterline.v1.correction_pb2 import ReconcileUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub

# The ids of the whole log are read: some seconds for each hundred million events, and a few times that when busy.
_TIMEOUT_S = 3_600


@click.command(epilog=INSTANT_HELP)
@click.option(
    "--from", "start", type=InstantType(), required=True, metavar="INSTANT", help="The period's start."
)
@click.option(
    "--to",
    "end",
    type=InstantType(),
    required=True,
    metavar="INSTANT",
    help="The period's end; not part of it.",
)
@target_option
def reconcile(start: datetime, end: datetime, target: str) -> None:
    """Look at every event of a period for an id that was used twice, and void what came later.

    The engine does this in the background, some time after an event came in. This is at once, and for every event of
    the period that is stored.
    """
    check_period(start, end)
    request = ReconcileUsageRequest(period_start=timestamp(start), period_end=timestamp(end))
    with connected(target) as channel:
        response = CorrectionServiceStub(channel).ReconcileUsage(request, timeout=_TIMEOUT_S)
    click.echo(f"looked at {events_text(response.event_count)}, voided {response.voided_event_count:,}")
    click.echo(footer(response.as_of))
