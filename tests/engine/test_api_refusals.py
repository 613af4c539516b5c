"""What the engine refuses over gRPC: a clear status, the field, and nothing else touched."""

import base64

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    PropertyValue,
    StreamUsageRequest,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import AT, api_event, record, refusal, spend_of


def test_a_bad_message_ends_the_stream_after_the_acks_before_it(channel, name):
    """An empty message is a mistake; what came before it is acknowledged."""
    requests = [StreamUsageRequest(sequence=1, events=[api_event(name, "a")]), StreamUsageRequest(sequence=2)]
    acks = []

    def read():
        acks.extend(UsageServiceStub(channel).StreamUsage(iter(requests), timeout=120))

    code, _, details = refusal(read)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details["BadRequest"].field_violations[0].field == "events"


def test_a_page_token_holds_for_its_own_listing(channel, name):
    """A token of all customers with one customer named would skip lines silently."""
    stub = BillingServiceStub(channel)
    first = stub.ListLineItems(ListLineItemsRequest(at=AT, page_size=1), timeout=120)
    other = ListLineItemsRequest(customer_id=f"{name}_acme", page_token=first.next_page_token)
    code, line, _ = refusal(lambda: stub.ListLineItems(other, timeout=120))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert line.startswith("page_token:")


def test_a_request_over_4_mib_is_the_callers_mistake(channel, name):
    """INVALID_ARGUMENT with the limit: sending it again would never help."""
    padding = {f"p{i}": PropertyValue(string_value="x" * 1000) for i in range(50)}
    events = []
    for i in range(100):
        events.append(api_event(name, str(i)))
        for key, value in padding.items():
            events[-1].properties[key].CopyFrom(value)
    code, line, _ = refusal(lambda: record(channel, *events))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "send at most 4194304" in line


def test_an_empty_batch_is_refused(channel):
    """INVALID_ARGUMENT that names the field."""
    code, line, details = refusal(lambda: record(channel))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert line == "events: has 0 events: send 1 to 10000 (request_events_max)"
    assert details["BadRequest"].field_violations[0].field == "events"
    assert details["ErrorInfo"].domain == "meterline"


def test_a_batch_over_the_limit_is_refused_whole(channel, name):
    """10,001 events: the limit is named, nothing is stored."""
    code, line, _ = refusal(lambda: record(channel, *([api_event(name, "same")] * 10_001)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "request_events_max" in line
    assert spend_of(channel, name).spends[0].event_count == 0


def test_bytes_that_are_no_message_are_the_callers_mistake(channel):
    """INVALID_ARGUMENT, not INTERNAL: for garbage, and for text that is not UTF-8."""
    record = channel.unary_unary("/meterline.v1.UsageService/RecordUsage")
    for data in (b"\xff\xff\xff", b"\x0a\x04\x0a\x02\xff\xfe"):
        code, line, _ = refusal(lambda data=data: record(data, timeout=120))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "meterline.v1.RecordUsageRequest" in line


def test_a_customer_that_does_not_exist_is_not_found(channel):
    """And one that is not named is a mistake in the request."""
    stub = SpendServiceStub(channel)
    code, line, _ = refusal(lambda: stub.GetSpend(GetSpendRequest(customer_id="nobody"), timeout=120))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "'nobody' is not in the catalog" in line
    code, _, details = refusal(lambda: stub.GetSpend(GetSpendRequest(), timeout=120))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details["BadRequest"].field_violations[0].field == "customer_id"


def test_a_watermark_in_the_future_is_refused(channel, name):
    """Its answer could change."""
    code, line, _ = refusal(lambda: spend_of(channel, name, as_of=Timestamp(seconds=4_000_000_000)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "is in the future" in line


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "bm9uc2Vuc2U=",
        "W10=",
        base64.b64encode(b"[" * 100_000).decode(),
        base64.b64encode(b'["", 1, 2, 3, 4, 5, 6]').decode(),
        base64.b64encode(b'["", -1, 1, 1, 1, "a", ""]').decode(),
        base64.b64encode(b'["", 1, 1, 1, 1, "\\ud800", ""]').decode(),
        base64.b64encode(b'["", 1, 1, 1, true, "a", ""]').decode(),
        base64.b64encode(b'["", 1, 1, 1, 1, "a"]').decode(),
    ],
)
def test_a_page_token_of_another_make_is_refused(channel, token):
    """Words, lists of the wrong length or kind, negative numbers."""
    request = ListLineItemsRequest(page_token=token)
    code, line, _ = refusal(lambda: BillingServiceStub(channel).ListLineItems(request, timeout=120))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert line.startswith("page_token:")


def test_every_mistake_of_a_document_is_reported_and_nothing_applied(channel, apply):
    """File, line and field for each; the revision does not move."""
    before = CatalogServiceStub(channel).GetCatalog(GetCatalogRequest(), timeout=120).revision
    document = "meters:\n  - {id: m1, event_type: x, aggregation: sum}\ncustomers:\n  - {id: ok, name: Ok}\n  - {id: 'no no', name: X}\n"
    code, _, details = refusal(lambda: apply(document))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    fields = [violation.field for violation in details["BadRequest"].field_violations]
    assert [field.split(": ")[0] for field in fields] == ["test.yaml:2", "test.yaml:5"]
    assert CatalogServiceStub(channel).GetCatalog(GetCatalogRequest(), timeout=120).revision == before


@pytest.mark.parametrize("text", ["no no", "\N{ROCKET} " * 20])
def test_a_flood_of_mistakes_fits_what_a_client_takes(apply, text):
    """A hundred mistakes, in ASCII or not: as many as fit are named in order, the rest is counted, and the
    status arrives at a client with gRPC's own limits.
    """
    document = "customers:\n" + "".join(f"  - {{id: '{text}{i}', name: X}}\n" for i in range(90))
    code, _, details = refusal(lambda: apply(document))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    *named, rest = details["BadRequest"].field_violations
    assert [violation.field.split(": ")[0] for violation in named] == [
        f"test.yaml:{i + 2}" for i in range(len(named))
    ]
    assert len(named) >= 5
    assert f"and {90 - len(named)} more" in rest.description
