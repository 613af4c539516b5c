"""How every command that corrects goes: what it would change is shown, asked about, and then recorded as shown."""

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.message_json import message_line
from engine.cli.catalog.catalog_command import applied_resources
from engine.cli.corrections.correction_tables import events_text, kind_name, show_effect
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, call_of, connected
from engine.cli.terminal.text import footer, visible
from fields import did_you_mean
from meterline.v1.correction_pb2 import (
    CorrectUsageRequest,
    CorrectUsageResponse,
    UndoCorrectionRequest,
    UndoCorrectionResponse,
)
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub

# Ids of the whole log are looked through, and up to ten years are rated twice.
_TIMEOUT_S = 600
_BEFORE_ALL = Timestamp(seconds=0)
Request = CorrectUsageRequest | UndoCorrectionRequest
Response = CorrectUsageResponse | UndoCorrectionResponse
_DONE = {"void": "voided", "amend": "amended", "restore": "restored", "undo": "undid the correction of"}


def is_to_ask(*, dry_run: bool, yes: bool, expect: int | None) -> bool:
    """Whether a person must agree before what can't be taken back, or would be a surprise, is done.

    Raises:
        CommandError: one must, and there is nobody to ask.
    """
    if dry_run or yes or expect is not None:
        return False
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked: look with --dry-run, then say --yes or --expect N")
    return True


def ask(question: str, otherwise: str) -> None:
    """Raises CommandError, which says `otherwise`, unless the answer is yes."""
    if not click.confirm(question):
        raise CommandError(otherwise)


def send(verb: str, options: Mapping[str, Any], request: Request) -> None:
    """Sends a correction, after a question unless the options say otherwise.

    Raises:
        CommandError: the engine refuses, or there is nobody to ask.
    """
    asks = is_to_ask(dry_run=options["dry_run"], yes=options["yes"], expect=options["expect"])
    with connected(options["target"]) as channel:
        # Asked first: once it is recorded, nothing may fail any more.
        notes = list(_notes(channel, request))
        if asks:
            trial = copy.deepcopy(request)
            trial.dry_run = True
            effect = _call(channel, trial).effect
            show_effect(verb, effect)
            _show_notes(notes)
            ask(f"{verb} {events_text(effect.event_count)}?", "nothing was recorded")
            request.expected_event_count = effect.event_count
        response = _call(channel, request)
    if options["as_json"]:
        click.echo(message_line(response))
        _show_notes(notes, err=True)
    elif options["dry_run"]:
        show_effect(verb, response.effect)
        _show_notes(notes)
        click.echo(f"{footer(response.as_of)}; dry run: nothing was recorded")
    else:
        correction = response.correction
        click.echo(f"{_DONE[kind_name(correction.kind)]} {events_text(correction.event_count)}")
        _show_notes(notes)
        if correction.undone_by_correction_id and not correction.in_effect:
            click.echo(f"undone since, by {visible(correction.undone_by_correction_id)}")
        click.echo(f"correction {visible(correction.signature.correction_id)}, {footer(response.as_of)}")


def _call(channel: grpc.Channel, request: Request) -> Response:
    stub = CorrectionServiceStub(channel)
    if isinstance(request, UndoCorrectionRequest):
        undone: UndoCorrectionResponse = stub.UndoCorrection(request, timeout=_TIMEOUT_S)
        return undone
    corrected: CorrectUsageResponse = stub.CorrectUsage(request, timeout=_TIMEOUT_S)
    return corrected


def _show_notes(notes: list[str], *, err: bool = False) -> None:
    for note in notes:
        click.echo(visible(note), err=err)


def _notes(channel: grpc.Channel, request: Request) -> Iterator[str]:
    """What the engine takes, and a person may not have meant."""
    if not isinstance(request, CorrectUsageRequest):
        return
    if request.amend.customer_id:
        yield from _customer_notes(channel, request.amend.customer_id)
    if request.amend.set_properties:
        yield from _property_notes(channel, request)


def _customer_notes(channel: grpc.Channel, customer_id: str) -> Iterator[str]:
    """Events that move to a customer whom nobody knows."""
    # In a period of which nothing is rated: whether the catalog has the customer costs no look at usage.
    looked_up = GetSpendRequest(customer_id=customer_id, at=_BEFORE_ALL)
    try:
        SpendServiceStub(channel).GetSpend(looked_up, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        if call_of(error).code() is not grpc.StatusCode.NOT_FOUND:
            raise
        yield f"customer '{customer_id}' is not in the catalog: its usage is rated once a subscription covers it"


def _property_notes(channel: grpc.Channel, request: CorrectUsageRequest) -> Iterator[str]:
    """Properties that an amendment sets and no meter reads.

    Of an event that is named by its id alone the type isn't known: then any meter's will do.
    """
    types = {each.event_type for each in request.event_refs.events} | {request.selection.event_type}
    event_types = types - {""}
    read = _read_properties(channel, event_types)
    of = f" of {' or '.join(map(repr, sorted(event_types)))}" if event_types else ""
    for name in sorted(set(request.amend.set_properties) - read):
        yield f"no meter{of} reads a property {name!r}{did_you_mean(name, read)}"


def _read_properties(channel: grpc.Channel, event_types: set[str]) -> set[str]:
    """What the meters of these types read, or all meters where none is named."""
    from engine.catalog.kinds import read_definition  # noqa: PLC0415 - it loads for --set only
    from engine.catalog.kinds.meter import Meter  # noqa: PLC0415 - as above

    read: set[str] = set()
    for resource in applied_resources(channel):
        if resource.kind != Meter.kind:
            break  # meters come first
        meter = read_definition(Meter.kind, resource.definition)
        if isinstance(meter, Meter) and (not event_types or meter.event_type in event_types):
            read |= meter.properties
    return read
