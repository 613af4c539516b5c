"""`meterline alert-crossings`: which thresholds of alerts were reached, by whom and when."""

from collections.abc import Sequence

import click

from engine.cli.terminal.connection import connected, some_of
from engine.cli.terminal.options import TextType, json_option, limit_option, target_option
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import grouped, instant
from meterline.v1.alerts_pb2 import (
    ALERT_CROSSING_STATE_RECOVERED,
    AlertCrossing,
    ListAlertCrossingsRequest,
)
from meterline.v1.alerts_pb2_grpc import AlertServiceStub


@click.command()
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only of this customer.")
@click.option("--alert", type=TextType("an alert"), metavar="ID", help="Only of this alert.")
@click.option("--reached", is_flag=True, help="Only those that have not recovered.")
@limit_option("crossings")
@json_option
@target_option
def alert_crossings(
    customer: str | None, alert: str | None, limit: int, *, reached: bool, as_json: bool, target: str
) -> None:
    """List which thresholds of alerts were reached, the newest first.

    A threshold has recovered when a correction took the customer below it again, in the same billing period.
    Alerts are made with `meterline alerts create`, or in a catalog document.
    """
    request = ListAlertCrossingsRequest(
        customer_id=customer or "",
        alert_id=alert or "",
        reached_only=reached,
    )
    with connected(target) as channel:
        found = some_of(AlertServiceStub(channel).ListAlertCrossings, request, "alert_crossings", limit)
    show_found(found, _table, "no threshold was reached", as_json=as_json)


def _table(found: Sequence[AlertCrossing]) -> TextTable:
    table = TextTable(
        *("alert", "customer", "state", "measure"),
        *map(NumberColumn, ("threshold", "value")),
        *("reached", "recovered", "period start"),
    )
    for each in found:
        has_recovered = each.state == ALERT_CROSSING_STATE_RECOVERED
        unit = each.currency or each.meter_id
        is_share = bool(each.budget) or not unit
        of_budget = f" % of {grouped(each.budget)}" if each.budget else " %"
        table.add(
            *(each.alert_id, each.customer_id, "recovered" if has_recovered else "reached"),
            f"{each.measure} {unit}".rstrip(),
            f"{grouped(each.threshold)}{of_budget if is_share else ''}",
            f"{grouped(each.value)}{'' if unit else ' %'}",
            instant(each.reached_at),
            instant(each.recovered_at) if has_recovered else "",
            instant(each.period_start),
        )
    return table
