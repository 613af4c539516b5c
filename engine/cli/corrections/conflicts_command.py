"""`meterline conflicts` and `reconcile`: event ids that were used for more than one event."""

from datetime import datetime

import click

from engine.api.message_json import message_line
from engine.cli.corrections.correction_tables import conflicts_table, events_text
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    check_period,
    json_option,
    period_options,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import footer, visible
from meterline.v1.correction_pb2 import ListConflictsRequest, ReconcileUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub

# The ids of the whole log are read: some seconds for each hundred million events, and a few times that when busy.
_RECONCILE_TIMEOUT_S = 3_600


@click.command()
@click.option("--event-id", type=TextType("an event"), metavar="ID", help="Only this id.")
@json_option
@target_option
def conflicts(event_id: str | None, as_json: bool, target: str) -> None:
    """Show the event ids that were used for more than one event: what stands, and what was voided.

    An id that the engine remembers is refused at once. One that it doesn't, because it is old or another gateway
    took it, is accepted first and found later: the event that was ingested first stands, the others are void.
    """
    request = ListConflictsRequest(event_id=event_id or "")
    with connected(target) as channel:
        answer = list(pages(CorrectionServiceStub(channel).ListConflicts, request))
    found = [conflict for page in answer for conflict in page.conflicts]
    if as_json:
        for conflict in found:
            click.echo(message_line(conflict))
        return
    if found:
        conflicts_table(found).show()
    else:
        used = "no id was used" if event_id is None else f"the id '{visible(event_id)}' was not used"
        click.echo(f"{used} for two stored events (what was voided by hand: meterline corrections)")
    click.echo(footer(answer[-1].as_of))


@click.command(epilog=INSTANT_HELP)
@period_options(InstantType())
@target_option
def reconcile(start: datetime, end: datetime, target: str) -> None:
    """Look at every event of a period for an id that was used twice, and void what came later.

    The engine does this in the background, some time after an event came in. This is at once, and for every event of
    the period that is stored.
    """
    check_period(start, end)
    request = ReconcileUsageRequest(period_start=timestamp(start), period_end=timestamp(end))
    with connected(target) as channel:
        response = CorrectionServiceStub(channel).ReconcileUsage(request, timeout=_RECONCILE_TIMEOUT_S)
    click.echo(f"looked at {events_text(response.event_count)}, voided {response.voided_event_count:,}")
    click.echo(footer(response.as_of))
