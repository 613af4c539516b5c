"""`meterline conflicts`: event ids that were used for more than one event."""

from collections.abc import Iterator

import click
import grpc
from rich.table import Table

from engine.cli.corrections.correction_show import version_cells
from engine.cli.terminal.connection import TIMEOUT_S, connected, target_option
from engine.cli.terminal.message_json import json_fields, json_line
from engine.cli.terminal.option_text import TextType
from engine.cli.terminal.show import footer, instant, print_table, visible
from meterline.v1.correction_pb2 import Conflict, EventVersion, ListConflictsRequest, ListConflictsResponse
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub


@click.command()
@click.option("--event-id", type=TextType("an event"), metavar="ID", help="Only this id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@target_option
def conflicts(event_id: str | None, as_json: bool, target: str) -> None:
    """Show the event ids that were used for more than one event: what stands, and what was voided.

    An id that the engine remembers is refused at once. One that it doesn't, because it is old or another gateway
    took it, is accepted first and found later: the event that was ingested first stands, the others are void.
    """
    request = ListConflictsRequest(event_id=event_id or "")
    with connected(target) as channel:
        pages = list(_pages(channel, request))
    found = [conflict for page in pages for conflict in page.conflicts]
    if as_json:
        for conflict in found:
            click.echo(json_line(json_fields(conflict)))
        return
    if found:
        print_table(_table(found))
    else:
        used = "no id was used" if event_id is None else f"the id '{visible(event_id).plain}' was not used"
        click.echo(f"{used} for two stored events (what was voided by hand: meterline corrections)")
    click.echo(footer(pages[-1].as_of))


def _pages(channel: grpc.Channel, request: ListConflictsRequest) -> Iterator[ListConflictsResponse]:
    stub = CorrectionServiceStub(channel)
    while True:
        response = stub.ListConflicts(request, timeout=TIMEOUT_S)
        yield response
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token


def _table(found: list[Conflict]) -> Table:
    columns = ("event_id", "", "ingested", "event time", "customer", "event type", "properties")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for conflict in found:
        _add(table, conflict.event_id, "stands", conflict.stands)
        _add(table, "", "restored" if conflict.restored else "void", conflict.voided)
    return table


def _add(table: Table, event_id: str, state: str, version: EventVersion) -> None:
    table.add_row(
        visible(event_id),
        state,
        instant(version.ingested_at) if version.HasField("ingested_at") else "expired",
        *version_cells(version),
    )
