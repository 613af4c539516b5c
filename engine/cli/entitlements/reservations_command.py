"""`meterline reservations`: what running work holds of limits, and what became of it."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import click

from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import grouped, instant
from meterline.v1.entitlements_pb2 import (
    RESERVATION_STATE_COMMITTING,
    RESERVATION_STATE_PENDING,
    ListReservationsRequest,
    Reservation,
    ReservationState,
)
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub

_LIMIT_DEFAULT: Final = 100
_PAGE_SIZE_MAX: Final = 1_000


@click.command()
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only this customer's.")
@click.option("--all", "every", is_flag=True, help="Those of the last 35 days that have ended, too.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_LIMIT_DEFAULT,
    show_default=True,
    help="How many at most, the newest first.",
)
@json_option
@target_option
def reservations(customer: str | None, limit: int, *, every: bool, as_json: bool, target: str) -> None:
    """List reservations of limits: what running work holds.

    The newest are first.
    """
    states = [] if every else [RESERVATION_STATE_PENDING, RESERVATION_STATE_COMMITTING]
    request = ListReservationsRequest(
        customer_id=customer or "", states=states, page_size=min(limit, _PAGE_SIZE_MAX)
    )
    with connected(target) as channel:
        found = pages(EntitlementServiceStub(channel).ListReservations, request)
        listed = list(islice((each for page in found for each in page.reservations), limit))
    show_found(listed, _table, "nothing is reserved", as_json=as_json)


def _table(found: Iterable[Reservation]) -> TextTable:
    numbers = map(NumberColumn, ("reserved", "committed"))
    table = TextTable("reservation", "customer", "limit", "state", *numbers, "expires")
    for each in found:
        state = ReservationState.Name(each.state).removeprefix("RESERVATION_STATE_").lower()
        table.add(
            *(each.reservation_id, each.customer_id, each.limit, state, grouped(each.quantity)),
            grouped(each.committed_quantity) if each.committed_quantity else "",
            instant(each.expires_at),
        )
    return table
