"""Quota reserved, committed and released at a running engine: many callers at once, repeats, late usage, money. Worked out by hand."""

import secrets
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import entitlements_pb2 as pb
from meterline.v1.access_pb2 import CreateTenantRequest, SetTenantLimitsRequest, TenantLimitChange
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.events_pb2 import ListProblemsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_ID_REUSED,
    PROBLEM_REASON_NOT_DECIMAL,
    VERDICT_CONFLICT,
    VERDICT_REJECTED,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import refusal

CATALOG = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: {expression: "input + 2 * output"}, filters: {model: {not: [free]}}}
  - {id: NAME_peak, event_type: NAME.call, aggregation: max, value: input}
plans:
  - id: NAME
    name: P
    currency: USD
    prices: [{id: tokens, meter: NAME_tokens, model: per_unit, unit_amount: "0.5"}]
    features: {sso: true}
    limits:
      - {id: tokens, meter: NAME_tokens, quantity: 100}
      - {id: soft, meter: NAME_tokens, quantity: 10, enforcement: soft}
      - {id: peak, meter: NAME_peak, quantity: 5}
      - {id: budget, amount: 20}
customers: [{id: NAME_acme, name: Acme}, {id: NAME_bolt, name: Bolt}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2025-01-01}, {customer: NAME_bolt, plan: NAME, start: 2025-01-01}]
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Requests of at most 1,000 events, so that a tenant's limit may be small."""
    limits = [f"--limit={each}=1000" for each in ("request_events_max", "columns_events_max")]
    with EngineProcess(tmp_path_factory.mktemp("reserving") / "data", *limits) as running:
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target, api_key=engine.api_key) as opened:
        yield opened


class World:
    """A catalog of the test's own, and calls about its customer acme."""

    def __init__(self, channel, name):
        self.channel, self.name = channel, name
        self.asked = EntitlementServiceStub(channel)
        document = CATALOG.replace("NAME", name)
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=60)

    def event(self, event_id, tokens_in, tokens_out=0, model="large", customer="acme", ago_s=0):
        event = UsageEvent(
            event_id=f"{self.name}-{event_id}",
            event_type=f"{self.name}.call",
            customer_id=f"{self.name}_{customer}",
        )
        event.event_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=ago_s))
        for key, value in {"input": str(tokens_in), "output": str(tokens_out), "model": model}.items():
            event.properties[key].string_value = value
        return event

    def reserve(self, reservation_id, quantity, limit="tokens", customer="acme", ttl_s=0):
        request = pb.ReserveUsageRequest(
            reservation_id=f"{self.name}-{reservation_id}",
            customer_id=f"{self.name}_{customer}",
            limit=limit,
            quantity=str(quantity),
            ttl_s=ttl_s,
        )
        return self.asked.ReserveUsage(request, timeout=60)

    def commit(self, reservation_id, event):
        request = pb.CommitReservationRequest(reservation_id=f"{self.name}-{reservation_id}", event=event)
        return self.asked.CommitReservation(request, timeout=60).reservation

    def release(self, reservation_id):
        request = pb.ReleaseReservationRequest(reservation_id=f"{self.name}-{reservation_id}")
        return self.asked.ReleaseReservation(request, timeout=60).reservation

    def figures(self, limit="tokens", customer="acme"):
        request = pb.CheckAccessRequest(customer_id=f"{self.name}_{customer}", features=[limit])
        (found,) = self.asked.CheckAccess(request, timeout=60).features
        return found.limits[0].used, found.limits[0].reserved, found.limits[0].remaining


@pytest.fixture
def world(request, channel):
    return World(channel, request.node.originalname.removeprefix("test_")[:40])


def test_a_commit_records_the_usage_and_gives_the_rest_back(world):
    """40 of 100 are held; 3 + 2 x 4.5 = 12 are used. The same commit again is the same."""
    granted = world.reserve("r", 40)
    assert granted.granted
    assert (granted.access.limits[0].used, granted.access.limits[0].reserved) == ("0", "40")
    assert world.figures() == ("0", "40", "60")
    event = world.event("e", 3, "4.5")
    for _ in range(2):
        done = world.commit("r", event)
        assert (done.state, done.quantity, done.committed_quantity) == (
            pb.RESERVATION_STATE_COMMITTED,
            "40",
            "12",
        )
        assert world.figures() == ("12", "0", "88")
    # The event is recorded: sending it again counts nothing more.
    UsageServiceStub(world.channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=60)
    assert world.figures() == ("12", "0", "88")


def test_usage_without_a_reservation_counts_at_the_next_grant(world):
    """Also late usage: 70 recorded, 20 of them late, leave 30."""
    events = [world.event("a", 50), world.event("b", 20, ago_s=1)]
    UsageServiceStub(world.channel).RecordUsage(RecordUsageRequest(events=events), timeout=60)
    refused = world.reserve("r", 31)
    assert (refused.granted, refused.HasField("reservation")) == (False, False)
    assert refused.access.limits[0].remaining == "30"
    assert world.reserve("r", 30).granted
    # A refusal was not remembered; what was granted was.
    assert world.reserve("r", 30).granted
    code, line, _ = refusal(lambda: world.reserve("r", 29))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert "quantity is 30, not 29" in line
    assert world.release("r").state == pb.RESERVATION_STATE_RELEASED
    assert world.figures() == ("70", "0", "30")
    # Asked for again it holds nothing, and so is not granted.
    again = world.reserve("r", 30)
    assert (again.granted, again.reservation.state) == (False, pb.RESERVATION_STATE_RELEASED)
    assert world.figures() == ("70", "0", "30")


def test_what_is_wrong_with_a_commit_is_said_in_order(world):
    """And the reservation stays as it is."""
    code, line, _ = refusal(lambda: world.commit("none", world.event("e", 1)))
    assert (code, line) == (grpc.StatusCode.NOT_FOUND, f"there is no reservation '{world.name}-none'")
    world.reserve("r", 40)
    for event, mistake in [
        (world.event("e", 39, 1), "event.properties: come to 41, more than the 40 that were reserved"),
        (world.event("e", 1, customer="bolt"), "event.customer_id: is not the reservation's"),
        (world.event("e", 1, model="free"), "the event doesn't count for the meter"),
        (world.event("e", -5), "event.properties: come to less than 0"),
        (world.event("e", "x"), "event.properties"),
        (world.event("e", 1, ago_s=32 * 86_400), "event.event_time: is before the billing period"),
    ]:
        code, line, _ = refusal(lambda event=event: world.commit("r", event))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert mistake in line
    assert world.figures() == ("0", "40", "60")
    world.commit("r", world.event("e", 40))
    code, line, _ = refusal(lambda: world.commit("r", world.event("e2", 1)))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert "another event" in line
    code, line, _ = refusal(lambda: world.release("r"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "is committed: it can't be released" in line


def test_an_event_id_that_was_used_before_leaves_the_reservation_pending(world):
    """With other content: nothing of it is stored, and another event can be committed."""
    UsageServiceStub(world.channel).RecordUsage(
        RecordUsageRequest(events=[world.event("e", 1, ago_s=9)]), timeout=60
    )
    world.reserve("r", 40)
    code, _, _ = refusal(lambda: world.commit("r", world.event("e", 7)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert world.figures() == ("1", "40", "59")
    assert world.commit("r", world.event("e7", 7)).committed_quantity == "7"
    assert world.figures() == ("8", "0", "92")


def test_money_is_held_until_what_it_costs_is_known(world):
    """20.00 less 8.00 held leave 12.00. Six tokens at 0.50 are 3.00."""
    assert world.reserve("r", "8.00", limit="budget").granted
    assert world.figures("budget") == ("0", "8", "12")
    assert not world.reserve("r2", "12.01", limit="budget").granted
    world.commit("r", world.event("e", 6))
    assert world.figures("budget") == ("3", "0", "17")


def test_a_soft_limit_grants_everything_and_what_cannot_be_added_up_is_refused(world):
    """A maximum has no remainder; a feature is not a limit; nobody has a limit that isn't there."""
    assert world.reserve("r", 500, limit="soft").granted
    assert world.figures("soft") == ("0", "500", "0")
    for limit, words in [("peak", "of which nothing can be reserved"), ("sso", "is a feature, not a limit")]:
        code, line, _ = refusal(lambda limit=limit: world.reserve("r2", 1, limit=limit))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert words in line
    nothing = world.reserve("r2", 1, limit="nothing")
    assert (nothing.granted, nothing.access.refusal) == (False, pb.ACCESS_REFUSAL_UNKNOWN_FEATURE)
    for quantity in ("0", "-1", "x", "1e999", "0.1234567890123"):
        code, line, _ = refusal(lambda quantity=quantity: world.reserve("r2", quantity))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert line.startswith("quantity: ")


def test_of_64_callers_at_once_none_is_granted_too_much(world):
    """Each reserves 10 of 100, and commits 5 or releases: never more than 100 are used and held, whoever looks."""
    seen, over = threading.Event(), []

    def look():
        while not seen.is_set():
            used, reserved, _ = map(float, world.figures())
            if used > 100:
                over.append((used, reserved))

    def work(number):
        granted = world.reserve(f"r{number}", 10).granted
        if granted and number % 4:
            world.commit(f"r{number}", world.event(f"e{number}", 5))
            return 5
        if granted:
            world.release(f"r{number}")
        return 0

    looking = threading.Thread(target=look)
    looking.start()
    with ThreadPoolExecutor(64) as pool:
        committed = sum(pool.map(work, range(64)))
    seen.set()
    looking.join(60)
    assert over == []
    assert 0 < committed <= 100
    assert world.figures() == (str(committed), "0", str(100 - committed))
    request = pb.ListReservationsRequest(
        customer_id=f"{world.name}_acme", states=[pb.RESERVATION_STATE_COMMITTED], page_size=3
    )
    listed = []
    while True:
        page = world.asked.ListReservations(request, timeout=60)
        listed += page.reservations
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert sum(int(each.committed_quantity) for each in listed) == committed


@pytest.fixture
def tenant(engine, channel):
    """A tenant's name and key, and a channel with it."""
    name = f"reserving-{secrets.token_hex(4)}"
    made = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=name), timeout=60)
    with open_channel(engine.target, api_key=made.key_text) as opened:
        yield name, made.key_text, opened


def counted(engine):
    """Answers about events so far, by verdict, and problems by reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as response:
        lines = response.read().decode().splitlines()
    heads = ("meterline_events_total{", "meterline_event_problems_total{")
    found = (line.rpartition(" ") for line in lines if line.startswith(heads))
    return Counter({name.split('"')[1]: int(float(number)) for name, _, number in found})


def test_events_of_commits_are_counted_and_their_problems_logged(engine, tenant):
    """One by one as of RecordUsage: rejected by admission, a conflict with an id that was used, and stored; with the key that sent them."""
    _, key, channel = tenant
    world = World(channel, "w")
    used = world.event("e", 1)
    UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=[used]), timeout=60)
    # One difference alone is one problem.
    used.properties["input"].string_value = "7"
    world.reserve("r", 40)
    before = counted(engine)
    for event in (world.event("bad", "x"), used):
        assert refusal(lambda event=event: world.commit("r", event))[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert world.commit("r", world.event("e7", 7)).committed_quantity == "7"
    assert counted(engine) - before == {
        "rejected": 1,
        "not_decimal": 1,
        "conflict": 1,
        "id_reused": 1,
        "accepted": 1,
    }
    deadline = time.monotonic() + 60
    while len(problems := problems_of(channel)) < 2:
        assert time.monotonic() < deadline, problems
        time.sleep(0.1)
    assert {(each.event_id, each.reason, each.verdict, each.credential) for each in problems} == {
        ("w-bad", PROBLEM_REASON_NOT_DECIMAL, VERDICT_REJECTED, f"key:{key[4:16]}"),
        ("w-e", PROBLEM_REASON_ID_REUSED, VERDICT_CONFLICT, f"key:{key[4:16]}"),
    }


def problems_of(channel):
    return EventServiceStub(channel).ListProblems(ListProblemsRequest(), timeout=60).problems


def test_a_tenant_at_its_limit_of_events_commits_nothing(channel, tenant):
    """A thousand events at ten a second owe 99 s: the commit is refused, nothing of it is kept, and it can be made later."""
    name, _, own = tenant
    world = World(own, "w")

    def limit(number):
        change = TenantLimitChange(name="events_per_s_max", number=number)
        request = SetTenantLimitsRequest(tenant=name, changes=[change])
        TenantServiceStub(channel).SetTenantLimits(request, timeout=60)

    world.reserve("r", 40)
    limit(10)
    flood = [UsageEvent(event_id=f"f{number}", event_type="nobody.reads") for number in range(1_000)]
    UsageServiceStub(own).RecordUsage(RecordUsageRequest(events=flood), timeout=60)
    event = world.event("e", 7)
    code, _, details = refusal(lambda: world.commit("r", event))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details["ErrorInfo"].metadata == {"limit": "events_per_s_max"}
    (found,) = world.asked.ListReservations(pb.ListReservationsRequest(), timeout=60).reservations
    assert found.state == pb.RESERVATION_STATE_PENDING
    assert world.figures() == ("0", "40", "60")
    limit(1_000_000)
    assert world.commit("r", event).committed_quantity == "7"
    assert world.figures() == ("7", "0", "93")
