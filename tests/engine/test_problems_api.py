"""Rejected and conflicting events over gRPC and by `meterline problems`: who sees them, after a kill, and in a flood."""

import json
import re
import time
import urllib.request

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli import cli
from engine.usage.store.tables.problem_schema import LOGGED_AN_HOUR_MAX
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, CreateTenantRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.events_pb2 import ListProblemsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_ID_REUSED,
    PROBLEM_REASON_NOT_DECIMAL,
    VERDICT_CONFLICT,
    VERDICT_REJECTED,
    RecordUsageRequest,
    StreamUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import JUNE_10, api_event, record, refusal

# The log is written about once a second, on a machine that may be busy.
_PATIENCE_S = 60
_ANY_AGE = ("--event-age-max-days", "36525")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One of their own: in one that others share, a tenant's hour may be full of other tests' problems."""
    with EngineProcess(tmp_path_factory.mktemp("problems") / "data", *_ANY_AGE) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target) as opened:
        yield opened


def problems_of(channel, **fields):
    """All problems of all pages, and the first answer."""
    request, found, first = ListProblemsRequest(**fields), [], None
    while True:
        answer = EventServiceStub(channel).ListProblems(request, timeout=120)
        first = first or answer
        found += answer.problems
        if not answer.next_page_token:
            return found, first
        request.page_token = answer.next_page_token


def awaited(channel, count, **fields):
    """The problems, once there are so many."""
    until_s = time.monotonic() + _PATIENCE_S
    while len((found := problems_of(channel, **fields))[0]) < count and time.monotonic() < until_s:
        time.sleep(0.1)
    assert len(found[0]) >= count
    return found


def counted(channel, count):
    """Waits until so many problems are counted, all of one reason; how many of them are in the log."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        counts = problems_of(channel, page_size=1_000)[1].counts
        if sum(each.problem_count for each in counts) == count:
            return sum(each.logged_count for each in counts)
        assert time.monotonic() < until_s, counts
        time.sleep(0.1)


def stranger(number, event_type="nobody.reads"):
    return UsageEvent(
        event_id=f"s{number}",
        event_type=event_type,
        customer_id="acme",
        event_time=Timestamp(seconds=JUNE_10),
    )


def metric(engine, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as response:
        text = response.read().decode()
    found = re.search(rf"^{re.escape(name)} ([\d.e+]+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_a_rejected_event_and_a_conflict_are_listed(engine, channel, name):
    """With the field, the reason and the key, from single requests and from streams; what was accepted is not."""
    request = CreateApiKeyRequest(name="chat", scopes=["SCOPE_INGEST"])
    key = AccessServiceStub(channel).CreateApiKey(request, timeout=120).key_text
    counted = 'meterline_event_problems_total{reason="not_decimal"}'
    before = metric(engine, counted)
    with open_channel(engine.target, api_key=key) as producer:
        answer = record(producer, api_event(name, "a"), api_event(name, "b", "many"))
        assert answer.verdicts[1] == VERDICT_REJECTED
        stream = StreamUsageRequest(sequence=1, events=[api_event(name, "a", "2")])
        (streamed,) = UsageServiceStub(producer).StreamUsage(iter([stream]), timeout=120)
        assert list(streamed.verdicts) == [VERDICT_CONFLICT]
    conflict, rejected = awaited(channel, 2, customer_id=f"{name}_acme")[0]
    assert (rejected.event_id, rejected.verdict, rejected.reason, rejected.field) == (
        f"{name}-b",
        VERDICT_REJECTED,
        PROBLEM_REASON_NOT_DECIMAL,
        "properties.tokens",
    )
    assert (conflict.event_id, conflict.verdict, conflict.reason, conflict.field) == (
        f"{name}-a",
        VERDICT_CONFLICT,
        PROBLEM_REASON_ID_REUSED,
        "properties",
    )
    for each in (conflict, rejected):
        assert (each.event_type, each.customer_id, each.credential) == (
            f"{name}.call",
            f"{name}_acme",
            f"key:{key[4:16]}",
        )
        assert each.event_time == Timestamp(seconds=JUNE_10)
        assert "many" not in str(each)
    assert metric(engine, counted) == before + 1
    (only,) = problems_of(channel, customer_id=f"{name}_acme", reasons=[PROBLEM_REASON_ID_REUSED])[0]
    assert only == conflict
    assert problems_of(channel, customer_id=f"{name}_acme", page_size=1)[0] == [conflict, rejected]


def test_problems_are_a_tenants_own(engine, channel, name):
    """Another tenant's are not listed and not counted; a key that is bound to a customer sees none."""
    tenant = name.replace("_", "-")[:40]
    key = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=120).key_text
    record(channel, api_event(name, "a", "many"))
    awaited(channel, 1, customer_id=f"{name}_acme")
    with open_channel(engine.target, api_key=key) as other:
        found, answer = problems_of(other)
        assert (found, list(answer.counts)) == ([], [])
        record(other, stranger(1))
        assert len(awaited(other, 1)[0]) == 1
    request = CreateApiKeyRequest(name="portal", scopes=["SCOPE_READ"], customer_id=f"{name}_acme")
    portal_key = AccessServiceStub(channel).CreateApiKey(request, timeout=120).key_text
    with open_channel(engine.target, api_key=portal_key) as portal:
        asked = {"customer_id": f"{name}_acme"}
        assert refusal(lambda: problems_of(portal, **asked))[0] is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reasons": [0]}, "reasons[0]"),
        ({"reasons": [99]}, "reasons[0]"),
        ({"customer_id": "x" * 129}, "customer_id"),
        ({"start": Timestamp(seconds=2), "end": Timestamp(seconds=1)}, "end"),
        ({"page_size": 1_001}, "page_size"),
        ({"page_token": "x"}, "page_token"),
    ],
)
def test_a_request_with_a_mistake_names_its_field(channel, fields, field):
    """And nothing is read."""
    code, _, details = refusal(lambda: problems_of(channel, **fields))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [field]


def test_a_person_sees_why_events_were_not_stored(engine, channel, name):
    """In a table with the numbers below it, and as JSON, one a line."""

    def run(*words):
        done = CliRunner().invoke(cli, [*words, "--target", engine.target], env={"COLUMNS": "200"})
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    record(channel, api_event(name, "a", "many"), api_event(name, "b", "x"))
    awaited(channel, 2, customer_id=f"{name}_acme")
    asked = ("problems", "--customer", f"{name}_acme", "--reason", "not_decimal")
    table = run(*asked).stdout.splitlines()
    assert table[0].split("  ")[0] == "received"
    assert {line.split()[4] for line in table[1:3]} == {f"{name}-a", f"{name}-b"}
    assert re.fullmatch(r"not_decimal: [\d,]+", table[-1])
    as_json = run(*asked, "--json")
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert {(each["event_id"], each["reason"]) for each in found} == {
        (f"{name}-a", "PROBLEM_REASON_NOT_DECIMAL"),
        (f"{name}-b", "PROBLEM_REASON_NOT_DECIMAL"),
    }
    assert "not_decimal: " in as_json.stderr
    assert len(run(*asked, "--limit", "1").stdout.splitlines()) == 4
    assert run("problems", "--customer", "nobody").stdout.startswith("no problem is in the log\n")


def test_what_is_in_the_log_outlives_a_kill(tmp_path):
    """SIGKILL after it was seen: the same rows and counts are there, and the bound of the hour holds on."""
    start = (tmp_path / "data", *_ANY_AGE)
    with EngineProcess(*start) as engine:
        with open_channel(engine.target, api_key=engine.api_key) as channel:
            record(channel, *map(stranger, range(400)))
            counted(channel, 400)
            before = problems_of(channel)
        engine.kill()
    with EngineProcess(*start) as engine, open_channel(engine.target, api_key=engine.api_key) as channel:
        after = problems_of(channel)
        assert (after[0], list(after[1].counts)) == (before[0], list(before[1].counts))
        assert len(after[0]) == 400
        record(channel, *map(stranger, range(400, 800)))
        # Unless the clock's hour ended in between, when there is room for all.
        assert counted(channel, 800) in (LOGGED_AN_HOUR_MAX, 800)


@pytest.mark.parametrize(
    "events", [100_000, pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_a_flood_of_rejected_events_stays_in_its_bounds(tmp_path, events):
    """All are answered and counted, some are listed, sound events are taken meanwhile, and nothing is kept of the rest."""
    each, hours = 10_000, 2
    with (
        EngineProcess(tmp_path / "data", *_ANY_AGE) as engine,
        open_channel(engine.target, api_key=engine.api_key) as channel,
    ):
        request = RecordUsageRequest(events=map(stranger, range(each)))
        for _ in range(events // each):
            answer = UsageServiceStub(channel).RecordUsage(request, timeout=60)
            assert set(answer.verdicts) == {VERDICT_REJECTED}
        assert metric(engine, 'meterline_event_problems_total{reason="unknown_event_type"}') == events
        logged = counted(channel, events)
        assert LOGGED_AN_HOUR_MAX <= logged <= hours * LOGGED_AN_HOUR_MAX
        assert len(problems_of(channel)[0]) == logged
        assert metric(engine, "meterline_lost_event_problems_total") == 0
