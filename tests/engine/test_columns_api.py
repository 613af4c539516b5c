"""RecordUsageColumns over real gRPC, beside RecordUsage: one log, one identity, one set of rules."""

import grpc
import pyarrow as pa
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_NOT_DECIMAL,
    VERDICT_ACCEPTED,
    VERDICT_CONFLICT,
    VERDICT_DUPLICATE,
    VERDICT_REJECTED,
    PropertyValue,
    RecordUsageColumnsRequest,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.ingest.arrow_streams import stream_of

JUNE_10_US = 1_749_513_600_000_000  # 2025-06-10T00:00:00Z
CATALOG = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens}
plans:
  - id: NAME
    name: The plan of NAME
    currency: USD
    prices: [{id: tokens, meter: NAME_tokens, model: per_unit, unit_amount: "0.01"}]
customers: [{id: NAME_acme, name: Acme}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2025-06-01}]
"""


@pytest.fixture
def usage(channel):
    return UsageServiceStub(channel)


def _batch(name, ids, **columns):
    rows = len(ids)
    sound = {
        "event_id": pa.array([f"{name}-{each}" for each in ids]),
        "event_type": pa.array([f"{name}.call"] * rows),
        "customer_id": pa.array([f"{name}_acme"] * rows),
        "event_time": pa.array([JUNE_10_US] * rows, pa.timestamp("us", "UTC")),
    }
    return pa.record_batch(sound | columns)


def _send(usage, batch):
    return usage.RecordUsageColumns(RecordUsageColumnsRequest(arrow_ipc=stream_of(batch)), timeout=60)


VALUES = {
    "string": (PropertyValue(string_value="a \N{ROCKET}"), pa.array(["a \N{ROCKET}"])),
    "dictionary": (PropertyValue(string_value="large"), pa.array(["large"]).dictionary_encode()),
    "view": (PropertyValue(string_value="x" * 40), pa.array(["x" * 40], pa.string_view())),
    "int": (PropertyValue(int_value=-(2**63)), pa.array([-(2**63)])),
    "small int": (PropertyValue(int_value=7), pa.array([7], pa.uint8())),
    "double": (PropertyValue(double_value=0.1), pa.array([0.1])),
    "huge double": (PropertyValue(double_value=1e22), pa.array([1e22])),
    "bool": (PropertyValue(bool_value=True), pa.array([True])),
    "decimal": (PropertyValue(string_value="12.50"), pa.array(["12.50"]).cast(pa.decimal128(9, 2))),
    "wide decimal": (PropertyValue(string_value="-0.001"), pa.array(["-0.001"]).cast(pa.decimal256(60, 3))),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("columns_first", [True, False])
def test_the_same_event_sent_once_each_way_is_a_duplicate(usage, apply, kind, columns_first):
    """Whichever comes first, and whatever the type of its property; one digit more is a conflict."""
    name = f"both_{sorted(VALUES).index(kind)}_{int(columns_first)}"
    apply(CATALOG.replace("NAME", name))
    value, column = VALUES[kind]
    event = UsageEvent(
        event_id=f"{name}-1",
        event_type=f"{name}.call",
        customer_id=f"{name}_acme",
        event_time=Timestamp(seconds=JUNE_10_US // 1_000_000),
        properties={"x": value, "tokens": PropertyValue(int_value=5)},
    )
    properties = {"properties.x": column, "properties.tokens": pa.array([5])}
    ways = [
        lambda: _send(usage, _batch(name, [1], **properties)),
        lambda: usage.RecordUsage(RecordUsageRequest(events=[event]), timeout=60),
    ]
    first, second = ways if columns_first else reversed(ways)
    assert list(first().verdicts) == [VERDICT_ACCEPTED]
    assert list(second().verdicts) == [VERDICT_DUPLICATE]
    event.properties["tokens"].int_value = 6
    assert list(usage.RecordUsage(RecordUsageRequest(events=[event])).verdicts) == [VERDICT_CONFLICT]


def test_fifty_thousand_events_are_stored_by_one_request_and_counted_once(usage, apply, channel):
    """0 + 1 + ... + 49,999 = 1,249,975,000 tokens at 0.01: 12,499,750.00; sent again, all are duplicates."""
    apply(CATALOG.replace("NAME", "bulk"))
    batch = _batch("bulk", range(50_000), **{"properties.tokens": pa.array(range(50_000))})
    first, again = _send(usage, batch), _send(usage, batch)
    assert set(first.verdicts) == {VERDICT_ACCEPTED}
    assert set(again.verdicts) == {VERDICT_DUPLICATE}
    assert len(first.verdicts) == len(again.verdicts) == 50_000
    request = GetSpendRequest(customer_id="bulk_acme", at=Timestamp(seconds=JUNE_10_US // 1_000_000))
    (spend,) = SpendServiceStub(channel).GetSpend(request, timeout=60).spends
    assert (spend.amount, spend.event_count) == ("12499750.00", 50_000)


def test_a_bad_row_is_named_by_its_place_and_touches_no_other(usage, apply):
    """As in RecordUsage: field, reason and message."""
    apply(CATALOG.replace("NAME", "rows"))
    answer = _send(usage, _batch("rows", [1, 2, 3], **{"properties.tokens": pa.array(["1", "many", "3"])}))
    assert list(answer.verdicts) == [VERDICT_ACCEPTED, VERDICT_REJECTED, VERDICT_ACCEPTED]
    (problem,) = answer.problems
    assert (problem.index, problem.field, problem.reason) == (
        1,
        "properties.tokens",
        PROBLEM_REASON_NOT_DECIMAL,
    )
    assert problem.message.startswith("'many' is not a decimal number")
    assert answer.as_of.seconds > JUNE_10_US // 1_000_000


@pytest.mark.parametrize(
    ("stream", "line"),
    [
        (b"noise", "arrow_ipc: is not a sound Arrow IPC stream"),
        (stream_of(_batch("x", [1]), compression="zstd"), "arrow_ipc: is compressed"),
        (stream_of(_batch("x", [1], tokens=pa.array([1]))), "arrow_ipc: column 'tokens' is unknown"),
        (stream_of(_batch("x", range(50_001))), "arrow_ipc: has 50001 events: send 1 to 50000"),
    ],
)
def test_a_stream_that_is_not_taken_is_an_invalid_argument(usage, stream, line):
    """With one line that says why."""
    with pytest.raises(grpc.RpcError) as refused:
        usage.RecordUsageColumns(RecordUsageColumnsRequest(arrow_ipc=stream), timeout=60)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert line in refused.value.details()
    assert "\n" not in refused.value.details()
