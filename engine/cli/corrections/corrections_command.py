"""`meterline corrections`: who corrected what, when and why."""

from collections.abc import Iterator

import click
import grpc

from engine.cli.corrections.correction_show import corrections_table, events_table
from engine.cli.terminal.connection import TIMEOUT_S, connected, target_option
from engine.cli.terminal.message_json import json_fields, json_line
from engine.cli.terminal.option_text import TextType
from engine.cli.terminal.show import footer, print_table
from meterline.v1.correction_pb2 import (
    GetCorrectionRequest,
    GetCorrectionResponse,
    ListCorrectionsRequest,
    ListCorrectionsResponse,
)
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub

_LIMIT_DEFAULT = 100


@click.command()
@click.argument("correction_id", type=TextType("a correction"), required=False, metavar="[CORRECTION_ID]")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_LIMIT_DEFAULT,
    show_default=True,
    help="At most so many corrections, or events of one.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@target_option
def corrections(correction_id: str | None, limit: int, as_json: bool, target: str) -> None:
    """List corrections, the newest first; or show one with its events, as they were and as they are."""
    with connected(target) as channel:
        if correction_id is None:
            _list(channel, limit, as_json)
        else:
            _show(channel, correction_id, limit, as_json)


def _list(channel: grpc.Channel, limit: int, as_json: bool) -> None:
    pages = list(_pages(channel, limit))
    found = [each for page in pages for each in page.corrections][:limit]
    if as_json:
        for each in found:
            click.echo(json_line(json_fields(each)))
        return
    if found:
        print_table(corrections_table(found))
    else:
        click.echo("no correction was recorded")
    click.echo(footer(pages[0].as_of))


def _pages(channel: grpc.Channel, limit: int) -> Iterator[ListCorrectionsResponse]:
    stub, request, left = CorrectionServiceStub(channel), ListCorrectionsRequest(), limit
    while left > 0:
        page = stub.ListCorrections(request, timeout=TIMEOUT_S)
        yield page
        left -= len(page.corrections)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return


def _show(channel: grpc.Channel, correction_id: str, limit: int, as_json: bool) -> None:
    pages = list(_event_pages(channel, correction_id, limit))
    events = [each for page in pages for each in page.events][:limit]
    correction = pages[0].correction
    if as_json:
        click.echo(json_line(json_fields(correction)))
        for event in events:
            click.echo(json_line(json_fields(event)))
        return
    print_table(corrections_table([correction]))
    click.echo()
    print_table(events_table(events))
    if correction.event_count > len(events):
        click.echo(f"and {correction.event_count - len(events):,} more events: ask for them with --limit")
    click.echo(footer(pages[0].as_of))


def _event_pages(channel: grpc.Channel, correction_id: str, limit: int) -> Iterator[GetCorrectionResponse]:
    stub, request = CorrectionServiceStub(channel), GetCorrectionRequest(correction_id=correction_id)
    left = limit
    while left > 0:
        page = stub.GetCorrection(request, timeout=TIMEOUT_S)
        yield page
        left -= len(page.events)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
