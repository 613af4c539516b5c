"""`meterline expire`: raw events of closed periods deleted."""

from datetime import datetime

import click

from engine.cli.connection import InstantType, connected, target_option, timestamp
from meterline.v1.retention_pb2 import ExpireUsageRequest
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
@target_option
def expire(before: datetime, *, dry_run: bool, target: str) -> None:
    """Delete the raw events of closed periods, for ever.

    What they came to stays, by hours, for every meter that the catalog ever had: it is compared with the events before
    they go, and answers the same afterwards. What it can't answer is an error. From now on events of that time are
    rejected. Run it again if it breaks off. How long events are kept at least: meterline serve --raw-events-days-min.
    """
    request = ExpireUsageRequest(before=timestamp(before), dry_run=dry_run)
    with connected(target) as channel:
        response = RetentionServiceStub(channel).ExpireUsage(request, timeout=_TIMEOUT_S)
    done = "would delete" if dry_run else "deleted"
    click.echo(
        f"{done} {response.event_count:,} raw events before {before.date()} of {response.customer_count:,} customers, "
        f"about {response.size_bytes / _MIB:,.1f} MiB on disk"
    )
    if response.kept_customer_count:
        click.echo(
            f"kept those of {response.kept_customer_count:,} customers: a billing period cuts an hour, "
            "or usage was corrected after it had expired"
        )
