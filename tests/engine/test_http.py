"""The HTTP face: every RPC as JSON with gRPC's answers and refusals, CloudEvents, and peers that misbehave."""

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.api_keys import new_key_text
from engine.access.caller import Scope
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, ListAuditRecordsRequest, RevokeApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest, RecordUsageResponse
from tests.support.engine.api_world import AT, CATALOG, api_event, refusal, spend_of
from tests.support.engine.customer_requests import BY_CUSTOMER
from tests.support.engine.operation_table import TABLE

ROOT = Path(__file__).parents[2]
KEY = os.environ["METERLINE_API_KEY"]
STRUCTURED, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"
REQUEST_BYTES_MAX = 65_536
# What serves paths that are not named for it.
_OTHER_PATHS = {
    "/cloudevents": "RecordUsage",
    "/invoices/{file_name}": "GetInvoiceDocument",
    "/credit-notes/{file_name}": "GetCreditNoteDocument",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    limits = ("--limit", f"request_bytes_max={REQUEST_BYTES_MAX}")
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *options, *limits) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target) as opened:
        yield opened


@pytest.fixture
def name(request, channel):
    name = request.node.originalname.removeprefix("test_")[:40]
    document = CATALOG.replace("NAME", name)
    CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
    return name


class Answer:
    """What came back."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


def ask(engine, path, body=b"", method="POST", key=KEY, **headers):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=60)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def rpc(engine, method, body=b"", **headers):
    return ask(engine, f"/meterline.v1.{method}", body, **headers)


def as_json(message):
    return MessageToDict(message, preserving_proto_field_name=True)


def cloud_event(name, event_id, **fields):
    return {
        "specversion": "1.0",
        "id": f"{name}-{event_id}",
        "source": "/chat/1",
        "type": f"{name}.call",
        "subject": f"{name}_acme",
        "time": "2025-06-10T00:00:00Z",
        "data": {"tokens": 1500, "model": "large"},
    } | fields


def test_an_rpc_answers_over_http_as_over_grpc(engine, channel, name):
    """The same message, from a request in JSON or in protobuf."""
    event = api_event(name, "1", "1500")
    recorded = rpc(engine, "UsageService/RecordUsage", as_json(RecordUsageRequest(events=[event])))
    assert (recorded.status, recorded.json["verdicts"]) == (200, ["VERDICT_ACCEPTED"])
    again = rpc(
        engine,
        "UsageService/RecordUsage",
        RecordUsageRequest(events=[event]).SerializeToString(),
        content_type="application/protobuf",
    )
    assert list(RecordUsageResponse.FromString(again.body).verdicts) == [2]
    over_grpc = spend_of(channel, name)
    request = as_json(GetSpendRequest(customer_id=f"{name}_acme", at=AT, as_of=over_grpc.as_of))
    over_http = rpc(engine, "SpendService/GetSpend", request, content_type="application/json")
    assert ParseDict(over_http.json, GetSpendResponse()) == over_grpc
    # 20 for the month, 10.00 for 1,000 tokens and 1.25 for 500.
    assert [each["amount"] for each in over_http.json["spends"]] == ["31.25"]


def test_a_refusal_is_a_status_in_json_with_the_words_of_grpc(engine, channel, name):
    """Its HTTP code follows from its google.rpc code."""
    for fields, http_code in (({"customer_id": "nobody"}, 404), ({}, 400)):
        code, line, details = refusal(
            lambda fields=fields: SpendServiceStub(channel).GetSpend(GetSpendRequest(**fields), timeout=120)
        )
        found = rpc(engine, "SpendService/GetSpend", fields)
        assert (found.status, found.json["message"]) == (http_code, line)
        assert found.json["code"] == code.value[0]
        assert {each["@type"].rpartition(".")[2] for each in found.json["details"]} == set(details)


def test_an_idempotency_key_may_be_a_header(engine, name):
    """As clients of other services send it; a stale etag is a 409."""
    create, update = "ResourceService/CreateResource", "ResourceService/UpdateResource"
    request = {"kind": "customer", "definition": json.dumps({"id": f"{name}_new", "name": "H"})}
    key = {"idempotency_key": f"{name}-1"}
    first = rpc(engine, create, request, **key)
    assert first.status == 200
    assert rpc(engine, create, request, **key).json == first.json
    assert rpc(engine, create, request).status == 409
    changed = {"kind": "customer", "id": f"{name}_new", "definition": '{"name": "I"}'}
    etag = {"etag": first.json["resource"]["etag"]}
    assert rpc(engine, update, changed | etag).status == 200
    stale = rpc(engine, update, changed | etag)
    assert (stale.status, stale.json["code"]) == (409, 10)
    assert rpc(engine, update, changed | {"idempotency_key": "x"}, **key).status == 400
    # A request without the field takes no notice of the header.
    assert rpc(engine, "CatalogService/GetCatalog", {}, **key).status == 200


@pytest.fixture(scope="module")
def wrong_keys(channel):
    """The texts of credentials that are none, by the reason that the metrics give."""
    admin = AccessServiceStub(channel)
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(seconds=1))
    texts = {"missing": None, "malformed": "nonsense", "unknown": new_key_text(secrets.token_hex)}
    for reason, expires_at in (("expired", end), ("revoked", None), ("wrong secret", None)):
        request = CreateApiKeyRequest(name=reason, scopes=["SCOPE_READ"], expires_at=expires_at)
        texts[reason] = admin.CreateApiKey(request, timeout=120).key_text
    admin.RevokeApiKey(RevokeApiKeyRequest(key_id=texts["revoked"][4:16]), timeout=120)
    texts["wrong secret"] = f"{texts['wrong secret'][:17]}{'0' * 48}"
    until = time.monotonic() + 60
    while time.time() <= end.ToNanoseconds() / 1e9:
        assert time.monotonic() < until
        time.sleep(0.05)
    return texts


def refusals(engine):
    """How many calls were refused so far, by method and reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as response:
        text = response.read().decode()
    line = r'^meterline_refused_calls_total{method="(\w+)",reason="([\w ]+)"} ([\d.]+)$'
    return Counter(
        {(method, why): int(float(number)) for method, why, number in re.findall(line, text, re.MULTILINE)}
    )


def test_every_wrong_credential_is_refused_before_the_body_is_read(engine, channel, wrong_keys):
    """For every path, in the same words, without a word of the body, which is not JSON. Each refusal is counted; that of a scope
    and those of keys that are known are audited.
    """
    admin = AccessServiceStub(channel)
    narrow = admin.CreateApiKey(CreateApiKeyRequest(name="n", scopes=["SCOPE_OPERATE"]), timeout=120).key_text
    paths = ask(engine, "/openapi.json", method="GET", key=None).json["paths"]
    assert len(paths) == 109
    before, said, expected = refusals(engine), {}, Counter()
    for path, methods in paths.items():
        method = next(iter(methods)).upper()
        operation = _OTHER_PATHS.get(path) or path.rpartition("/")[2]
        for reason, key in wrong_keys.items():
            refused = ask(engine, path, b"{", key=key, method=method)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer"), path
            said.setdefault(reason, set()).add(refused.json["message"])
            expected[operation, reason] += 1
        if not path.startswith(("/meterline.v1.TenantService", "/meterline.v1.BackupService")):
            assert ask(engine, path, b"{", key=narrow, method=method).status == 403, path
            expected[operation, "scope"] += 1
    assert refusals(engine) - before == expected
    (missing,) = said.pop("missing")
    assert missing.startswith("the call has no credential")
    assert len(set.union(*said.values())) == 1
    records = admin.ListAuditRecords(ListAuditRecordsRequest(page_size=1_000), timeout=120).audit_records
    found = {(each.credential, each.operation, each.code) for each in records}
    for row in TABLE:
        for reason in ("expired", "revoked", "wrong secret"):
            assert (f"key:{wrong_keys[reason][4:16]}", row.name, "UNAUTHENTICATED") in found
        if row.scope is not Scope.OPERATE:
            assert (f"key:{narrow[4:16]}", row.name, "PERMISSION_DENIED") in found


def test_the_key_of_a_customer_is_refused_for_every_other_one(engine, channel, name):
    """On every path of an operation, in the same words whether that one exists; each refusal is counted by its reason."""
    request = CreateApiKeyRequest(name="p", scopes=["SCOPE_READ", "SCOPE_BILL"], customer_id=f"{name}_acme")
    key = AccessServiceStub(channel).CreateApiKey(request, timeout=120).key_text
    before, said, expected = refusals(engine), set(), Counter()
    for row in TABLE:
        fields = BY_CUSTOMER.get(row.method, lambda _who: {})
        is_of_scope = row.scope in (Scope.READ, Scope.BILL)
        for who in (f"{name}_bolt", "nobody"):
            refused = rpc(engine, row.name.replace(".", "/"), fields(who), key=key)
            assert refused.status == 403, row.name
            if is_of_scope:
                said.add(refused.json["message"])
            expected[row.method, "customer" if is_of_scope else "scope"] += 1
    assert refusals(engine) - before == expected
    assert len(said) == 1


def test_the_key_of_a_customer_reads_that_customer_over_http_too(engine, channel, name):
    """And nobody else."""
    key = (
        AccessServiceStub(channel)
        .CreateApiKey(
            CreateApiKeyRequest(name="portal", scopes=["SCOPE_READ"], customer_id=f"{name}_acme"), timeout=120
        )
        .key_text
    )
    asked = {"at": "2025-06-10T00:00:00Z"}
    mine = rpc(engine, "SpendService/GetSpend", {**asked, "customer_id": f"{name}_acme"}, key=key)
    assert [each["amount"] for each in mine.json["spends"]] == ["20.00"]
    assert (
        rpc(engine, "SpendService/GetSpend", {**asked, "customer_id": f"{name}_bolt"}, key=key).status == 403
    )
    assert rpc(engine, "SpendService/ListSpend", asked, key=key).status == 403


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        (b'{"colour": 1}', "colour"),
        (b'{"customer_id": 5}', "customer_id"),
        (b'{"customer_id": "a", "customer_id": "b"}', "customer_id"),
        (b'{"at": "yesterday"}', "at"),
        (b'{"catalog_revision": -1}', "catalog_revision"),
        (b'{"customer_id": "\\ud800"}', "JSON"),
        (b'{"customer_id": "\xff"}', "UTF-8"),
        (b"[]", "JSON"),
        (b"null", "JSON"),
        (b"[" * 50_000, "JSON"),
        (b'{"at": ' * 5_000, "JSON"),
        (b'{"catalog_revision": 1e400}', "JSON"),
        (b'{"catalog_revision": NaN}', "JSON"),
    ],
)
def test_a_body_that_is_not_the_message_is_refused_in_a_line(engine, body, word):
    """It says what is wrong, and nothing of the engine's inside."""
    refused = rpc(engine, "SpendService/GetSpend", body)
    assert refused.status == 400, refused.body
    assert word in refused.json["message"]
    assert "\n" not in refused.json["message"]
    assert "Traceback" not in refused.json["message"]


def test_a_stream_takes_and_gives_a_message_a_line(engine, name):
    """What fails after the first answer is the last line."""
    events = [as_json(api_event(name, str(i))) for i in range(3)]
    lines = [{"sequence": i, "events": [event]} for i, event in enumerate(events, 1)]
    body = "".join(f"{json.dumps(each)}\n" for each in lines).encode()
    streamed = rpc(engine, "UsageService/StreamUsage", body, content_type="application/x-ndjson")
    answers = [json.loads(line) for line in streamed.body.splitlines()]
    assert [each["sequence"] for each in answers] == ["1", "2", "3"]
    assert {tuple(each["verdicts"]) for each in answers} == {("VERDICT_ACCEPTED",)}
    broken = rpc(engine, "UsageService/StreamUsage", body + b'{"sequence": 4, "events": []}\n')
    *answers, last = [json.loads(line) for line in broken.body.splitlines()]
    assert ([each["sequence"] for each in answers], last["error"]["code"]) == (["1", "2", "3"], 3)
    refused = rpc(engine, "UsageService/StreamUsage", b'{"sequence": 1, "colour": 2}\n')
    assert (refused.status, "line 1" in refused.json["message"]) == (400, True)


def test_cloud_events_are_usage_in_each_of_their_modes(engine, channel, name):
    """The same one by each mode is counted once: 1,500 tokens are 31.25 with the month's fee."""
    event = cloud_event(name, "1")
    structured = ask(engine, "/cloudevents", event, content_type=STRUCTURED)
    assert (structured.status, structured.json["verdicts"]) == (200, ["VERDICT_ACCEPTED"])
    batched = ask(engine, "/cloudevents", [event, event], content_type=BATCHED)
    assert batched.json["verdicts"] == ["VERDICT_DUPLICATE"] * 2
    attributes = {f"ce_{key}": value for key, value in event.items() if key != "data"}
    binary = ask(engine, "/cloudevents", event["data"], content_type="application/json", **attributes)
    assert binary.json["verdicts"] == ["VERDICT_DUPLICATE"]
    assert [each.amount for each in spend_of(channel, name).spends] == ["31.25"]


def test_a_cloud_event_is_the_same_event_over_http_and_from_a_file(engine, name, tmp_path):
    """`meterline import` of what was posted finds duplicates: nested data, numbers and times come out alike."""
    data = {"tokens": 1.50e2, "model": "large", "deep": {"er": True, "list": None}, "n": "0012"}
    events = [
        cloud_event(name, "1", data=data, time="2025-06-10T02:00:00.5+02:00"),
        cloud_event(name, "2", data={"tokens": "7"}, source="urn:x", extension="left out"),
    ]
    text = json.dumps(events).replace("150.0", "1.50e2")
    posted = ask(engine, "/cloudevents", text.encode(), content_type=BATCHED)
    assert posted.json["verdicts"] == ["VERDICT_ACCEPTED"] * 2, posted.json
    file = tmp_path / "events.json"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "engine", "import", str(file), "--target", engine.target],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "2 rows: 0 accepted, 2 duplicate, 0 conflict, 0 rejected" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"type": "unknown"}, 422, "event_type"),
        ({"specversion": "0.3"}, 400, "specversion"),
        ({"id": ""}, 400, "id"),
        ({"time": "noon"}, 400, "RFC 3339"),
        ({"time": "2025-06-10T00:00:00"}, 400, "time zone"),
        ({"data": "text"}, 400, "JSON object"),
        ({"data": {"tokens": [1]}}, 400, "list"),
        ({"subject": ""}, 422, "customer_id"),
    ],
)
def test_a_cloud_event_that_is_no_usage_is_refused_by_its_status(engine, name, change, status, word):
    """Its sender looks at nothing else."""
    refused = ask(engine, "/cloudevents", cloud_event(name, "1", **change), content_type=STRUCTURED)
    assert (refused.status, word in refused.body.decode()) == (status, True), refused.body


def test_one_that_is_no_cloud_event_fails_no_other_of_its_batch(engine, name):
    """It has a verdict and a reason at its place."""
    events = [
        cloud_event(name, "1"),
        cloud_event(name, "2", specversion="0.3"),
        cloud_event(name, "3", type="unknown"),
        cloud_event(name, "4", data={"tokens": [1]}),
        cloud_event(name, "5", data={"tokens": 1, "ce_source": "x"}),
        cloud_event(name, "6"),
    ]
    judged = ask(engine, "/cloudevents", events, content_type=BATCHED).json
    accepted, rejected = "VERDICT_ACCEPTED", "VERDICT_REJECTED"
    assert judged["verdicts"] == [accepted, rejected, rejected, rejected, rejected, accepted]
    reasons = {each["index"]: each["reason"].removeprefix("PROBLEM_REASON_") for each in judged["problems"]}
    assert reasons == {1: "MALFORMED", 2: "UNKNOWN_EVENT_TYPE", 3: "MALFORMED", 4: "MALFORMED"}
    alone = ask(engine, "/cloudevents", [events[1]], content_type=BATCHED).json
    assert (alone["verdicts"], len(alone["problems"])) == ([rejected], 1)


def test_headers_of_a_cloud_event_are_percent_encoded(engine, channel, name):
    """An id with a blank, a percent sign and an umlaut is one event in headers and in JSON."""
    event = cloud_event(name, "1", id=f"{name} 100% ü")
    attributes = {f"ce_{key}": value for key, value in event.items() if key != "data"}
    attributes["ce_id"] = f"{name}%20100%25%20%C3%BC"
    binary = ask(engine, "/cloudevents", event["data"], content_type="application/json", **attributes)
    assert binary.json["verdicts"] == ["VERDICT_ACCEPTED"]
    structured = ask(engine, "/cloudevents", event, content_type=STRUCTURED)
    assert structured.json["verdicts"] == ["VERDICT_DUPLICATE"]
    attributes["ce_id"] = "%FF"
    assert (
        ask(engine, "/cloudevents", event["data"], content_type="application/json", **attributes).status
        == 400
    )


def test_a_refusal_ends_its_connection(engine):
    """Of a body that was not read nothing is taken for the next request."""
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for head in (
        "POST /meterline.v1.SpendService/ListSpend",
        "GET /nothing",
        "GET /meterline.v1.SpendService/ListSpend",
    ):
        for framing in (
            "Content-Length: 37\r\n\r\n",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ):
            answer = _raw(engine, f"{head} HTTP/1.1\r\nHost: x\r\n{framing}".encode() + hidden)
            assert answer.count(b"HTTP/1.1 ") == 1, answer
            assert b"serving" not in answer


def test_another_content_under_an_id_is_a_conflict(engine, name):
    """409, with the verdict."""
    ask(engine, "/cloudevents", cloud_event(name, "1"), content_type=STRUCTURED)
    other = ask(engine, "/cloudevents", cloud_event(name, "1", data={"tokens": 1}), content_type=STRUCTURED)
    assert (other.status, other.json["verdicts"]) == (409, ["VERDICT_CONFLICT"])


def test_a_body_beyond_the_bound_is_refused(engine):
    """Announced or not, and packed ones too."""
    path = "/meterline.v1.SpendService/GetSpend"
    assert rpc(engine, "SpendService/GetSpend", b" " * (REQUEST_BYTES_MAX + 1)).status == 400
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    chunk = f"{20_000:x}\r\n".encode() + b" " * 20_000 + b"\r\n"
    assert b" 400 " in _raw(engine, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + 5 * chunk)[:20]
    packed = rpc(engine, "SpendService/GetSpend", b"{}", content_encoding="gzip")
    assert (packed.status, "Content-Encoding" in packed.json["message"]) == (400, True)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Content-Length: 2, 3\r\n\r\n{}",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +2\r\n\r\n{}",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        " folded: header\r\nContent-Length: 2\r\n\r\n{}",
        "Bad Name: x\r\nContent-Length: 2\r\n\r\n{}",
        "X: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_request_whose_length_is_not_clear_is_refused(engine, framing):
    """What a proxy before the engine may have read in another way never reaches a handler."""
    head = "POST /meterline.v1.SpendService/ListSpend HTTP/1.1\r\nHost: x\r\n"
    answer = _raw(engine, f"{head}Authorization: Bearer {KEY}\r\n{framing}".encode())
    status = int(answer.split(b" ")[1])
    assert 400 <= status < 500, answer
    # One request, one answer: nothing of the body is taken for a request.
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/meterline.v1.SpendService/ListSpend/",
        "//meterline.v1.SpendService/ListSpend",
        "/meterline.v1.SpendService/../AccessService/ListApiKeys",
        "/meterline.v1.SpendService/%2e%2e/ListSpend",
        "/METERLINE.v1.SpendService/ListSpend",
        "/meterline.v1.SpendService%00/ListSpend",
        "/",
        "/metrics",
    ],
)
def test_a_path_is_an_operation_or_nothing(engine, path):
    """No other spelling of a path leads to one."""
    assert ask(engine, path, b"{}").status in {307, 404}
    assert ask(engine, path, b"{}", key=None).status in {307, 404}


def test_peers_that_stay_silent_hold_nobody_up(engine):
    """Two hundred that never finish a head are cut off within seconds, and others are answered meanwhile."""
    slow = [socket.create_connection(("127.0.0.1", engine.http_port), timeout=60) for _ in range(200)]
    try:
        for each in slow:
            each.sendall(b"POST /meterline.v1.SpendService/ListSpend HTTP/1.1\r\nHost: x\r\n")
        assert rpc(engine, "SpendService/ListSpend", b"{}").status == 200
        began = time.monotonic()
        for each in slow:
            each.settimeout(40)
            assert each.recv(1) == b""
        assert time.monotonic() - began < 40
    finally:
        for each in slow:
            each.close()


def test_many_callers_at_once_are_all_answered(engine, name):
    """On one port, more than there are threads."""
    with ThreadPoolExecutor(100) as threads:
        found = list(
            threads.map(
                lambda i: (
                    ask(engine, "/cloudevents", cloud_event(name, str(i)), content_type=STRUCTURED).status
                ),
                range(300),
            )
        )
    assert set(found) == {200}


def test_health_is_told_without_a_key(engine):
    """And nothing else but the document."""
    assert ask(engine, "/healthz", method="GET", key=None).body == b"serving\n"
    assert ask(engine, "/openapi.json", method="GET", key=None).status == 200
    assert ask(engine, "/meterline.v1.SpendService/ListSpend", method="GET").status == 405


def test_reflection_is_off_unless_it_was_asked_for(channel):
    """Neither of its names is served, also to who may do everything; health is."""
    for version in ("v1", "v1alpha"):
        asked = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.RpcError) as refused:
            next(asked(iter([b""]), timeout=120))
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=120)


def _raw(engine, data):
    """What comes back for these bytes, until the other side closes or says no more."""
    with socket.create_connection(("127.0.0.1", engine.http_port), timeout=120) as connection:
        connection.sendall(data)
        received = b""
        connection.settimeout(3)
        try:
            while part := connection.recv(65_536):
                received += part
        except TimeoutError:
            pass
        return received
