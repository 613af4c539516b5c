"""Limits of tenants on a running engine: each on each face, what the client makes of them, changes without a restart."""

import contextlib
import http.client
import itertools
import json
import select
import socket
import threading
import time
import urllib.request
from datetime import UTC, datetime

import grpc
import pytest
from click.testing import CliRunner

from engine.cli import cli
from examples.engine_process import EngineProcess
from meterline import Client, Event, open_channel
from meterline.v1.access_pb2 import (
    CreateTenantRequest,
    GetTenantLimitsRequest,
    ListAuditRecordsRequest,
    SetTenantLimitsRequest,
    TenantLimitChange,
)
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.metering_pb2 import QueryUsageRequest, UsageGrouping
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest, StreamUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import CATALOG, api_event, record, refusal

_numbers = itertools.count(1)
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Requests of at most 1,000 events and 64 KiB, so that limits may be small."""
    limits = ("request_events_max=1000", "columns_events_max=1000", "request_bytes_max=65536")
    options = [f"--limit={each}" for each in limits]
    options += ["--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0"]
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def operator(engine):
    with open_channel(engine.target) as opened:
        yield TenantServiceStub(opened)


class Tenant:
    """A tenant of its own with a catalog, and its limits."""

    def __init__(self, engine, operator):
        self.name = f"limited-{next(_numbers)}"
        self._engine, self._operator = engine, operator
        self.key = operator.CreateTenant(CreateTenantRequest(tenant=self.name), timeout=120).key_text
        self.channel = open_channel(engine.target, api_key=self.key)
        self.usage = UsageServiceStub(self.channel)
        document = CATALOG.replace("NAME", "w")
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)

    def limit(self, **numbers):
        changes = [TenantLimitChange(name=name, number=number) for name, number in numbers.items()]
        request = SetTenantLimitsRequest(tenant=self.name, changes=changes)
        return self._operator.SetTenantLimits(request, timeout=120).limits

    def limits(self):
        request = GetTenantLimitsRequest(tenant=self.name)
        return {each.name: each for each in self._operator.GetTenantLimits(request, timeout=120).limits}

    def post(self, method, body, media="application/json"):
        """Over HTTP: the status, the headers, and the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._engine.http_port, timeout=60)
        headers = {"authorization": f"Bearer {self.key}", "content-type": media}
        try:
            connection.request("POST", f"/meterline.v1.{method}", body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@pytest.fixture
def tenant(engine, operator):
    made = Tenant(engine, operator)
    yield made
    made.channel.close()


def events(count, first=0):
    return [api_event("w", str(number)) for number in range(first, first + count)]


def many(count, first=0):
    return RecordUsageRequest(events=events(count, first))


def check_refusal(tenant, call, name):
    """RESOURCE_EXHAUSTED, with the limit's name for programs and people, and when to come again."""
    code, line, details = refusal(call)
    assert (code, details["ErrorInfo"].reason) == (RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert details["ErrorInfo"].metadata == {"limit": name}
    (violation,) = details["QuotaFailure"].violations
    assert (violation.subject, violation.description) == (f"tenant:{tenant.name}", line)
    assert name in line
    assert details["RetryInfo"].retry_delay.ToMilliseconds() > 0
    return details["RetryInfo"].retry_delay.ToMilliseconds()


def check_http_refusal(tenant, name, answer):
    status, headers, body = answer
    found = json.loads(body)
    assert (status, found["code"]) == (429, 8)
    info, quota, retry = found["details"]
    assert (info["reason"], info["metadata"]) == ("LIMIT_EXCEEDED", {"limit": name})
    assert quota["violations"][0]["subject"] == f"tenant:{tenant.name}"
    assert retry["@type"].endswith("RetryInfo")
    assert int(headers["Retry-After"]) >= float(retry["retry_delay"].rstrip("s"))


def limited_total(engine, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as response:
        lines = response.read().decode().splitlines()
    head = f'meterline_limited_calls_total{{limit="{name}"}} '
    return next((float(line.removeprefix(head)) for line in lines if line.startswith(head)), 0)


def test_requests_are_limited_on_both_faces(engine, tenant):
    """Of reads and of usage alike; what is refused is counted by the limit's name."""
    tenant.limit(requests_per_s_max=1)
    before = limited_total(engine, "requests_per_s_max")
    catalog = CatalogServiceStub(tenant.channel)

    def read():
        return catalog.GetCatalog(GetCatalogRequest(), timeout=120)

    def until_refused(call, is_refused):
        until = time.monotonic() + 60
        while not is_refused(found := call()):
            assert time.monotonic() < until
        return found

    def refused_read():
        until = time.monotonic() + 60
        while True:
            assert time.monotonic() < until
            read()

    check_refusal(tenant, refused_read, "requests_per_s_max")
    answer = until_refused(
        lambda: tenant.post("CatalogService/GetCatalog", b"{}"), lambda each: each[0] != 200
    )
    check_http_refusal(tenant, "requests_per_s_max", answer)
    assert limited_total(engine, "requests_per_s_max") >= before + 2


@pytest.mark.parametrize("face", ["grpc", "http"])
def test_events_are_limited_on_both_faces(tenant, face):
    """A request of 900 at 10 a second is taken whole; the next is refused before it is read, until it is paid for."""
    tenant.limit(events_per_s_max=10)
    assert len(record(tenant.channel, *events(900)).verdicts) == 900
    if face == "grpc":
        wait_ms = check_refusal(
            tenant, lambda: tenant.usage.RecordUsage(many(1), timeout=120), "events_per_s_max"
        )
        # 890 of them are owed.
        assert 60_000 < wait_ms <= 89_000
        # A stream that is opened is refused in the same way.
        stream = tenant.usage.StreamUsage(
            iter([StreamUsageRequest(sequence=1, events=events(1))]), timeout=120
        )
        check_refusal(tenant, lambda: next(stream), "events_per_s_max")
    else:
        # Not even JSON: nothing of it is looked at.
        check_http_refusal(tenant, "events_per_s_max", tenant.post("UsageService/RecordUsage", b"{"))
        line = tenant.post("UsageService/StreamUsage", b'{"sequence": 1}', "application/x-ndjson")
        check_http_refusal(tenant, "events_per_s_max", line)
    # It reads as before.
    CatalogServiceStub(tenant.channel).GetCatalog(GetCatalogRequest(), timeout=120)


@pytest.mark.parametrize("face", ["grpc", "http"])
def test_bytes_are_limited_on_both_faces(tenant, face):
    """Of what is read as well as of usage."""
    tenant.limit(bytes_per_s_max=700)
    padding = b" " * 50_000
    if face == "grpc":
        record(tenant.channel, *events(400))
        check_refusal(tenant, lambda: tenant.usage.RecordUsage(many(1), timeout=120), "bytes_per_s_max")
    else:
        assert tenant.post("CatalogService/GetCatalog", b"{%s}" % padding)[0] == 200
        check_http_refusal(tenant, "bytes_per_s_max", tenant.post("CatalogService/GetCatalog", b"{}"))


def test_open_streams_are_limited_on_both_faces(tenant):
    """One is open; the next is refused on either face until it ends."""
    tenant.limit(open_streams_max=1)
    go = threading.Event()

    def requests():
        yield StreamUsageRequest(sequence=1, events=events(1))
        go.wait(60)

    first = tenant.usage.StreamUsage(requests(), timeout=120)
    assert next(first).sequence == 1
    second = tenant.usage.StreamUsage(iter([StreamUsageRequest(sequence=1)]), timeout=120)
    check_refusal(tenant, lambda: next(second), "open_streams_max")
    line = b'{"sequence": 1, "events": []}'
    answer = tenant.post("UsageService/StreamUsage", line, "application/x-ndjson")
    check_http_refusal(tenant, "open_streams_max", answer)
    assert tenant.limits()["open_streams_max"].used == 1
    # Requests are not streams.
    record(tenant.channel, *events(1, first=1))
    go.set()
    assert list(first) == []
    until = time.monotonic() + 60
    while tenant.limits()["open_streams_max"].used:
        assert time.monotonic() < until
    third = tenant.usage.StreamUsage(iter([StreamUsageRequest(sequence=2, events=events(1, 2))]), timeout=120)
    assert [each.sequence for each in third] == [2]


def test_each_message_of_a_stream_is_a_request(tenant):
    """A stream is no way around the limit: it ends where the limit is reached, and what was answered is stored."""
    tenant.limit(requests_per_s_max=5)
    requests = (StreamUsageRequest(sequence=number, events=events(1, number)) for number in range(1, 1_000))
    answers = tenant.usage.StreamUsage(requests, timeout=60)
    told = []
    check_refusal(tenant, lambda: told.extend(each.sequence for each in answers), "requests_per_s_max")
    assert len(told) < 900
    lines = b"\n".join(b'{"sequence": %d, "events": [{}]}' % number for number in range(1, 100))
    status, _, body = tenant.post("UsageService/StreamUsage", lines, "application/x-ndjson")
    last = json.loads(body.splitlines()[-1]) if status == 200 else json.loads(body)
    assert "requests_per_s_max" in json.dumps(last)


@pytest.mark.parametrize("spooled", [False, True])
def test_a_client_that_is_limited_loses_and_doubles_nothing(engine, tenant, tmp_path, spooled):
    """1,500 events at 400 a second in batches of 100: all accepted, none twice, and no faster than the limit."""
    tenant.limit(events_per_s_max=400, requests_per_s_max=20)
    problems = []
    began_s = time.monotonic()
    with Client(
        engine.target,
        api_key=tenant.key,
        on_problem=problems.append,
        batch_events_max=100,
        spool=tmp_path / "spool" if spooled else None,
    ) as client:
        for _ in range(1_500):
            client.record("w_acme", "w.call", {"tokens": "1", "model": "large"}, event_time=NOON)
        delivery = client.flush(timeout_s=120)
        took_s = time.monotonic() - began_s
        assert (delivery.accepted, delivery.duplicate, delivery.pending) == (1_500, 0, 0)
        spend = client.spend("w_acme", at=NOON)
    assert problems == []
    assert sum(line.event_count for line in spend.line_items) == 1_500
    # A second's worth at once and one batch in debt: 1,000 of them had to wait.
    assert took_s > 1_000 / 400
    assert tenant.limits()["events_per_s_max"].refused_count > 0


def test_a_batch_sent_now_waits_for_its_turn(engine, tenant):
    """`record_batch` comes again when it is told to, within its time."""
    tenant.limit(events_per_s_max=100)
    with Client(engine.target, api_key=tenant.key) as client:
        for first in (0, 150):
            receipts = client.record_batch(
                Event("w_acme", "w.call", {"tokens": "1"}, event_id=str(first + k), event_time=NOON)
                for k in range(150)
            )
            assert {each.verdict.value for each in receipts} == {"accepted"}


def test_the_command_shows_and_changes_limits(engine, tenant):
    """What was set for this tenant and what holds for all, what is taken, what is refused; the change is audited."""

    def run(*words, code=0):
        done = CliRunner().invoke(cli, ["tenants", "limits", *words, "--target", engine.target])
        assert done.exit_code == code, done.output
        return done.output

    assert run(tenant.name).splitlines() == [
        "LIMIT               NUMBER  SET FOR         USED  REFUSED",
        "requests_per_s_max    none  all      not counted        0",
        "events_per_s_max      none  all      not counted        0",
        "bytes_per_s_max       none  all      not counted        0",
        "open_streams_max      none  all                0        0",
        "usage_groups_max      none  all      not counted        0",
    ]
    shown = run(tenant.name, "events_per_s_max=5000", "open_streams_max=none").splitlines()
    assert shown[2].split() == ["events_per_s_max", "5,000", tenant.name, "0", "0"]
    assert shown[4].split() == ["open_streams_max", "none", tenant.name, "0", "0"]
    assert run(tenant.name, "events_per_s_max=default").splitlines()[2].split()[1:3] == ["none", "all"]
    wrong = "events_per_s_max is 9: a request may hold 1000 events, which take longer than 100 s then: set at least 10"
    assert wrong in run(tenant.name, "events_per_s_max=9", code=2)
    assert "'tokens' is not a limit; there are requests_per_s_max" in run(tenant.name, "tokens=9", code=2)
    assert "names events_per_s_max a second time" in run(tenant.name, *["events_per_s_max=99"] * 2, code=2)
    assert "there is no tenant 'nobody'" in run("nobody", code=2)
    with open_channel(engine.target) as channel:
        request = ListAuditRecordsRequest(page_size=20)
        found = AccessServiceStub(channel).ListAuditRecords(request, timeout=120).audit_records
    told = [(each.subject, each.code) for each in found if each.operation == "TenantService.SetTenantLimits"]
    assert told[:5] == [(tenant.name, "INVALID_ARGUMENT")] * 3 + [(tenant.name, "OK")] * 2


def test_a_limit_of_the_start_holds_for_all_and_for_who_runs_the_engine_too(tmp_path):
    """It is lifted without a restart, also while it is reached: who runs the engine is never kept out."""
    with (
        EngineProcess(tmp_path / "data", "--tenant-requests-per-s-max", "1") as engine,
        open_channel(engine.target) as channel,
    ):
        catalog, operator = CatalogServiceStub(channel), TenantServiceStub(channel)

        def read_on():
            until = time.monotonic() + 60
            while time.monotonic() < until:
                catalog.GetCatalog(GetCatalogRequest(), timeout=120)

        assert refusal(read_on)[0] is RESOURCE_EXHAUSTED
        change = TenantLimitChange(name="requests_per_s_max", unlimited=True)
        request = SetTenantLimitsRequest(tenant="default", changes=[change])
        (now, *_) = operator.SetTenantLimits(request, timeout=120).limits
        assert (now.HasField("number"), now.is_own) == (False, True)
        for _ in range(20):
            catalog.GetCatalog(GetCatalogRequest(), timeout=120)


def test_a_limit_of_the_start_is_held_against_what_a_request_may_hold():
    """In one line that says what to write."""
    for option, line in (
        (("--tenant-events-per-s-max", "1"), "set at least 500, or lower what a request may hold"),
        (("--tenant-open-streams-max", "none"), "must be a whole number from 1"),
    ):
        done = CliRunner().invoke(cli, ["config", "check", *option])
        assert (done.exit_code, line in done.output) == (2, True), done.output
    small = ("--limit", "request_events_max=50", "--limit", "columns_events_max=50")
    assert (
        CliRunner().invoke(cli, ["config", "check", "--tenant-events-per-s-max", "1", *small]).exit_code == 0
    )


def test_calls_that_one_tenant_holds_open_over_http_leave_room_to_another(engine, operator, tenant):
    """Its bodies never come: of 192 calls it has two thirds, and its next is refused; the other's are served."""
    other = Tenant(engine, operator)
    assert other.post("CatalogService/GetCatalog", b"{}")[0] == 200
    head = (
        "POST /meterline.v1.CatalogService/GetCatalog HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {tenant.key}\r\nContent-Length: 2\r\n\r\n{{"
    ).encode()
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(140):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", engine.http_port), 60)))
            opened[-1].sendall(head)
        # 128 wait for their bodies.
        answered = select.poll()
        for each in opened:
            answered.register(each, select.POLLIN)
        until, refused = time.monotonic() + 20, []
        while len(refused) < 12:
            assert time.monotonic() < until
            refused = [each for each in opened if each.fileno() in dict(answered.poll(100))]
        assert {each.recv(12) for each in refused} == {b"HTTP/1.1 429"}
        assert (
            b"calls of this tenant are open over HTTP" in tenant.post("CatalogService/GetCatalog", b"{}")[2]
        )
        assert other.post("CatalogService/GetCatalog", b"{}")[0] == 200
    other.channel.close()


@pytest.mark.parametrize("page_size", [2, 1_000])
def test_a_question_that_gives_too_many_groups_is_refused_on_both_faces(tenant, page_size):
    """Five models are more than four, whatever the pages; four of each of two customers are not. Its bill is as it was."""
    for customer in ("acme", "bolt"):
        for number in range(4 + (customer == "acme")):
            record(
                tenant.channel, api_event("w", f"{customer}{number}", customer=customer, model=f"m{number}")
            )
    metering = MeteringServiceStub(tenant.channel)

    def rows(**fields):
        request = QueryUsageRequest(meter_id="w_tokens", page_size=page_size, **fields)
        request.period_start.FromJsonString("2025-06-01T00:00:00Z")
        request.period_end.FromJsonString("2025-07-01T00:00:00Z")
        found = []
        while True:
            page = metering.QueryUsage(request, timeout=60)
            found += page.rows
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    tenant.limit(usage_groups_max=5)
    assert len(rows()) == 9
    tenant.limit(usage_groups_max=4)
    code, line, details = refusal(rows)
    assert (code, details["BadRequest"].field_violations[0].field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "group_by",
    )
    assert "more than 4 groups of one customer, the tenant's limit (usage_groups_max)" in line
    assert len(rows(customer_ids=["w_bolt"])) == 4
    assert len(rows(group_by=UsageGrouping(customer=True))) == 2
    asked = {
        "meter_id": "w_tokens",
        "period_start": "2025-06-01T00:00:00Z",
        "period_end": "2025-07-01T00:00:00Z",
    }
    status, _, body = tenant.post("MeteringService/QueryUsage", json.dumps(asked))
    assert (status, b"usage_groups_max" in body) == (400, True)
    assert tenant.limits()["usage_groups_max"].refused_count == 2
