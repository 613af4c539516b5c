"""`meterline access`: what a customer may use now, why not, and what is left."""

from collections.abc import Sequence

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import connected
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import day, footer, grouped
from meterline.v1.entitlements_pb2 import (
    ENFORCEMENT_SOFT,
    AccessRefusal,
    CheckAccessRequest,
    FeatureAccess,
    LimitStatus,
)
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub

_TIMEOUT_S = 60


@click.command()
@click.argument("customer", type=TextType("a customer"), metavar="CUSTOMER")
@click.argument("features", type=TextType("a feature"), nargs=-1, metavar="[FEATURE]...")
@json_option
@target_option
def access(customer: str, features: Sequence[str], *, as_json: bool, target: str) -> None:
    """Show what a customer may use now, why not, and what is left of its limits.

    Without features it is all that the customer's plans name.
    """
    request = CheckAccessRequest(customer_id=customer, features=features)
    with connected(target) as channel:
        found = EntitlementServiceStub(channel).CheckAccess(request, timeout=_TIMEOUT_S)
    if as_json:
        for each in found.features:
            click.echo(message_line(each))
        return
    if not found.features:
        click.echo(f"the plans of {customer} name no features and no limits")
        return
    _table(found.features).show()
    click.echo(footer(found.as_of, found.catalog_revision))


def _table(features: Sequence[FeatureAccess]) -> TextTable:
    numbers = map(NumberColumn, ("limit", "used", "reserved", "remaining"))
    table = TextTable("feature", "access", *numbers, "", "resets")
    for each in features:
        said = _access(each)
        for place, limit in enumerate(each.limits):
            table.add(*((each.feature, said) if place == 0 else ("", "")), *_limit(limit))
        if not each.limits:
            table.add(each.feature, said, "", "", "", "", "", "")
    return table


def _access(access: FeatureAccess) -> str:
    if access.allowed:
        return access.value or "yes"
    return (
        f"no: {AccessRefusal.Name(access.refusal).removeprefix('ACCESS_REFUSAL_').lower().replace('_', ' ')}"
    )


def _limit(limit: LimitStatus) -> tuple[str, ...]:
    unit = f" {limit.currency}" if limit.currency else ""
    numbers = (limit.limit, limit.used, limit.reserved, limit.remaining)
    shown = (f"{grouped(each)}{unit}" if each else "not known" for each in numbers)
    kind = "soft" if limit.enforcement == ENFORCEMENT_SOFT else "hard"
    return *shown, kind, day(limit.resets_at)
