"""The little world of the tests of the engine's face: a catalog for each, and the calls that they make."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    PropertyValue,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub

JUNE_10 = 1_749_513_600  # 2025-06-10T00:00:00Z
AT = Timestamp(seconds=JUNE_10)
LATE_JUNE = Timestamp(seconds=JUNE_10 + 10 * 86_400)

CATALOG = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: NAME
    name: The plan of NAME
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - id: tokens
        meter: NAME_tokens
        model: graduated
        tiers:
          - {up_to: "1000", unit_amount: "0.01"}
          - {unit_amount: "0.0025"}
customers:
  - {id: NAME_acme, name: Acme}
  - {id: NAME_bolt, name: Bolt}
subscriptions:
  - {customer: NAME_acme, plan: NAME, start: 2025-06-01}
  - {customer: NAME_bolt, plan: NAME, start: 2025-06-15}
"""


def moved(text, name, version):
    """A document with subscriptions at its end, and with acme's, which has a version of its plan from the start on."""
    return f"{text}  - {{customer: {name}_acme, plan: {name}, start: 2025-06-01, plan_version: {version}}}\n"


def api_event(name, event_id, tokens="1", *, customer="acme", model="large", seconds=JUNE_10):
    return UsageEvent(
        event_id=f"{name}-{event_id}",
        event_type=f"{name}.call",
        customer_id=f"{name}_{customer}",
        event_time=Timestamp(seconds=seconds),
        properties={"tokens": PropertyValue(string_value=tokens), "model": PropertyValue(string_value=model)},
    )


def record(channel, *events):
    return UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)


def spend_of(channel, name, **fields):
    request = GetSpendRequest(customer_id=f"{name}_acme", at=AT, **fields)
    return SpendServiceStub(channel).GetSpend(request, timeout=120)


def refusal(call):
    """The status code, its one line, and the google.rpc details by name."""
    with pytest.raises(grpc.RpcError) as refused:
        call()
    error = refused.value
    details = {}
    for packed in rpc_status.from_call(error).details:
        kind = packed.TypeName().rpartition(".")[2]
        details[kind] = getattr(error_details_pb2, kind)()
        packed.Unpack(details[kind])
    assert "Traceback" not in error.details()
    assert "\n" not in error.details()
    return error.code(), error.details(), details
