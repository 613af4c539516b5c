"""`meterline migrate-subscriptions`: running subscriptions to another version of their plan, or to another plan."""

from datetime import datetime
from typing import Any, Final

import click

from engine.api.message_json import json_line
from engine.cli.catalog.effects_shown import show_effect
from engine.cli.catalog.subscription_commands import PERIOD_END, when_option
from engine.cli.terminal.connection import TIMEOUT_S, connected
from engine.cli.terminal.options import TextType, json_option, target_option, timestamp
from engine.cli.terminal.text import instant
from meterline.v1.subscriptions_pb2 import MigrateSubscriptionsRequest, MigrateSubscriptionsResponse
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub

_SHOWN_MAX: Final = 20


@click.command("migrate-subscriptions")
@click.option("--plan", required=True, type=TextType("a plan"), metavar="ID", help="Whose subscriptions.")
@click.option("--to-plan", type=TextType("a plan"), metavar="ID", help="To which plan. Default: the same.")
@click.option(
    "--to-version",
    type=click.IntRange(min=1),
    metavar="N",
    help="To which version of the plan. Default: its newest.",
)
@when_option("now", "each one's")
@click.option(
    "--customer",
    "customers",
    multiple=True,
    type=TextType("a customer"),
    metavar="ID",
    help="Only this customer's; may be repeated.",
)
@click.option(
    "--subscription",
    "subscriptions",
    multiple=True,
    type=TextType("a subscription"),
    metavar="ID",
    help="Only this one; may be repeated.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be moved and what it comes to in money; move nothing."
)
@json_option
@target_option
def migrate_subscriptions(
    when: datetime | str,
    target: str,
    *,
    dry_run: bool,
    as_json: bool,
    **choice: Any,  # noqa: ANN401 - the fields of the request
) -> None:
    """Move running subscriptions to another version of their plan, or to another plan.

    A changed plan leaves those who run on it as they are, until they are moved. Each is moved by a phase that begins then; it
    may be asked again at any time, and moves who isn't moved yet. With --dry-run it shows what customers would owe for their present
    billing periods if they had been moved at the start.
    """
    request = MigrateSubscriptionsRequest(
        plan_id=choice["plan"],
        to_plan_id=choice["to_plan"] or "",
        to_version=choice["to_version"] or 0,
        at_period_end=when == PERIOD_END,
        at=timestamp(when) if isinstance(when, datetime) else None,
        customer_ids=choice["customers"],
        subscription_ids=choice["subscriptions"],
        dry_run=dry_run,
    )
    moved = 0
    with connected(target) as channel:
        while True:
            response = SubscriptionServiceStub(channel).MigrateSubscriptions(request, timeout=TIMEOUT_S)
            moved += response.moved_count
            if as_json:
                click.echo(json_line(response))
            if dry_run or not response.remaining_count:
                break
            if not as_json:
                click.echo(f"{moved:,} moved, {response.remaining_count:,} to go", err=True)
    if not as_json:
        _show(response, moved, dry_run)


def _show(response: MigrateSubscriptionsResponse, moved: int, dry_run: bool) -> None:
    for each in response.moved[:_SHOWN_MAX]:
        click.echo(f"~ subscription {each.subscription_id} from {instant(each.at)} on")
    if moved > len(response.moved[:_SHOWN_MAX]):
        click.echo(f"~ and {moved - len(response.moved[:_SHOWN_MAX]):,} more")
    if dry_run:
        show_effect(response.effect, "their present billing periods, if they were moved from the start")
        remaining = f", and {response.remaining_count:,} besides" if response.remaining_count else ""
        click.echo(
            f"{moved:,} would be moved (dry run: nothing was changed){remaining}; catalog revision {response.revision}"
        )
    else:
        click.echo(f"{moved:,} moved; catalog revision {response.revision}")
