"""`meterline spend --watch`: a line each time that a customer's spend changes."""

import click
from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.message_json import message_line
from engine.cli.terminal.connection import connected
from engine.cli.terminal.text import instant
from meterline.v1.spend_pb2 import GetSpendResponse, WatchSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub


def watch_spend(target: str, customer: str, at: Timestamp | None, *, as_json: bool) -> None:
    """Until somebody interrupts it, or the engine ends."""
    with connected(target) as channel:
        for answer in SpendServiceStub(channel).WatchSpend(WatchSpendRequest(customer_id=customer, at=at)):
            if answer.HasField("spend"):
                click.echo(message_line(answer.spend) if as_json else _line(answer.spend))


def _line(spend: GetSpendResponse) -> str:
    sums = [
        f"{each.amount} {each.currency}, due {each.settled.due}{', incomplete' if each.incomplete else ''}"
        for each in spend.spends
    ]
    return f"{instant(spend.as_of)}  {'; '.join(sums) or 'no spend'}"
