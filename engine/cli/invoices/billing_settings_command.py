"""`meterline billing-settings`: when billing periods are closed, and by whom."""

from datetime import datetime

import click

from engine.api.message_json import message_line
from engine.cli.invoices.ended_periods import GRACE
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected
from engine.cli.terminal.options import INSTANT_HELP, InstantType, json_option, target_option, timestamp
from engine.cli.terminal.text import counted, instant
from meterline.v1.billing_settings_pb2 import (
    BillingSettings,
    ClosingMode,
    GetBillingSettingsRequest,
    UpdateBillingSettingsRequest,
)
from meterline.v1.billing_settings_pb2_grpc import BillingSettingsServiceStub

_MODES = {
    "manual": ClosingMode.CLOSING_MODE_MANUAL,
    "automatic": ClosingMode.CLOSING_MODE_AUTOMATIC,
}


@click.command(epilog=INSTANT_HELP)
@click.option(
    "--close",
    "mode",
    type=click.Choice(list(_MODES)),
    help="automatic: the engine closes each billing period by itself, within an hour of the end of its grace. "
    "manual: meterline close does.",
)
@click.option(
    "--grace",
    "grace_s",
    type=GRACE,
    metavar="SECONDS",
    help="How long after its end a billing period takes in usage that is under way. At first 3600.",
)
@click.option(
    "--since",
    type=InstantType(),
    metavar="INSTANT",
    help="With --close automatic: billing periods that end after this are closed. Default: now.",
)
@click.option(
    "--review",
    type=click.Choice(["on", "off"]),
    help="on: what the engine would issue by itself waits as a draft until meterline drafts approve.",
)
@json_option
@target_option
def billing_settings(
    mode: str | None,
    grace_s: int | None,
    since: datetime | None,
    review: str | None,
    *,
    as_json: bool,
    target: str,
) -> None:
    """Show when billing periods are closed and by whom, or change it.

    Closed automatically, a period becomes an invoice without anybody's doing, and is told to webhooks. Customers that can't be
    billed, as a price can't rate their usage, are tried again every hour.
    """
    if since is not None and mode != "automatic":
        raise CommandError("--since goes with --close automatic")
    with connected(target) as channel:
        stub = BillingSettingsServiceStub(channel)
        if mode is None and grace_s is None and since is None and review is None:
            found = stub.GetBillingSettings(GetBillingSettingsRequest(), timeout=TIMEOUT_S).settings
        else:
            request = UpdateBillingSettingsRequest(
                closing_mode=_MODES[mode] if mode else ClosingMode.CLOSING_MODE_UNSPECIFIED,
                grace_s=grace_s,
                closed_since=timestamp(since),
                review=None if review is None else review == "on",
            )
            found = stub.UpdateBillingSettings(request, timeout=TIMEOUT_S).settings
    if as_json:
        click.echo(message_line(found))
    else:
        _show(found)


def _show(settings: BillingSettings) -> None:
    automatic = settings.closing_mode == ClosingMode.CLOSING_MODE_AUTOMATIC
    grace = f"{settings.grace_s:,} seconds after its end"
    if not automatic:
        click.echo(f"close: manual; meterline close closes a billing period, {grace} at the earliest")
        if settings.review:
            click.echo("review: on, for what the engine closes by itself")
        return
    if settings.review:
        click.echo(
            f"close: automatic, under review; a billing period is a draft, {grace} or within an hour of that"
        )
        click.echo(f"billed up to {instant(settings.closed_until)}")
        waiting = counted(settings.draft_count, "draft")
        click.echo(f"{waiting} at the last count, once an hour; meterline drafts list has them")
        _show_open(settings)
        return
    click.echo(f"close: automatic; the engine closes each billing period, {grace} or within an hour of that")
    click.echo(f"closed up to {instant(settings.closed_until)}")
    _show_open(settings)


def _show_open(settings: BillingSettings) -> None:
    if settings.HasField("open_since"):
        left = counted(settings.open_customer_count, "customer")
        click.echo(
            f"left open: {left} since {instant(settings.open_since)}; meterline close --from --to says why"
        )
