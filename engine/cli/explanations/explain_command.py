"""`meterline explain`: one line, a draft or one of an invoice, from its events to its cents."""

from typing import Any

import click

from engine.api.message_json import message_line
from engine.cli.billing.named_line import named_line
from engine.cli.explanations.explanation_tables import show_explanation, show_replay
from engine.cli.terminal.connection import CommandError, DifferenceError, connected
from engine.cli.terminal.options import (
    INSTANT_HELP,
    TextType,
    as_of_option,
    at_option,
    json_option,
    revision_option,
    target_option,
)
from meterline.v1.explanations_pb2_grpc import ExplanationServiceStub

# It may rate some thousand subscriptions, or the periods in which credit was drawn.
_TIMEOUT_S = 600


@click.command(epilog=INSTANT_HELP)
@click.argument("line", type=TextType("a line"), metavar="LINE")
@click.option(
    "--customer",
    type=TextType("a customer"),
    metavar="ID",
    help="Whose line it is. Without it the drafts of all customers are looked through.",
)
@at_option
@as_of_option
@revision_option()
@click.option(
    "--replay",
    is_flag=True,
    help="Compute the line of an invoice again from stored events and compare: a difference exits with 1.",
)
@json_option
@target_option
def explain(
    line: str,
    *,
    replay: bool,
    as_json: bool,
    target: str,
    **of: Any,  # noqa: ANN401 - the arguments of named_line
) -> None:
    """Explain a line: what was counted, what each step made of it, and what discounts, credit and taxes did.

    LINE is INV-000001/2, the second line of an invoice, or the line_item_id of a draft, as `meterline lines --json`
    has it.

    The line of an invoice is rated again, as of the invoice's watermark and with its revision of the catalog. One that
    corrects shows what was billed before, what it comes to now, and what came in between. The events behind a line:
    `meterline events --line LINE`.

    With --replay a line that was booked otherwise than its events come to is shown field by field, and the exit code is 1; it
    is 2 where events that it needs are gone.
    """
    request = named_line(line, **of)
    request.replay = replay
    with connected(target) as channel:
        found = ExplanationServiceStub(channel).ExplainLineItem(request, timeout=_TIMEOUT_S)
    if as_json:
        click.echo(message_line(found))
    else:
        show_explanation(found)
        if replay:
            show_replay(found.replay)
    if found.replay.impossible_reason:
        raise CommandError(f"{line} can't be computed again: {found.replay.impossible_reason}")
    if replay and not found.replay.is_same:
        raise DifferenceError(f"{line} was booked otherwise than its stored events come to: see above")
