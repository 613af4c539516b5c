"""`meterline subscriptions`: one at a time as resources of every kind, and changed, paused, resumed and cancelled."""

from datetime import datetime
from typing import Any, Final

import click

from engine.api.message_json import message_line
from engine.cli.catalog.changes_shown import show_each
from engine.cli.catalog.effects_shown import show_effect
from engine.cli.catalog.resource_commands import etag_option, key_option, subscriptions
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected
from engine.cli.terminal.options import (
    Decorator,
    InstantType,
    Pair,
    PairType,
    TextType,
    each_once,
    json_option,
    target_option,
    timestamp,
    together,
)
from meterline.v1.subscriptions_pb2 import ChangeSubscriptionRequest
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub

__all__ = ["subscriptions"]

PERIOD_END: Final = "period-end"
_NOW: Final = "now"


class WhenType(click.ParamType[datetime | str]):
    """now, period-end, or an instant."""

    name = "when"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime | str:
        return value if value in (_NOW, PERIOD_END) else InstantType().convert(value, param, ctx)


def when_option(default: str, whose: str) -> Decorator:
    """`--when`; `whose`: billing period ends at period-end."""
    return click.option(
        "--when",
        type=WhenType(),
        default=default,
        show_default=True,
        metavar=f"{_NOW}|{PERIOD_END}|INSTANT",
        help=f"From when on: now, from the end of {whose} billing period, or from an instant.",
    )


def _options(default_when: str) -> Decorator:
    return together(
        click.argument("subscription_id", type=TextType("a subscription"), metavar="ID"),
        when_option(default_when, "its"),
        click.option("--dry-run", is_flag=True, help="Say what it would come to in money; change nothing."),
        etag_option,
        key_option,
        json_option,
        target_option,
    )


def _entries(name: str, metavar: str, help_text: str) -> Decorator:
    return click.option(name, multiple=True, type=PairType(metavar), metavar=metavar, help=help_text)


@subscriptions.command("change")
@click.option("--plan", type=TextType("a plan"), metavar="ID", help="To another plan.")
@click.option("--plan-version", type=click.IntRange(min=1), metavar="N", help="To a version of the plan.")
@_entries("--quantity", "PRICE=N", "How many of a price, as seats=8; seats= as the plan has it; repeatable.")
@_entries("--add-on", "PLAN=N", "How many times another plan besides; 0: not any more; repeatable.")
@_entries(
    "--override",
    "PRICE=JSON",
    'Fields of a price that are its own, as fee={"flat_amount": "20"}; fee= those of the plan; repeatable.',
)
@_options(_NOW)
def change(
    plan: str | None,
    plan_version: int | None,
    quantity: tuple[Pair, ...],
    add_on: tuple[Pair, ...],
    override: tuple[Pair, ...],
    **given: Any,  # noqa: ANN401 - the options that all of these commands have
) -> None:
    """Change a subscription from an instant on: its plan, quantities, add-ons, overrides.

    What isn't given stays, and what is planned for later stays as well. With --dry-run it shows what the customer would owe for the
    billing period in which the change takes place; those after it change as well.

    meterline subscriptions change acme:team --quantity seats=8 --dry-run
    """
    _ask(
        given,
        plan_id=plan or "",
        plan_version=plan_version or 0,
        quantities=each_once(quantity, "--quantity"),
        add_ons={name: _count(name, text) for name, text in each_once(add_on, "--add-on").items()},
        overrides=each_once(override, "--override"),
    )


@subscriptions.command("pause")
@_options(_NOW)
def pause(**given: Any) -> None:  # noqa: ANN401 - the options that all of these commands have
    """Bill no fees from an instant on, until it is resumed. Usage is billed as ever.

    What is planned for later is paused, too.
    """
    _ask(given, paused=True)


@subscriptions.command("resume")
@_options(_NOW)
def resume(**given: Any) -> None:  # noqa: ANN401 - the options that all of these commands have
    """Bill fees again after a pause."""
    _ask(given, paused=False)


@subscriptions.command("cancel")
@_options(PERIOD_END)
def cancel(**given: Any) -> None:  # noqa: ANN401 - the options that all of these commands have
    """End a subscription. Its last billing period counts as far as it goes.

    What was planned for later is dropped. `meterline subscriptions update ID --unset end` takes the end back, and nothing else:
    `meterline subscriptions history ID` has what was dropped.
    """
    _ask(given, cancel=True)


def _count(name: str, text: str) -> int:
    """Raises CommandError for what is not a whole number."""
    if not text.isdecimal() or len(text) > 9:
        raise CommandError(f"--add-on {name}={text}: write how many times, as {name}=1")
    return int(text)


def _ask(given: dict[str, Any], **change: Any) -> None:  # noqa: ANN401 - fields of the request
    when, dry_run = given["when"], given["dry_run"]
    request = ChangeSubscriptionRequest(
        subscription_id=given["subscription_id"],
        at_period_end=when == PERIOD_END,
        at=timestamp(when) if isinstance(when, datetime) else None,
        dry_run=dry_run,
        etag=given["etag"] or "",
        idempotency_key=given["idempotency_key"] or "",
        **change,
    )
    with connected(given["target"]) as channel:
        answer = SubscriptionServiceStub(channel).ChangeSubscription(request, timeout=TIMEOUT_S)
    if given["as_json"]:
        click.echo(message_line(answer))
        return
    if not answer.HasField("change"):
        click.echo(f"{given['subscription_id']} is like that already; catalog revision {answer.revision}")
        return
    show_each([answer.change])
    if dry_run:
        day = f"{answer.at.ToDatetime():%Y-%m-%d}"
        show_effect(answer.effect, f"the billing period that contains {day}, as usage is now")
        click.echo(f"dry run: nothing was changed; catalog revision {answer.revision}")
    else:
        click.echo(f"changed; catalog revision {answer.revision}")
