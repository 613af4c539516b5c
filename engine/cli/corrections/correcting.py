"""How every command that corrects goes: what it would change is shown, asked about, and then recorded as shown."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli.corrections.correction_options import request_of
from engine.cli.corrections.correction_show import events_text, kind_name, show_effect
from engine.cli.corrections.unread_properties import unread_notes
from engine.cli.terminal.asking import ask, is_to_ask
from engine.cli.terminal.connection import TIMEOUT_S, call_of, connected
from engine.cli.terminal.message_json import json_fields, json_line
from engine.cli.terminal.show import footer, visible
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


def correct(verb: str, options: Mapping[str, Any], complete: Callable[[CorrectUsageRequest], None]) -> None:
    """`complete` says in the request what becomes of the events."""
    request = request_of(options)
    complete(request)
    send(verb, options, request)


def send(verb: str, options: Mapping[str, Any], request: Request) -> None:
    """Sends a correction, after a question unless the options say otherwise.

    Raises:
        CommandError: the engine refuses, or there is nobody to ask.
    """
    asks = is_to_ask(dry_run=options["dry_run"], yes=options["yes"], expect=options["expect"])
    with connected(options["target"]) as channel:
        # Asked first: once it is recorded, nothing may fail any more.
        note = _note(channel, request)
        if asks:
            trial = copy.deepcopy(request)
            trial.dry_run = True
            effect = _call(channel, trial).effect
            show_effect(verb, effect)
            _show_note(note)
            ask(f"{verb} {events_text(effect.event_count)}?", "nothing was recorded")
            request.expected_event_count = effect.event_count
        response = _call(channel, request)
    if options["as_json"]:
        click.echo(json_line(json_fields(response)))
        _show_note(note, err=True)
    elif options["dry_run"]:
        show_effect(verb, response.effect)
        _show_note(note)
        click.echo(f"{footer(response.as_of)}; dry run: nothing was recorded")
    else:
        correction = response.correction
        click.echo(f"{_DONE[kind_name(correction.kind)]} {events_text(correction.event_count)}")
        _show_note(note)
        if correction.undone_by_correction_id and not correction.in_effect:
            click.echo(f"undone since, by {visible(correction.undone_by_correction_id).plain}")
        click.echo(
            f"correction {visible(correction.signature.correction_id).plain}, {footer(response.as_of)}"
        )


def _note(channel: grpc.Channel, request: Request) -> str:
    """What the engine takes, and a person may not have meant."""
    if not isinstance(request, CorrectUsageRequest):
        return ""
    notes = (_customer_note(channel, request.amend.customer_id), *unread_notes(channel, request))
    return "\n".join(filter(None, notes))


def _customer_note(channel: grpc.Channel, customer_id: str) -> str:
    """Events that move to a customer whom nobody knows."""
    if not customer_id:
        return ""
    # In a period of which nothing is rated: whether the catalog has the customer costs no look at usage.
    looked_up = GetSpendRequest(customer_id=customer_id, at=_BEFORE_ALL)
    try:
        SpendServiceStub(channel).GetSpend(looked_up, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        if call_of(error).code() is not grpc.StatusCode.NOT_FOUND:
            raise
        shown = visible(customer_id).plain
        return f"customer '{shown}' is not in the catalog: its usage is rated once a subscription covers it"
    return ""


def _show_note(note: str, *, err: bool = False) -> None:
    if note:
        click.echo(note, err=err)


def _call(channel: grpc.Channel, request: Request) -> Response:
    stub = CorrectionServiceStub(channel)
    if isinstance(request, UndoCorrectionRequest):
        undone: UndoCorrectionResponse = stub.UndoCorrection(request, timeout=_TIMEOUT_S)
        return undone
    corrected: CorrectUsageResponse = stub.CorrectUsage(request, timeout=_TIMEOUT_S)
    return corrected
