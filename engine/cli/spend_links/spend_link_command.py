"""`meterline spend-link`: a signed link to one customer's spend page."""

import re
from typing import Final

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import TIMEOUT_S, connected
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.text import instant
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub

_UNITS_S: Final = {"m": 60, "h": 3_600, "d": 86_400}
# As long as the engine lets one hold.
_AGE_MAX_S: Final = 31 * 86_400


class SpanType(click.ParamType[int]):
    """A length of time in seconds, written as 30m, 12h or 7d."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", str(value))
        span_s = int(found[1]) * _UNITS_S[found[2]] if found else 0
        if not 0 < span_s <= _AGE_MAX_S:
            self.fail(f"{value!r} is not a time of at most 31 days: write 30m, 12h or 7d", param, ctx)
        return span_s


@click.command()
@click.argument("customer", type=TextType("a customer"), metavar="CUSTOMER")
@click.option(
    "--for",
    "valid_for_s",
    type=SpanType(),
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long it holds: 30m, 12h, 7d; at most 31d.",
)
@click.option(
    "--may-set-budget",
    is_flag=True,
    help="The customer may set a budget of its own there. Needs the scope budget or catalog, too.",
)
@json_option
@target_option
def spend_link(customer: str, *, valid_for_s: int, may_set_budget: bool, as_json: bool, target: str) -> None:
    """Make a link to the page where a customer sees its spend live, and print it.

    Whoever has the link sees this customer's spend, usage and invoices, and nothing of another. It is kept nowhere, and
    ends with its time, with the API key that made it, and with its customer. Needs the scopes bill and read, and an engine
    with --http-listen.
    """
    request = CreateSpendLinkRequest(
        customer_id=customer, valid_for_s=valid_for_s, may_set_budget=may_set_budget
    )
    with connected(target) as channel:
        made = SpendLinkServiceStub(channel).CreateSpendLink(request, timeout=TIMEOUT_S)
    if as_json:
        click.echo(message_line(made))
        return
    click.echo(made.url or made.token)
    if not made.url:
        click.echo(
            "the engine serves no HTTP, so this is the token alone: start it with --http-listen", err=True
        )
    click.echo(f"shows the spend of {customer} until {instant(made.expires_at)}", err=True)
