"""`meterline events`: the events behind a number."""

from collections.abc import Iterator
from typing import Any

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    as_of_option,
    json_option,
    revision_option,
    target_option,
)
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import day, footer, instant, visible
from engine.cli.usage.event_question import EventOptions
from meterline.v1.events_pb2 import ListEventsResponse, RecordedEvent
from meterline.v1.events_pb2_grpc import EventServiceStub

_LIMIT_DEFAULT = 100
_PAGE_SIZE_MAX = 1_000
# A listing of everybody's events looks through the whole log for each page.
_TIMEOUT_S = 600


@click.command(epilog=INSTANT_HELP)
@click.option(
    "--customer",
    "customers",
    type=TextType("a customer"),
    multiple=True,
    metavar="ID",
    help="Of this customer; repeatable. Default: of all.",
)
@click.option("--event-type", type=TextType("a type"), metavar="TYPE", help="Of this type.")
@click.option(
    "--event-id",
    "event_ids",
    type=TextType("an event"),
    multiple=True,
    metavar="ID",
    help="With this id; repeatable.",
)
@click.option("--from", "start", type=InstantType(), metavar="INSTANT", help="From this event time on.")
@click.option(
    "--to", "end", type=InstantType(), metavar="INSTANT", help="Up to this event time; not part of it."
)
@click.option(
    "--meter",
    type=TextType("a meter"),
    metavar="ID",
    help="What this meter counts in the period from --from to --to.",
)
@click.option(
    "--line",
    type=TextType("a line item"),
    metavar="ID",
    help="What is behind this line: INV-000001/2, or a draft's line_item_id in `meterline lines --json`.",
)
@click.option(
    "--at",
    type=InstantType(),
    metavar="INSTANT",
    help="With --line: its billing period is the one that contains this. Default: now.",
)
@click.option(
    "--correction",
    type=TextType("a correction"),
    metavar="ID",
    help="What this correction is about, also what is void.",
)
@click.option("--voided", is_flag=True, help="Also what is void, with the correction that voided it.")
@as_of_option
@revision_option("With --meter or --line: the catalog as it was at this revision.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=None,
    help=f"At most so many events. Default: {_LIMIT_DEFAULT}, and all of them with --json.",
)
@json_option
@target_option
def events(limit: int | None, as_json: bool, target: str, **asked: Any) -> None:  # noqa: ANN401 - the fields of EventOptions
    """Show events as they are stored: those that count, each once, as corrections left them.

    With --line they are the events that the line is made from: as many as its event count says. They come by
    event time. The line below them (on standard error with --json) says as of when they counted.
    """
    options = EventOptions(**asked)
    limit = limit or (None if as_json else _LIMIT_DEFAULT)
    with connected(target) as channel:
        request = options.request(channel)
        # One more than are shown tells whether there are others.
        request.page_size = _PAGE_SIZE_MAX if limit is None else min(limit + 1, _PAGE_SIZE_MAX)
        answer = pages(EventServiceStub(channel).ListEvents, request, timeout_s=_TIMEOUT_S)
        if as_json:
            last = _write(answer, limit)
        else:
            last = _show(
                answer, limit or _LIMIT_DEFAULT, marked=options.voided or options.correction is not None
            )
    for each in last.expired:
        click.echo(
            f"events of {visible(each.event_type)} before {day(each.expired_before)} have expired and can't be listed; "
            "what they came to is kept",
            err=as_json,
        )
    click.echo(footer(last.as_of, last.catalog_revision or None), err=as_json)


def _write(answer: Iterator[ListEventsResponse], limit: int | None) -> ListEventsResponse:
    count = 0
    while True:
        page = next(answer)
        for event in page.events:
            if count == limit:
                return page
            click.echo(message_line(event))
            count += 1
        if not page.next_page_token:
            return page


def _show(answer: Iterator[ListEventsResponse], limit: int, *, marked: bool) -> ListEventsResponse:
    found: list[RecordedEvent] = []
    for page in answer:
        found += page.events
        if len(found) > limit or not page.next_page_token:
            break
    if found:
        _table(found[:limit], marked=marked).show()
    else:
        click.echo("no events")
    if len(found) > limit:
        click.echo("and more: ask for them with --limit, or for all of them with --json")
    return page


def _table(events_shown: list[RecordedEvent], *, marked: bool) -> TextTable:
    state = ["state"] if marked else []
    table = TextTable("event time", "event_id", "customer", "event type", "ingested", *state, "properties")
    for each in events_shown:
        cells = [
            instant(each.event_time),
            each.event_id,
            each.customer_id,
            each.event_type,
            instant(each.ingested_at),
        ]
        if marked:
            cells.append(_state(each))
        cells.append(", ".join(f"{name}={text}" for name, text in sorted(each.properties.items())))
        table.add(*cells)
    return table


def _state(event: RecordedEvent) -> str:
    if not event.HasField("voided"):
        return "counts"
    by = event.voided.correction_id
    return f"void by {by}" if by else "void: id used before"
