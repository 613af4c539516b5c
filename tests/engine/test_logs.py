"""What a running engine logs of calls on both faces: request ids, callers, batches, failures; and what it never logs."""

import http.client
import json
import os
import secrets
import sqlite3
import time

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from engine.access.api_keys import new_key_text
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest, StreamUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import CATALOG, api_event

KEY = os.environ["METERLINE_API_KEY"]
CREDENTIAL = "key:" + KEY.split("_")[1]
SECRET = "s3cr3t-of-a-customer"
OPTIONS = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0", "--log-level", "debug")
_SOON_S = 30


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *OPTIONS) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target) as opened:
        document = CATALOG.replace("NAME", "logs")
        CatalogServiceStub(opened).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
        yield opened


def _over_grpc(engine, metadata):
    """The request id that came back, and the status code's name."""
    sent = {"authorization": f"Bearer {KEY}", **dict(metadata)}
    with grpc.insecure_channel(engine.target) as channel:
        stub = SpendServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetSpend(GetSpendRequest(customer_id="nobody"), metadata=tuple(sent.items()), timeout=120)
    return dict(refused.value.trailing_metadata())["x-request-id"], refused.value.code().name


def _ask(engine, path, body, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=120)
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **dict(headers)}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def _over_http(engine, metadata):
    path = "/meterline.v1.SpendService/GetSpend"
    _, headers, body = _ask(engine, path, '{"customer_id": "nobody"}', metadata)
    return headers["x-request-id"], code_pb2.Code.Name(json.loads(body)["code"])


@pytest.fixture(params=["grpc", "http"])
def ask(request, engine):
    """A refused call on a face: its request id and its code."""
    over = {"grpc": _over_grpc, "http": _over_http}[request.param]
    return lambda *metadata: over(engine, metadata)


def _entries(engine):
    return [json.loads(line) for line in engine.log if line.startswith("{")]


def _of_call(engine, request_id, event):
    """The one line with this event and this request id, as soon as it is there."""
    give_up_at = time.monotonic() + _SOON_S
    while True:
        found = [
            each
            for each in _entries(engine)
            if each["event"] == event
            and (each.get("request_id") == request_id or request_id in each.get("request_ids", ()))
        ]
        if found:
            return found
        assert time.monotonic() < give_up_at, f"no {event!r} of {request_id}"
        time.sleep(0.02)


def test_a_request_id_of_the_caller_is_taken_over_and_sent_back(engine, ask, request):
    """The lines of the call have it, with its tenant and its key."""
    given = f"order-17/{request.node.callspec.params['ask']}:a=b"
    assert ask(("x-request-id", given)) == (given, "NOT_FOUND")
    for event in ("refused", "call ended"):
        (line,) = _of_call(engine, given, event)
        assert (line["method"], line["tenant"], line["credential"]) == ("GetSpend", "default", CREDENTIAL)
        assert line["code"] == "NOT_FOUND"


@pytest.mark.parametrize("given", [None, "", "x" * 129, 'a "quoted" one', "a{b}"])
def test_what_is_not_a_request_id_is_replaced(ask, given):
    """By one of the engine's own: 32 hex digits, another for each call."""
    metadata = () if given is None else (("x-request-id", given),)
    first, second = ask(*metadata)[0], ask(*metadata)[0]
    for each in (first, second):
        assert len(each) == 32
        assert set(each) <= set("0123456789abcdef")
    assert first != second


def test_a_caller_who_is_not_known_leaves_one_line_with_the_reason(engine, ask):
    """And nothing of what was sent as a key."""
    wrong, request_id = new_key_text(secrets.token_hex), f"nobody-{secrets.token_hex(4)}"
    answer = ask(("x-request-id", request_id), ("authorization", f"Bearer {wrong}"))
    assert answer == (request_id, "UNAUTHENTICATED")
    (line,) = _of_call(engine, request_id, "refused")
    assert (line["code"], line["reason"], "tenant" in line) == ("UNAUTHENTICATED", "unknown", False)
    assert wrong not in "\n".join(engine.log)


def test_a_batch_leaves_one_line_with_the_calls_that_shared_it(engine, channel):
    """Of a unary call and of a stream."""
    stub = UsageServiceStub(channel)
    metadata = (("x-request-id", "batch-1"),)
    stub.RecordUsage(
        RecordUsageRequest(events=[api_event("logs", "one"), api_event("logs", "two")]),
        metadata=metadata,
        timeout=120,
    )
    (line,) = _of_call(engine, "batch-1", "stored")
    assert (line["requests"], line["events"], line["new_events"], line["level"]) == (1, 2, 2, "debug")
    asked = iter([StreamUsageRequest(sequence=1, events=[api_event("logs", "two")])])
    list(stub.StreamUsage(asked, metadata=(("x-request-id", "batch-2"),), timeout=120))
    (line,) = _of_call(engine, "batch-2", "stored")
    assert (line["events"], line["new_events"]) == (1, 0)


def test_neither_secrets_nor_properties_nor_sql_are_logged(engine, channel):
    """Whatever is wrong with a request, on both faces, with every line at debug."""
    usage, headers = UsageServiceStub(channel), (("x-request-id", "quiet"),)
    event = api_event("logs", "quiet")
    event.properties["note"].string_value = SECRET
    usage.RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
    event.properties["note"].string_value = SECRET + "-other"
    usage.RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
    rpc = "/meterline.v1.UsageService/RecordUsage"
    bodies = [
        f'{{"events": [{{"event_id": 7, "properties": {{"a": {{"string_value": "{SECRET}"}}}}}}]}}',
        f'{{"events": [{{"event_time": "{SECRET}"}}]}}',
        f'{{"events": "{SECRET}"}}',
        SECRET,
    ]
    for body in bodies:
        assert _ask(engine, rpc, body, headers)[0] == 400
    cloud = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "c", "time": SECRET}
    _ask(engine, "/cloudevents", json.dumps(cloud), [("content-type", "application/cloudevents+json")])
    with pytest.raises(grpc.RpcError):
        CatalogServiceStub(channel).ApplyCatalog(
            ApplyCatalogRequest(document=f"meters: {{{SECRET}: 1}}\nplans: {SECRET}"), timeout=120
        )
    with pytest.raises(grpc.RpcError):
        BillingServiceStub(channel).ListLineItems(ListLineItemsRequest(page_token=SECRET), timeout=120)
    SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)
    _of_call(engine, "quiet", "refused")
    text = "\n".join(engine.log)
    for never in (SECRET, KEY, KEY.split("_")[2], "SELECT ", "INSERT "):
        assert never not in text


def test_an_error_of_the_inside_names_the_line_of_the_log_that_tells_more(tmp_path):
    """On both faces; the line has the frames, and neither the statement nor what the database said."""
    with EngineProcess(tmp_path / "data", *OPTIONS) as engine, open_channel(engine.target) as channel:
        with sqlite3.connect(tmp_path / "data" / "catalog.sqlite") as database:
            database.execute("DROP TABLE audit_records")
        stub = AccessServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListAuditRecords(ListAuditRecordsRequest(), metadata=(("x-request-id", "inside-1"),))
        status = rpc_status.from_call(caught.value)
        info = error_details_pb2.RequestInfo()
        assert any(each.Unpack(info) for each in status.details if each.Is(info.DESCRIPTOR))
        assert info.request_id == "inside-1"
        assert caught.value.details().endswith("of which its log tells more: request_id inside-1")
        path = "/meterline.v1.AccessService/ListAuditRecords"
        code, headers, body = _ask(engine, path, "{}", (("x-request-id", "inside-2"),))
        assert (code, headers["x-request-id"]) == (500, "inside-2")
        assert json.loads(body)["message"].endswith("request_id inside-2")
        for request_id in ("inside-1", "inside-2"):
            (line,) = _of_call(engine, request_id, "call failed")
            assert line["level"] == "error"
            kinds = [each["type"] for each in line["exception"]]
            assert "OperationalError" in kinds
            assert any("audit_log.py" in frame for each in line["exception"] for frame in each["frames"])
        assert "SELECT" not in "\n".join(engine.log)
        assert "no such table" not in "\n".join(engine.log)
