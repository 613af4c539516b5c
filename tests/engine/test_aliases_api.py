"""Events under other ids of a customer, over gRPC: billed, listed and corrected as the customer's, at each revision."""

import json

import grpc
import pytest
from click.testing import CliRunner

from engine.cli import cli
from meterline.v1.correction_pb2 import CorrectUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.customers_pb2 import Customer, UpdateCustomerRequest
from meterline.v1.customers_pb2_grpc import CustomerServiceStub
from meterline.v1.events_pb2 import ListEventsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.metering_pb2 import QueryUsageRequest
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import AT, LATE_JUNE, api_event, record, refusal, spend_of


@pytest.fixture
def with_alias(channel, name):
    """Acme has the alias `NAME_device`; 100 tokens are recorded under its id, and 250 under the alias."""
    request = UpdateCustomerRequest(customer=Customer(id=f"{name}_acme", aliases=[f"{name}_device"]))
    changed = CustomerServiceStub(channel).UpdateCustomer(request, timeout=120).customer
    assert list(changed.aliases) == [f"{name}_device"]
    record(
        channel,
        api_event(name, "1", "100"),
        api_event(name, "2", "250", customer="device"),
        api_event(name, "3", "9999", customer="other"),
    )
    return name


def test_usage_under_an_alias_is_billed_to_its_customer_once(channel, with_alias):
    """350 tokens at 0.01 and a fee of 20; under the revision before it was an alias only 100."""
    found = spend_of(channel, with_alias)
    assert [(each.amount, each.event_count) for each in found.spends] == [("23.50", 2)]
    before = spend_of(channel, with_alias, as_of=found.as_of, catalog_revision=found.catalog_revision - 1)
    assert [(each.amount, each.event_count) for each in before.spends] == [("21.00", 1)]
    again = spend_of(channel, with_alias, as_of=found.as_of, catalog_revision=found.catalog_revision)
    assert again == found


def test_events_of_a_customer_are_those_of_its_aliases_too(channel, with_alias):
    """Page by page; as they were recorded. Usage queries count them, too."""
    request = ListEventsRequest(customer_ids=[f"{with_alias}_acme"], page_size=1)
    listed = []
    while True:
        page = EventServiceStub(channel).ListEvents(request, timeout=120)
        listed += page.events
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert {each.customer_id for each in listed} == {f"{with_alias}_acme", f"{with_alias}_device"}
    assert len(listed) == 2
    asked = QueryUsageRequest(
        meter_id=f"{with_alias}_tokens",
        customer_ids=[f"{with_alias}_acme"],
        period_start=AT,
        period_end=LATE_JUNE,
        group_by={"customer": False},
    )
    rows = MeteringServiceStub(channel).QueryUsage(asked, timeout=120).rows
    assert [each.quantity for each in rows] == ["350"]


def test_a_correction_of_an_event_under_an_alias_shows_the_customers_money(channel, with_alias):
    """Voiding 250 tokens takes 2.50 off what Acme owes."""
    request = CorrectUsageRequest(
        event_refs={"events": [{"event_id": f"{with_alias}-2"}]}, void={}, dry_run=True
    )
    answer = CorrectionServiceStub(channel).CorrectUsage(request, timeout=60)
    assert [(each.amount_before, each.amount_after) for each in answer.effect.totals] == [("23.50", "21.00")]


def test_the_spend_of_a_group_is_that_of_all_below_it(channel, engine, apply, name):
    """Each customer of it and the total; nobody beside it. Acme above Bolt above Corn: 20 + 20 and 1.00 + 20 and 2.00."""
    apply(
        f"customers:\n  - {{id: {name}_bolt, name: Bolt, parent: {name}_acme}}\n"
        f"  - {{id: {name}_corn, name: Corn, parent: {name}_bolt}}\n"
        f"  - {{id: {name}_dawn, name: Dawn}}\n"
        f"subscriptions:\n  - {{customer: {name}_corn, plan: {name}, start: 2025-06-01}}\n"
        f"  - {{customer: {name}_dawn, plan: {name}, start: 2025-06-01}}\n"
    )
    record(
        channel,
        api_event(name, "1", "100", customer="bolt", seconds=LATE_JUNE.seconds),
        api_event(name, "2", "200", customer="corn", seconds=LATE_JUNE.seconds),
    )
    request = ListSpendRequest(customer_id=f"{name}_acme", at=LATE_JUNE)
    found = SpendServiceStub(channel).ListSpend(request, timeout=120)
    assert [(each.customer_id, each.amount) for each in found.spends] == [
        (f"{name}_corn", "22.00"),
        (f"{name}_bolt", "21.00"),
        (f"{name}_acme", "20.00"),
    ]
    assert [(each.currency, each.amount) for each in found.totals] == [("USD", "63.00")]
    request.catalog_revision = found.catalog_revision - 1
    before = SpendServiceStub(channel).ListSpend(request, timeout=120)
    assert [each.customer_id for each in before.spends] == [f"{name}_acme"]
    words = ["spend", "--customer", f"{name}_bolt", "--children", "--at", "2025-06-20", "--json"]
    shown = CliRunner().invoke(cli, [*words, "--target", engine.target])
    amounts = [json.loads(line)["amount"] for line in shown.stdout.splitlines()]
    assert amounts == ["22.00", "21.00", "43.00"]
    request = ListSpendRequest(customer_id="nobody")
    code, _, _ = refusal(lambda: SpendServiceStub(channel).ListSpend(request, timeout=120))
    assert code is grpc.StatusCode.NOT_FOUND
    alone = CliRunner().invoke(cli, ["spend", "--children", "--target", engine.target])
    assert "--children needs --customer ID" in alone.output


def test_an_alias_of_another_customer_is_refused(channel, with_alias):
    """With whose it is."""
    request = UpdateCustomerRequest(
        customer=Customer(id=f"{with_alias}_bolt", aliases=[f"{with_alias}_device"])
    )
    code, line, _ = refusal(lambda: CustomerServiceStub(channel).UpdateCustomer(request, timeout=120))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"is an alias of the customer '{with_alias}_acme'" in line
