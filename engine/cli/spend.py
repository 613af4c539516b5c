"""`meterline spend`: who has spent what."""

from datetime import datetime

import click
from rich.console import Console

from engine.cli.connection import TIMEOUT_S, as_of_option, at_option, connected, target_option, timestamp
from engine.cli.show import instant, spend_table
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub


@click.command()
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many customers."
)
@at_option
@as_of_option
@target_option
def spend(top: int, at: datetime | None, as_of: datetime | None, target: str) -> None:
    """Show the customers who spend most in their current billing period."""
    request = ListSpendRequest(limit=top, at=timestamp(at), as_of=timestamp(as_of))
    with connected(target) as channel:
        response = SpendServiceStub(channel).ListSpend(request, timeout=TIMEOUT_S)
    console = Console(highlight=False)
    console.print(spend_table(response.spends, response.totals))
    console.print(
        f"as of {instant(response.as_of)}, catalog revision {response.catalog_revision}", style="dim"
    )
