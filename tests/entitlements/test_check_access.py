"""Access asked of a running engine over gRPC and HTTP: what counts, and who may ask. Every figure is worked out by hand."""

import http.client
import json
from datetime import UTC, datetime

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import entitlements_pb2 as pb
from meterline.v1.access_pb2 import CreateApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import refusal

CATALOG = """
meters:
  - {id: NAME_calls, event_type: NAME.call, aggregation: count}
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens, group_by: [model]}
  - {id: NAME_peak, event_type: NAME.call, aggregation: max, value: tokens}
plans:
  - id: NAME
    name: P
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: NAME_calls, model: per_unit, unit_amount: "0.25"}
    features: {sso: true, support: gold}
    limits:
      - {id: calls, meter: NAME_calls, quantity: 4}
      - {id: tokens, meter: NAME_tokens, quantity: 100, enforcement: soft}
      - {id: peak, meter: NAME_peak, quantity: 60}
      - {id: budget, amount: 11}
customers: [{id: NAME_acme, name: Acme, aliases: [NAME_old]}, {id: NAME_bolt, name: Bolt}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2025-01-01}, {customer: NAME_bolt, plan: NAME, start: 2025-01-01}]
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    options = ("--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path_factory.mktemp("access") / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target, api_key=engine.api_key) as opened:
        yield opened


@pytest.fixture
def name(request, channel):
    """A catalog of its own for the test."""
    name = request.node.originalname.removeprefix("test_")[:40]
    document = CATALOG.replace("NAME", name)
    CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=60)
    return name


def record(channel, name, event_id, tokens, model, customer="acme"):
    request = RecordUsageRequest()
    event = request.events.add(
        event_id=f"{name}-{event_id}", event_type=f"{name}.call", customer_id=f"{name}_{customer}"
    )
    event.event_time.FromDatetime(datetime.now(UTC))
    event.properties["tokens"].string_value = tokens
    event.properties["model"].string_value = model
    return UsageServiceStub(channel).RecordUsage(request, timeout=60)


def check(channel, name, *features, customer="acme"):
    request = pb.CheckAccessRequest(customer_id=f"{name}_{customer}", features=features)
    return EntitlementServiceStub(channel).CheckAccess(request, timeout=60)


def limits_of(answer):
    return {
        each.feature: (each.allowed, each.limits[0].used, each.limits[0].remaining, each.limits[0].reached)
        for each in answer.features
        if each.limits
    }


def test_the_first_question_after_an_ack_has_what_was_acknowledged(channel, name):
    """Two calls of 30 and 40.5 tokens, one of them under an alias: 10 + 2 x 0.25 are spent. A repeat counts once."""
    record(channel, name, "a", "30", "x")
    record(channel, name, "b", "40.5", "y", customer="old")
    record(channel, name, "b2", "1", "y", customer="bolt")
    for _ in range(2):
        answer = check(channel, name)
        assert limits_of(answer) == {
            "calls": (True, "2", "2", False),
            "tokens": (True, "70.5", "29.5", False),
            "peak": (True, "40.5", "19.5", False),
            "budget": (True, "10.5", "0.5", False),
        }
        record(channel, name, "a", "30", "x")
    assert [(each.feature, each.value) for each in answer.features if not each.limits] == [
        ("sso", ""),
        ("support", "gold"),
    ]
    assert answer.features[0].limits[0].currency == "USD"
    assert answer.features[1].limits[0].meter == f"{name}_calls"


def test_access_ends_at_a_hard_limit_and_goes_on_past_a_soft_one(channel, name):
    """Four calls: all of `calls`, 11 of 11 of `budget`, and 120 tokens past 100."""
    for number in range(4):
        record(channel, name, str(number), "30", "x")
    answer = check(channel, name, "tokens", "calls", "budget", "peak", "unknown")
    assert [each.feature for each in answer.features] == ["tokens", "calls", "budget", "peak", "unknown"]
    assert limits_of(answer) == {
        "tokens": (True, "120", "0", True),
        "calls": (False, "4", "0", True),
        "budget": (False, "11", "0", True),
        "peak": (True, "30", "30", False),
    }
    assert [each.refusal for each in answer.features][1:] == [
        pb.ACCESS_REFUSAL_LIMIT_REACHED,
        pb.ACCESS_REFUSAL_LIMIT_REACHED,
        pb.ACCESS_REFUSAL_UNSPECIFIED,
        pb.ACCESS_REFUSAL_UNKNOWN_FEATURE,
    ]
    assert [each.allowed_when_unreachable for each in answer.features] == [True, False, False, False, False]


def test_a_void_gives_back_what_it_takes(channel, name):
    """As spend does: the question after it counts one call less."""
    record(channel, name, "a", "30", "x")
    record(channel, name, "b", "30", "x")
    assert limits_of(check(channel, name, "calls"))["calls"][1] == "2"
    request = CorrectUsageRequest()
    request.event_refs.events.add(event_id=f"{name}-a")
    request.void.SetInParent()
    request.signature.correction_id = name
    request.signature.reason = "wrong"
    request.signature.recorded_by = "ada"
    CorrectionServiceStub(channel).CorrectUsage(request, timeout=60)
    assert limits_of(check(channel, name, "calls"))["calls"][1] == "1"


def test_a_customers_own_key_asks_for_its_own_access_alone(engine, channel, name):
    """Over HTTP, too."""
    asked = CreateApiKeyRequest(name=name, scopes=["SCOPE_READ"], customer_id=f"{name}_acme")
    key = AccessServiceStub(channel).CreateApiKey(asked, timeout=60).key_text
    with open_channel(engine.target, api_key=key) as own:
        assert [each.feature for each in check(own, name, "sso").features] == ["sso"]
        code, _, _ = refusal(lambda: check(own, name, "sso", customer="bolt"))
        assert code is grpc.StatusCode.PERMISSION_DENIED
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=60)
    body = json.dumps({"customerId": f"{name}_acme", "features": ["sso"]})
    path = "/meterline.v1.EntitlementService/CheckAccess"
    connection.request("POST", path, body, {"authorization": f"Bearer {key}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["features"][0]["feature"] == "sso"
    assert answer["features"][0]["allowed"] is True


def test_what_is_wrong_with_a_question_is_said_by_field(channel, name):
    """And a customer that nobody knows is one that is not found."""
    assert refusal(lambda: check(channel, name, customer="nobody"))[0] is grpc.StatusCode.NOT_FOUND
    _, line, _ = refusal(lambda: check(channel, name, "sso", ""))
    assert line == "features[1]: is empty"
    _, line, _ = refusal(lambda: check(channel, name, *(["x"] * 301)))
    assert line == "features: names 301: at most 300 at once"
