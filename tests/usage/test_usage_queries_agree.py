"""QueryUsage on a real store against the oracle's lists and fractions: every aggregation, window, zone and group.

`make test` asks 180 questions, `make test-long` 6,000. METERLINE_SEED repeats a run, and a failure prints seed, meter,
question and what differs.
"""

import contextlib
import itertools
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from engine.api.services.metering_service import MeteringParts, MeteringService
from engine.api.services.turns import Turns
from engine.billing.meter_usage import measures_of
from engine.catalog.documents.document import read_document
from engine.catalog.store import CatalogStore
from engine.errors import TooManyCallsError
from engine.time_zones import time_zone
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.facts.windows import WINDOWS_MAX, Window, window_bounds_us
from engine.usage.query.usage_pages import customers_from
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.rollups.write import Worth
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from ingest import IngestClock
from meterline.v1 import metering_pb2
from meterline.v1.metering_pb2 import QueryUsageRequest, UsageFilter, UsageGrouping
from tests.support.calls import call_of
from tests.support.long_forms import numbered
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.meter_reads import deliver
from tests.support.usage.usage_histories import CUSTOMERS, PERIOD_US, random_deliveries, random_meter
from tests.support.usage.usage_oracle import windows_by_oracle

NOW_US = 1_800_000_000_000_000
DAY_US = 86_400_000_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
# As long as the windows that the oracle walks through in a moment.
REACH_US = {
    Window.NONE: 60 * DAY_US,
    Window.MINUTE: DAY_US // 8,
    Window.HOUR: 4 * DAY_US,
    Window.DAY: 40 * DAY_US,
    Window.WEEK: 60 * DAY_US,
    Window.MONTH: 90 * DAY_US,
}
WIRE_WINDOW = {
    each: getattr(metering_pb2, f"USAGE_WINDOW_{each.name}") for each in Window if each is not Window.NONE
}
GROUPS = ("region", "size", "nowhere", "value")


class World:
    """Answers as the engine does, from real stores."""

    def __init__(self, store, catalog):
        clock = IngestClock(NOW_US, lambda _us: None)
        reader = UsageReader(store, Coverages(store, lambda: 0, age_max_ns=0), days_for_customers_min=1)
        self.catalog = catalog
        self.service = MeteringService(
            MeteringParts(catalog, store, reader, clock), lambda: NOW_US, Turns("queries", 2)
        )
        self.rollups = Rollups(store, clock, lambda: NOW_US, Worth(1, 1, 1, 1))

    def apply(self, tenant, meter):
        document = json.dumps({"meters": [meter]})
        self.catalog.apply(tenant, read_document(document, "meter"), applied_at=datetime.now(UTC))

    def roll_up(self, tenant):
        for meter in measures_of(self.catalog.snapshot(tenant)):
            self.rollups.keep_up(meter)

    def ask(self, request, tenant):
        return self.service.query_usage(request, call_of(tenant))


@pytest.fixture(scope="module")
def world(shared_store, tmp_path_factory):
    catalog = CatalogStore.open(f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.sqlite'}")
    yield World(shared_store, catalog)
    catalog.close()


def random_question(dice, tenant, meter, deliveries):
    """A question for the oracle, and the request that asks the same."""
    window, zone = dice.choice(list(Window)), dice.choice(ZONES)
    around_us = dice.choice([PERIOD_US[0], PERIOD_US[1], *(each["time_us"] for each in deliveries[:20])])
    start_us = around_us - dice.choice((0, 0, dice.randrange(REACH_US[window])))
    end_us = start_us + dice.choice((REACH_US[window], dice.randrange(1, REACH_US[window])))
    grouping = None
    if dice.random() < 0.6:
        # Rollups serve what the meter groups by.
        known = dice.choice((GROUPS, meter.get("group_by", GROUPS)))
        names = dice.sample(known, dice.randint(0, min(3, len(known))))
        grouping = UsageGrouping(customer=dice.random() < 0.5, properties=names)
    narrowed_to = [
        (name, sorted(dice.sample(["eu", "us", "", "EU", "5", "1", "12.50"], dice.randint(1, 3))))
        for name in ("region", "value")
        if dice.random() < 0.2
    ]
    customers = dice.choice((None, dice.sample([*CUSTOMERS, "nobody"], dice.randint(1, 4))))
    as_of_us = dice.choice((5, dice.randint(1, 5)))
    question = {
        "tenant": tenant,
        "customers": customers,
        "bounds_us": window_bounds_us(start_us, end_us, window, time_zone(zone)),
        "as_of_us": as_of_us,
        "by_customer": grouping is None or grouping.customer,
        "group_by": list(meter.get("group_by", []) if grouping is None else grouping.properties),
        "narrowed_to": narrowed_to,
    }
    request = QueryUsageRequest(
        meter_id=meter["id"],
        window=WIRE_WINDOW.get(window, 0),
        time_zone=zone,
        group_by=grouping,
        filters=[UsageFilter(property=name, values=values) for name, values in narrowed_to],
        customer_ids=customers,
        page_size=dice.choice((0, 1_000, dice.randint(3, 50))),
        source=dice.randint(0, 1),
    )
    request.period_start.FromMicroseconds(start_us)
    request.period_end.FromMicroseconds(end_us)
    request.as_of.FromMicroseconds(as_of_us)
    return question, request


def answered(world, request, tenant, dice):
    """The rows of all pages; rollups may come to be on the way."""
    asked = QueryUsageRequest()
    asked.CopyFrom(request)
    rows = []
    while True:
        if dice.random() < 0.3:
            world.roll_up(tenant)
        answer = world.ask(asked, tenant)
        assert len(answer.rows) <= (request.page_size or 1_000)
        assert answer.as_of == request.as_of
        rows += answer.rows
        if not answer.next_page_token:
            return rows, answer.group_by
        asked.page_token = answer.next_page_token


def read_rows(rows, grouping, question):
    """As the oracle says it; in the order of the rows."""
    starts = {start_us: number for number, start_us in enumerate(question["bounds_us"][:-1])}
    found = {}
    for row in rows:
        window = starts[row.window_start.ToMicroseconds()]
        assert row.window_end.ToMicroseconds() == question["bounds_us"][window + 1]
        dimensions = tuple(row.dimensions.get(name) for name in grouping.properties)
        key = (row.customer_id, dimensions, window)
        assert key not in found
        found[key] = (
            Fraction(row.quantity),
            row.event_count,
            row.unreadable_event_count,
            row.missing_value_event_count,
            row.event_digest,
        )
    return found


def differences(world, store, seed, questions):
    """Asks about a random history through random meters."""
    deliveries = random_deliveries(seed, seed, 120)
    deliver(store, deliveries)
    dice = random.Random(f"{seed}-questions")
    for _ in range(questions):
        meter = random_meter(dice)
        world.apply(seed, meter)
        question, request = random_question(dice, seed, meter, deliveries)
        expected = windows_by_oracle(deliveries, meter, question)
        rows, grouping = answered(world, request, seed, dice)
        found = read_rows(rows, grouping, question)
        if found != expected:
            parts = {key: (found.get(key), expected.get(key)) for key in {*found, *expected}}
            wrong = {key: each for key, each in parts.items() if each[0] != each[1]}
            yield f"seed {seed}, meter {meter}, {request}: (store, oracle) {dict(itertools.islice(wrong.items(), 3))}"
        if list(found) != sorted(found, key=place_of):
            yield f"seed {seed}, meter {meter}, {request}: not in order: {list(found)[:9]}"


def place_of(key):
    """By customer, dimensions with absent ones last, and window."""
    customer, dimensions, window = key
    return customer.encode(), [(each is None, (each or "").encode()) for each in dimensions], window


@pytest.mark.parametrize("history", numbered(2, 6))
def test_queries_answer_as_the_oracle_does(world, shared_store, history, seed):
    """Windows of odd zones, levels that live on, groups, filters, customers, watermarks, rollups, pages of any size."""
    assert not list(differences(world, shared_store, f"{seed}-{history}", 30))[:3]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_queries_answer_as_the_oracle_does(world, shared_store, seed):
    """The same, for longer."""
    for history in range(100):
        assert not list(differences(world, shared_store, f"{seed}-long-{history}", 60))[:3]


def test_the_random_questions_have_what_makes_queries_hard(seed):
    """All aggregations in all windows, groups of every kind: a generator that lost one would prove nothing."""
    dice = random.Random(f"{seed}-kinds")
    deliveries = random_deliveries(f"{seed}-kinds", "t", 50)
    asked = []
    for _ in range(1_500):
        meter = random_meter(dice)
        asked.append((meter["aggregation"], random_question(dice, "t", meter, deliveries)[1]))
    assert len({(aggregation, request.window) for aggregation, request in asked}) == 9 * 6
    groupings = {(request.HasField("group_by"), request.group_by.customer) for _, request in asked}
    assert len(groupings) == 3
    assert {len(request.customer_ids) for _, request in asked} == {0, 1, 2, 3, 4}
    assert {request.time_zone for _, request in asked} == set(ZONES)


def test_questions_take_turns(world):
    """Two are answered at once; the next is told to come again, and has its turn when one is done."""
    world.apply("turns", {"id": "m", "event_type": "call", "aggregation": "count"})
    parts, gate, at_gate = world.service._parts, threading.Event(), threading.Semaphore(0)

    class Reader(UsageReader):
        def read_on(self, *arguments, **options):
            at_gate.release()
            gate.wait(30)
            return super().read_on(*arguments, **options)

    slow = replace(parts, reader=Reader(parts.store))
    service = MeteringService(slow, lambda: NOW_US, Turns("queries", 2, wait_s=0.05))
    request = QueryUsageRequest(meter_id="m", group_by=UsageGrouping())
    request.period_start.FromMicroseconds(PERIOD_US[0])
    request.period_end.FromMicroseconds(PERIOD_US[1])
    call = call_of("turns")
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(service.query_usage, request, call) for _ in range(2)]
        assert all(at_gate.acquire(timeout=120) for _ in range(2))
        with pytest.raises(TooManyCallsError, match="try again"):
            service.query_usage(request, call)
        gate.set()
        assert [list(each.result(30).rows) for each in answers] == [[], []]
    assert list(service.query_usage(request, call).rows) == []


def test_ten_thousand_windows_and_five_hundred_customers_go_over_http(tmp_path):
    """Bound as parameters of a server's query: the longest ids, with what a text of SQL must escape."""
    customers = [f"{number:03}" + "\\'\n\t" * 31 for number in range(500)]
    deliveries = [
        {
            "tenant": "http", "event_id": str(number), "event_type": "call", "customer": customer,
            "time_us": number * 20 * DAY_US, "properties": {}, "ingested_us": 1,
        }
        for number, customer in enumerate(customers)
    ]  # fmt: skip
    bounds_us = tuple(range(0, (WINDOWS_MAX + 1) * DAY_US, DAY_US))
    request = UsageRequest(
        tenant="http", event_type="call", aggregation="count", value=None, filters={}, group_by=(),
        customer_ids=customers, bounds_us=bounds_us, as_of_us=1,
    )  # fmt: skip
    with (
        ClickHouseProcess(tmp_path / "server") as server,
        contextlib.closing(UsageStore.open_server(read_server_address(server.url()))) as store,
    ):
        deliver(store, deliveries)
        found = UsageReader(store).read(request, 500)
        assert customers_from(store, request, customers[100], 2) == customers[100:102]
    assert [(each.customer_id, each.window) for each in found] == [
        (customer, number * 20) for number, customer in enumerate(customers)
    ]
