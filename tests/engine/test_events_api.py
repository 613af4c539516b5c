"""Events read back over gRPC and by `meterline events`: those behind lines and corrections, page by page, for each reader."""

import base64
import json

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.page_tokens import opened, sealed
from engine.cli import cli
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, CreateTenantRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest, EventRef, EventRefs, Signature, VoidUsage
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.events_pb2 import EventGroup, ListEventsRequest, MeterEvents
from meterline.v1.events_pb2_grpc import EventServiceStub
from tests.support.engine.api_world import AT, JUNE_10, api_event, record, refusal

JUNE = {"start": Timestamp(seconds=JUNE_10 - 9 * 86_400), "end": Timestamp(seconds=JUNE_10 + 21 * 86_400)}
_PLACE = (int, int, int, str, str, str, int)


def events_of(channel, **fields):
    """All events of all pages, and the last answer."""
    request, found = ListEventsRequest(**fields), []
    while True:
        answer = EventServiceStub(channel).ListEvents(request, timeout=120)
        found += answer.events
        if not answer.next_page_token:
            return found, answer
        request.page_token = answer.next_page_token


def ids(events):
    return [each.event_id.rpartition("-")[2] for each in events]


def void(channel, name, correction_id, *event_ids):
    refs = EventRefs(events=[EventRef(event_id=f"{name}-{each}") for each in event_ids])
    signature = Signature(correction_id=correction_id, recorded_by="ada", reason="a test run")
    request = CorrectUsageRequest(signature=signature, event_refs=refs, void=VoidUsage())
    return CorrectionServiceStub(channel).CorrectUsage(request, timeout=120)


@pytest.fixture
def acme(name):
    return {"customer_ids": [f"{name}_acme"]}


def test_an_event_is_listed_as_it_was_sent(channel, name, acme):
    """Once, however often it was sent: id, type, customer, times, and properties to the last digit."""
    sent = api_event(name, "a", "1.50")
    answer = record(channel, sent, api_event(name, "b", customer="bolt"))
    record(channel, sent)
    (event,), page = events_of(channel, **acme)
    assert (event.event_id, event.event_type, event.customer_id) == (
        sent.event_id,
        sent.event_type,
        sent.customer_id,
    )
    assert event.event_time == AT
    assert dict(event.properties) == {"tokens": "1.50", "model": "large"}
    assert event.ingested_at.ToMicroseconds() <= answer.as_of.ToMicroseconds()
    assert not event.HasField("voided")
    assert (page.catalog_revision, list(page.expired)) == (0, [])


def test_pages_share_the_watermark_of_the_first(channel, name, acme):
    """What comes in or is voided meanwhile is in none of them; the order is by time, then by id."""
    record(
        channel,
        *(api_event(name, each, seconds=JUNE_10 + when) for each, when in (("b", 1), ("a", 1), ("c", 0))),
    )
    stub = EventServiceStub(channel)
    first = stub.ListEvents(ListEventsRequest(page_size=1, **acme), timeout=120)
    record(channel, api_event(name, "aa", seconds=JUNE_10 + 1))
    void(channel, name, f"{name}-1", "b")
    rest, last = events_of(channel, page_size=1, page_token=first.next_page_token, **acme)
    assert ids([*first.events, *rest]) == ["c", "a", "b"]
    assert last.as_of == first.as_of
    assert ids(events_of(channel, **acme)[0]) == ["c", "a", "aa"]
    assert ids(events_of(channel, as_of=first.as_of, **acme)[0]) == ["c", "a", "b"]


def test_a_line_has_as_many_events_as_are_listed_for_it(channel, name, acme):
    """Of its group alone, at its watermark; a group without the property is one of those that lack it."""
    other = api_event(name, "d", "4")
    del other.properties["model"]
    record(
        channel,
        api_event(name, "a", "5"),
        api_event(name, "b", "6", model="small"),
        api_event(name, "c", "7"),
        other,
    )
    record(channel, api_event(name, "e", "1", customer="bolt"))
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=AT)
    answer = BillingServiceStub(channel).ListLineItems(request, timeout=120)
    record(channel, api_event(name, "late", "7"))
    lines = [line for line in answer.line_items if line.meter_id]
    found = {}
    for line in lines:
        meter = MeterEvents(
            meter_id=line.meter_id,
            catalog_revision=answer.catalog_revision,
            group=EventGroup(dimensions=line.dimensions),
        )
        listed, page = events_of(
            channel, meter=meter, start=line.period_start, end=line.period_end, as_of=answer.as_of, **acme
        )
        assert len(listed) == line.event_count
        assert page.catalog_revision == answer.catalog_revision
        found[line.dimensions.get("model")] = ids(listed)
    assert found == {"large": ["a", "c"], "small": ["b"], None: ["d"]}


def test_the_events_of_a_correction_are_listed_with_what_it_voided(channel, name, acme):
    """Others are not; what is void names the correction, there and where what is void is asked for."""
    record(channel, api_event(name, "a"), api_event(name, "b"), api_event(name, "c"))
    voided = void(channel, name, f"{name}-1", "a", "c")
    assert ids(events_of(channel, **acme)[0]) == ["b"]
    of_correction, _ = events_of(channel, correction_id=f"{name}-1")
    assert ids(of_correction) == ["a", "c"]
    assert {each.voided.correction_id for each in of_correction} == {f"{name}-1"}
    assert {each.voided.voided_at.ToMicroseconds() for each in of_correction} == {
        voided.as_of.ToMicroseconds()
    }
    every, _ = events_of(channel, include_voided=True, **acme)
    assert [(each, event.HasField("voided")) for each, event in zip(ids(every), every, strict=True)] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]
    elsewhere = ListEventsRequest(correction_id=f"{name}-1", customer_ids=[f"{name}_bolt"])
    unknown = ListEventsRequest(correction_id=f"{name}-2", customer_ids=[f"{name}_bolt"])
    said = [
        refusal(lambda asked=asked: EventServiceStub(channel).ListEvents(asked, timeout=120))[:2]
        for asked in (elsewhere, unknown)
    ]
    assert {code for code, _ in said} == {grpc.StatusCode.NOT_FOUND}
    # Whether the correction is about somebody else is not told.
    assert said[0][1].replace("-1", "-2") == said[1][1]


def test_a_reader_sees_its_own_customer_and_tenant_alone(engine, channel, name, acme):
    """A key of a customer whatever token it brings, and another tenant with the same ids."""
    record(channel, api_event(name, "a"), api_event(name, "b", customer="bolt"))
    request = CreateApiKeyRequest(name="portal", scopes=["SCOPE_READ"], customer_id=f"{name}_acme")
    key = AccessServiceStub(channel).CreateApiKey(request, timeout=120).key_text
    with open_channel(engine.target, api_key=key) as portal:
        assert ids(events_of(portal, **acme)[0]) == ["a"]
        for fields in ({}, {"customer_ids": [f"{name}_acme", f"{name}_bolt"]}, {"event_ids": [f"{name}-b"]}):
            refused = refusal(lambda fields=fields: events_of(portal, **fields))
            assert refused[0] is grpc.StatusCode.PERMISSION_DENIED
        void(channel, name, f"{name}-1", "a")
        record(channel, api_event(name, "c"), api_event(name, "d"))
        stub = EventServiceStub(portal)
        token = stub.ListEvents(ListEventsRequest(page_size=1, **acme), timeout=120).next_page_token
        listing = json.loads(base64.urlsafe_b64decode(token))[0]
        as_of, revision, *_ = opened(token, listing, *_PLACE)
        forged = sealed(listing, as_of, revision, 0, "", f"{name}_bolt", "", 0)
        assert ids(events_of(portal, page_token=forged, **acme)[0]) == ["c", "d"]
    tenant = name.replace("_", "-")[:40]
    key = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=120).key_text
    with open_channel(engine.target, api_key=key) as other:
        assert events_of(other)[0] == []
        assert events_of(other, include_voided=True, event_ids=[f"{name}-a"], **acme)[0] == []
        assert refusal(lambda: events_of(other, correction_id=f"{name}-1"))[0] is grpc.StatusCode.NOT_FOUND


def test_a_request_with_mistakes_names_each_field(channel, name):
    """All at once; and a token of another listing is not one."""
    code, _, details = refusal(
        lambda: events_of(
            channel,
            customer_ids=["", "x"],
            event_ids=["x" * 129],
            event_type="call",
            meter=MeterEvents(),
            end=AT,
        )
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert {each.field for each in details["BadRequest"].field_violations} == {
        "customer_ids[0]",
        "event_ids[0]",
        "event_type",
        "meter.meter_id",
        "start",
    }
    for fields, field in (
        ({"page_size": 1_001}, "page_size"),
        ({"start": AT, "end": AT}, "end"),
        ({"event_ids": ["x"] * 501}, "event_ids"),
        ({"page_token": "x"}, "page_token"),
        ({"as_of": Timestamp(seconds=4_000_000_000)}, "as_of"),
        (
            {
                "meter": MeterEvents(
                    meter_id=f"{name}_tokens", group=EventGroup(dimensions={"region": "eu"})
                ),
                **JUNE,
            },
            "meter.group.dimensions.region",
        ),
    ):
        code, _, details = refusal(lambda fields=fields: events_of(channel, **fields))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert [each.field for each in details["BadRequest"].field_violations] == [field]
    meter = MeterEvents(meter_id=f"{name}_token")
    code, line, _ = refusal(lambda: events_of(channel, meter=meter, **JUNE))
    assert (code, f"did you mean '{name}_tokens'" in line) == (grpc.StatusCode.NOT_FOUND, True)


@pytest.fixture
def run(engine):
    """Runs a command; gives its result."""

    def ran(*arguments, code=0):
        words = [*map(str, arguments), "--target", engine.target]
        done = CliRunner().invoke(cli, words, env={"COLUMNS": "200"})
        assert done.exit_code == code, (done.output, done.exception)
        return done

    return ran


def test_a_person_sees_the_events_of_a_line(run, channel, name):
    """By its id, as `meterline lines --json` has it, and with what is void where that is asked for."""
    record(
        channel,
        api_event(name, "a", "5"),
        api_event(name, "b", "6"),
        api_event(name, "c", "7", model="small"),
    )
    void(channel, name, f"{name}-1", "b")
    customer = ("--customer", f"{name}_acme")
    lines = [
        json.loads(line)
        for line in run("lines", "--json", *customer, "--at", "2025-06-10").stdout.splitlines()
    ]
    (line,) = [each for each in lines if each["dimensions"] == {"model": "large"}]
    of_line = ("events", "--line", line["line_item_id"], *customer, "--at", "2025-06-10")
    table = run(*of_line).stdout.splitlines()
    assert table[0].split() == [
        "event",
        "time",
        "event_id",
        "customer",
        "event",
        "type",
        "ingested",
        "properties",
    ]
    assert (f"{name}-a" in table[1], "model=large, tokens=5" in table[1]) == (True, True)
    assert table[2].startswith("as of ")
    assert len(table) == 3
    both = run(*of_line, "--voided").stdout
    assert ("counts" in both, f"void by {name}-1" in both) == (True, True)
    as_json = run(*of_line, "--json")
    (event,) = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert (event["event_id"], event["properties"]) == (f"{name}-a", {"model": "large", "tokens": "5"})
    assert as_json.stderr.startswith("as of ")
    fee = next(each for each in lines if each["price_id"] == "fee")
    refused = run("events", "--line", fee["line_item_id"], *customer, "--at", "2025-06-10", code=2)
    assert "meters nothing" in str(refused.output)
    nobody = run("events", "--line", "0" * 32, *customer, "--at", "2025-06-10", code=2)
    assert "there is no draft line" in nobody.output


def test_a_person_sees_some_and_is_told_of_more(run, channel, name):
    """The first of them by time; JSON has all unless a limit says otherwise."""
    record(channel, *(api_event(name, f"{number:03}") for number in range(150)))
    asked = ("events", "--customer", f"{name}_acme")
    table = run(*asked, "--limit", 2).stdout.splitlines()
    assert table[3].startswith("and more: ask for them with --limit")
    assert len(run(*asked).stdout.splitlines()) == 1 + 100 + 2
    assert len(run(*asked, "--json").stdout.splitlines()) == 150
    assert len(run(*asked, "--json", "--limit", 3).stdout.splitlines()) == 3
    assert run("events", "--event-id", "nobody").stdout.startswith("no events\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--meter", "m"), "name it with --from and --to"),
        (("--line", "x"), "names no line"),
        (("--line", "0" * 32, "--customer", "a", "--customer", "b"), "--line is of one customer"),
        (("--line", "x", "--customer", "c", "--meter", "m"), "--meter and --line exclude each other"),
        (("--at", "2025-06-10"), "--at is for --line"),
        (("--catalog-revision", "1"), "--catalog-revision is for --meter and --line"),
        (("--from", "2025-06-10", "--to", "2025-06-10"), "--to must be later than --from"),
        (
            ("--meter", "m", "--event-type", "t", "--from", "2025-06-10", "--to", "2025-06-11"),
            "--event-type and --meter exclude each other",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(run, words, said):
    """In one line that says what to do."""
    assert said in run("events", *words, code=2).output
