"""`meterline corrections`: who corrected what, when and why."""

from collections.abc import Iterator
from typing import Any

import click
import grpc

from engine.api.message_json import message_line
from engine.cli.corrections.correction_tables import corrections_table, events_table
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import TextType, json_option, limit_option, target_option
from engine.cli.terminal.tables import show_found
from engine.cli.terminal.text import footer
from meterline.v1.correction_pb2 import GetCorrectionRequest, ListCorrectionsRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub


@click.command()
@click.argument("correction_id", type=TextType("a correction"), required=False, metavar="[CORRECTION_ID]")
@limit_option("corrections, or events of one")
@json_option
@target_option
def corrections(correction_id: str | None, limit: int, as_json: bool, target: str) -> None:
    """List corrections, the newest first; or show one with its events, as they were and as they are."""
    with connected(target) as channel:
        if correction_id is None:
            _list(channel, limit, as_json)
        else:
            _show(channel, correction_id, limit, as_json)


def _list(channel: grpc.Channel, limit: int, as_json: bool) -> None:
    stub = CorrectionServiceStub(channel)
    first, found = _some(pages(stub.ListCorrections, ListCorrectionsRequest()), "corrections", limit)
    show_found(found, corrections_table, "no correction was recorded", as_json=as_json)
    if not as_json:
        click.echo(footer(first.as_of))


def _show(channel: grpc.Channel, correction_id: str, limit: int, as_json: bool) -> None:
    stub, request = CorrectionServiceStub(channel), GetCorrectionRequest(correction_id=correction_id)
    first, events = _some(pages(stub.GetCorrection, request), "events", limit)
    correction = first.correction
    if as_json:
        for each in (correction, *events):
            click.echo(message_line(each))
        return
    corrections_table([correction]).show()
    click.echo()
    events_table(events).show()
    if correction.event_count > len(events):
        click.echo(f"and {correction.event_count - len(events):,} more events: ask for them with --limit")
    click.echo(footer(first.as_of))


def _some(answer: Iterator[Any], field: str, limit: int) -> tuple[Any, list[Any]]:
    """The first page, and at most so many of what the pages list in `field`; no more pages than that takes."""
    first = next(answer)
    found = list(getattr(first, field))
    while len(found) < limit and (page := next(answer, None)) is not None:
        found += getattr(page, field)
    return first, found[:limit]
