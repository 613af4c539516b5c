"""Alerts of a running engine: it tells by itself, and lists what it told to whoever may ask."""

import json
import time
from functools import partial

import grpc
import pytest

from meterline import open_channel
from meterline.v1.access_pb2 import SCOPE_READ, CreateApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.alerts_pb2 import ALERT_CROSSING_STATE_REACHED, ListAlertCrossingsRequest
from meterline.v1.alerts_pb2_grpc import AlertServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.engine.api_world import record, refusal
from tests.support.engine.tenant_world import TenantWorld

# Ten calls are 5.00, half of the budget.
CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}]
subscriptions:
  - {customer: acme, plan: pro, start: 2026-01-01, anchor: calendar}
  - {customer: bolt, plan: pro, start: 2026-01-01, anchor: calendar}
alerts:
  - {id: budget, name: Budget, measure: spend, currency: USD, budget: 10, thresholds: [50, 100]}
  - {id: many, name: Many calls, measure: usage, meter: calls, thresholds: [12]}
"""


@pytest.fixture
def world(engine, channel, request):
    made = TenantWorld.of(engine, channel, request.node.originalname, CATALOG)
    yield made
    made.channel.close()


def _use(world, event_id, customer, value):
    """An event of this moment; the month that it is in."""
    event = UsageEvent(event_id=event_id, event_type="call", customer_id=customer)
    event.event_time.GetCurrentTime()
    event.properties["value"].CopyFrom(PropertyValue(string_value=value))
    record(world.channel, event)
    return event.event_time.ToDatetime().strftime("%Y-%m-01T00:00:00Z")


def _crossings(channel, **fields):
    request = ListAlertCrossingsRequest(**fields)
    return AlertServiceStub(channel).ListAlertCrossings(request, timeout=60)


def _wait_for(world, count, **fields):
    """The crossings, newest first, once there are so many."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        found = list(_crossings(world.channel, **fields).alert_crossings)
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"there are {len(found)} crossings: {found}")


def test_crossings_are_told_by_the_engine_and_listed(world):
    """Ten calls are 5.00: 50 % of 10. Two more are twelve calls."""
    month = _use(world, "e1", "acme", "10")
    (half,) = _wait_for(world, 1)
    assert (half.alert_id, half.customer_id, half.state) == ("budget", "acme", ALERT_CROSSING_STATE_REACHED)
    assert (half.measure, half.currency, half.threshold, half.budget, half.value) == (
        "spend", "USD", "50", "10", "5",
    )  # fmt: skip
    assert half.period_start.ToJsonString() == month
    _use(world, "e2", "acme", "2")
    many, _ = _wait_for(world, 2)
    assert (many.alert_id, many.measure, many.meter_id, many.currency, many.value) == (
        "many", "usage", "calls", "", "12",
    )  # fmt: skip
    first = _crossings(world.channel, page_size=1)
    second = _crossings(world.channel, page_size=1, page_token=first.next_page_token)
    assert [each.alert_crossings[0].alert_id for each in (first, second)] == ["many", "budget"]
    assert not second.next_page_token
    assert [each.alert_id for each in _crossings(world.channel, alert_id="many").alert_crossings] == ["many"]
    assert not _crossings(world.channel, customer_id="bolt").alert_crossings


def test_a_key_of_one_customer_lists_its_own_crossings_alone(engine, world):
    _use(world, "e1", "acme", "10")
    _use(world, "e2", "bolt", "10")
    _wait_for(world, 2)
    asked = CreateApiKeyRequest(name="portal", scopes=[SCOPE_READ], customer_id="acme")
    key = AccessServiceStub(world.channel).CreateApiKey(asked, timeout=60).key_text
    with open_channel(engine.target, api_key=key) as own:
        found = _crossings(own, customer_id="acme").alert_crossings
        assert [each.customer_id for each in found] == ["acme"]
        for other in ("bolt", ""):
            code, _, _ = refusal(partial(_crossings, own, customer_id=other))
            assert code is grpc.StatusCode.PERMISSION_DENIED


def test_the_command_lists_what_was_reached_and_what_has_recovered(world):
    """A void takes the customer below both thresholds of its own."""
    assert world.run("alert-crossings").stdout == "no threshold was reached\n"
    _use(world, "e1", "acme", "12")
    _wait_for(world, 2)
    heading, *rows = world.run("alert-crossings", "--customer", "acme").stdout.splitlines()
    assert heading.split() == [
        *("alert", "customer", "state", "measure", "threshold", "value", "reached", "recovered"),
        *("period", "start"),
    ]
    spend = next(row for row in rows if row.startswith("budget"))
    assert "reached  spend USD" in spend
    assert "50 % of 10      6" in spend
    world.run("void", "--event-id", "e1", "--by", "ada", "--reason", "a test", "--yes")
    _wait_for(world, 0, reached_only=True)
    assert world.run("alert-crossings", "--reached").stdout == "no threshold was reached\n"
    told = [json.loads(line) for line in world.run("alert-crossings", "--json").stdout.splitlines()]
    assert {each["state"] for each in told} == {"ALERT_CROSSING_STATE_RECOVERED"}
    assert world.run("alerts", "list").stdout.splitlines()[0].split()[0] == "ID"
