"""Lines explained through a running engine: drafts, the events behind them, and who may ask."""

import grpc
import pytest

from meterline import open_channel
from meterline.v1.access_pb2 import SCOPE_BILL, SCOPE_READ, CreateApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.explanations_pb2 import ExplainLineItemRequest
from meterline.v1.explanations_pb2_grpc import ExplanationServiceStub
from tests.support.engine.api_world import AT, api_event, record, refusal


@pytest.fixture
def line(channel, name):
    """The draft line of acme's large models: 5 and 1,200 tokens."""
    record(
        channel,
        api_event(name, "a", "5"),
        api_event(name, "b", "1200"),
        api_event(name, "c", "7", model="small"),
    )
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=AT)
    lines = BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items
    (found,) = [each for each in lines if dict(each.dimensions) == {"model": "large"}]
    return found


def explain(channel, **fields):
    return ExplanationServiceStub(channel).ExplainLineItem(
        ExplainLineItemRequest(at=AT, **fields), timeout=60
    )


def test_a_draft_line_is_the_same_line_with_its_steps_and_events(channel, name, line):
    """1,205 tokens: 1,000 x 0.01 + 205 x 0.0025 = 10.5125. Found by its id alone, too."""
    found = explain(channel, line_item_id=line.line_item_id, customer_id=f"{name}_acme")
    assert found.line_item == line
    assert [(each.step, each.quantity, each.amount, each.from_quantity, each.up_to) for each in found.steps] == [
        ("metered", "1205", "", "", ""),
        ("tier", "1000", "10", "0", "1000"),
        ("tier", "205", "0.5125", "1000", ""),
        ("price", "", "10.5125", "", ""),
        ("rounding", "", "10.51", "", ""),
    ]  # fmt: skip
    meter = found.metered_by
    assert (meter.event_type, meter.aggregation, meter.value, list(meter.group_by)) == (
        f"{name}.call",
        "sum",
        "tokens",
        ["model"],
    )
    assert (found.amounts.amount, found.amounts.due, found.invoice_number) == ("10.51", "10.51", "")
    alone = explain(channel, line_item_id=line.line_item_id, as_of=found.as_of)
    assert alone == found


def test_the_events_behind_a_line_are_as_many_as_it_counts(channel, line):
    """Page by page, by the request that the answer has."""
    request = explain(channel, line_item_id=line.line_item_id).events
    request.page_size, events = 1, []
    while True:
        page = EventServiceStub(channel).ListEvents(request, timeout=120)
        events += page.events
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert [each.properties["tokens"] for each in events] == ["5", "1200"]
    assert len(events) == line.event_count


def test_the_key_of_a_customer_has_its_own_lines_explained_alone(engine, channel, name, line):
    """Bolt's key neither names acme nor finds its line."""
    keys = {}
    for who in ("acme", "bolt"):
        request = CreateApiKeyRequest(
            name="portal", scopes=[SCOPE_READ, SCOPE_BILL], customer_id=f"{name}_{who}"
        )
        keys[who] = AccessServiceStub(channel).CreateApiKey(request, timeout=120).key_text
    with open_channel(engine.target, api_key=keys["acme"]) as own:
        found = explain(own, line_item_id=line.line_item_id, customer_id=f"{name}_acme")
        assert found.line_item == line
        assert len(EventServiceStub(own).ListEvents(found.events, timeout=120).events) == 2
        code, _, _ = refusal(lambda: explain(own, line_item_id=line.line_item_id))
        assert code is grpc.StatusCode.PERMISSION_DENIED
    with open_channel(engine.target, api_key=keys["bolt"]) as other:
        code, _, _ = refusal(
            lambda: explain(other, line_item_id=line.line_item_id, customer_id=f"{name}_acme")
        )
        assert code is grpc.StatusCode.PERMISSION_DENIED
        code, said, _ = refusal(
            lambda: explain(other, line_item_id=line.line_item_id, customer_id=f"{name}_bolt")
        )
        assert (code, "there is no draft line" in said) == (grpc.StatusCode.NOT_FOUND, True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "line_item_id"),
        ({"line_number": 2}, "line_item_id"),
        ({"line_item_id": "x"}, "line_item_id"),
        ({"invoice_number": "INV-000001", "line_number": 1}, "at"),
    ],
)
def test_what_names_no_line_is_refused_by_its_field(channel, fields, field):
    code, _, details = refusal(lambda: explain(channel, **fields))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [field]
