"""`meterline expire`: raw events of closed periods deleted, after a look at what would go."""

from datetime import datetime

import click

from engine.cli.corrections.correcting import ask, is_to_ask
from engine.cli.corrections.correction_tables import events_text
from engine.cli.terminal.connection import CommandError, connected
from engine.cli.terminal.options import InstantType, target_option, timestamp
from engine.cli.terminal.text import counted
from meterline.v1.retention_pb2 import ExpireUsageRequest, ExpireUsageResponse
from meterline.v1.retention_pb2_grpc import RetentionServiceStub

# All usage of the stretch is read twice: hours for some hundred million events.
_TIMEOUT_S = 24 * 3_600
_MIB = 1024 * 1024


@click.command()
@click.option(
    "--before",
    type=InstantType(),
    required=True,
    metavar="INSTANT",
    help="The first of a month, UTC: every period before it is closed.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option(
    "--expect",
    type=click.IntRange(min=0),
    metavar="N",
    help="Delete without asking, if a look just before finds exactly N events.",
)
@target_option
def expire(before: datetime, *, dry_run: bool, yes: bool, expect: int | None, target: str) -> None:
    """Delete the raw events of closed periods, for ever.

    Without --yes or --expect what would go is shown first, and asked about: there is no way back.

    What they came to stays, by hours, for every meter that the catalog ever had: it is compared with the events before
    they go, and answers the same afterwards. What it can't answer is an error. From now on events of that time are
    rejected. Run it again if it breaks off. How long events are kept at least: meterline serve --raw-events-days-min.
    """
    asks = is_to_ask(dry_run=dry_run, yes=yes, expect=expect)
    with connected(target) as channel:
        stub = RetentionServiceStub(channel)
        if dry_run or asks or expect is not None:
            trial = ExpireUsageRequest(before=timestamp(before), dry_run=True)
            found = stub.ExpireUsage(trial, timeout=_TIMEOUT_S)
            if expect is not None and found.event_count != expect:
                raise CommandError(
                    f"{events_text(found.event_count)} would go, not {expect:,}: nothing was deleted"
                )
            if dry_run or asks:
                _show("would delete", before, found)
        if dry_run:
            return
        if asks:
            ask(f"delete {events_text(found.event_count)} for ever?", "nothing was deleted")
        click.echo(
            "deleting: waits 5 s until every gateway refuses events of that time, compares rollups with the events, "
            "then waits 10 s until every read knows what has expired",
            err=True,
        )
        response = stub.ExpireUsage(ExpireUsageRequest(before=timestamp(before)), timeout=_TIMEOUT_S)
    _show("deleted", before, response)


def _show(done: str, before: datetime, response: ExpireUsageResponse) -> None:
    click.echo(
        f"{done} {counted(response.event_count, 'raw event')} before {before.date()} "
        f"of {counted(response.customer_count, 'customer')}, about {response.size_bytes / _MIB:,.1f} MiB on disk"
    )
    if response.kept_customer_count:
        click.echo(
            f"kept those of {counted(response.kept_customer_count, 'customer')}: a billing period cuts an hour, it has aliases, "
            "or usage was corrected after it had expired"
        )
