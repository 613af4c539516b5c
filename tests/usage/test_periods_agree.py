"""Many customers, several meters, each customer in periods of its own: one read says what a read of each says.

The reader of one meter and one period is judged by the oracle (test_meters_agree); here it judges the other one, to the
digest of the events and the order of the groups.
"""

import random

import numpy as np
import pyarrow as pa
import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.facts import period_scan
from engine.usage.facts.period_scan import Asked, GroupLimits, ScanSnapshot, scan_statements, scans_of
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.query.periods_reader import LIMITS, PeriodsReader
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.backends.server_address import read_server_address
from engine.usage.store.usage_store import UsageStore
from tests.support.long_forms import numbered
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.correction_world import World
from tests.support.usage.meter_reads import deliver
from tests.support.usage.period_reads import one_by_one, said
from tests.support.usage.usage_histories import (
    CUSTOMERS,
    MONTH_US,
    PERIOD_US,
    random_deliveries,
    random_meter,
)

HISTORIES, REQUESTS = numbered(1, 8), 12
TYPES = ("call", "call", "other", "third")


def selects_of(meters, periods):
    """How many SELECTs read the events of each statement."""
    measures = [measure_of("t", Meter.read({"id": "m", "aggregation": "count"} | each)) for each in meters]
    snapshot = ScanSnapshot("t", 5, None, any_facts=False, digests=True)
    statements = scan_statements(scans_of(measures), Asked(periods), snapshot, LIMITS)
    assert all(len(statement.sql) < 96 * 1024 for statement, _ in statements)
    return [statement.sql.count("FROM events") for statement, _ in statements]


ONE = Periods(pa.array(["acme"]), np.array([1]), np.array([9]))
EACH_ITS_OWN = Periods(pa.array(["acme", "bolt"]), np.array([1, 2]), np.array([9, 9]))


def test_scans_that_differ_in_their_type_alone_are_one_select_for_a_few_customers():
    """Of three meters without filters two types; another filter is another SELECT, and many customers have one each."""
    meters = [{"event_type": "call"}, {"event_type": "other"}, {"event_type": "call"}]
    meters.append({"event_type": "third", "filters": {"a": "b"}})
    assert selects_of(meters, ONE) == [2]
    assert selects_of(meters, EACH_ITS_OWN) == [3]


@pytest.mark.parametrize(
    "keeping", [{"aggregation": "unique_count"}, {"aggregation": "percentile", "percentile": "95"}]
)
def test_meters_that_keep_the_values_of_events_keep_none_of_another_type(keeping):
    """A busy type beside them would fill the memory."""
    meters = [{"event_type": "busy"}, {"event_type": "rare", "value": "v"} | keeping, {"event_type": "other"}]
    assert selects_of(meters, ONE) == [2]


def test_a_select_of_several_types_has_a_bounded_number_of_meters():
    """Of 16 types of 36 meters each; and of 40 types with a meter each, sixteen at once."""
    value = {"aggregation": "sum", "value": "value * a + b * 2.5 - a * b"}
    many = [{"event_type": f"t{i % 16}"} | value for i in range(16 * 36)]
    assert sum(selects_of(many, ONE)) == 16
    assert selects_of([{"event_type": f"t{i}"} | value for i in range(40)], ONE) == [3]


@pytest.fixture(scope="module", params=["embedded", "server"])
def store(request, tmp_path_factory, shared_store):
    if request.param == "embedded":
        yield shared_store
        return
    with ClickHouseProcess(tmp_path_factory.mktemp("server")) as server:
        opened = UsageStore.open_server(read_server_address(server.url()))
        yield opened
        opened.close()


@pytest.fixture(params=["few", "many"])
def bound(request, monkeypatch):
    """Whether places are bound as parameters, or come as a table."""
    if request.param == "many":
        monkeypatch.setattr(period_scan, "_FEW_MAX", 0)


def random_periods(dice):
    """Of some customers, known or not, some of them twice; all in one period, or each in another."""
    customers = sorted(dice.choice((*CUSTOMERS, "nobody", "zoe")) for _ in range(dice.randint(1, 6)))
    start_us, end_us = PERIOD_US
    one = dice.random() < 0.4
    starts = [start_us + (0 if one else dice.randrange(-MONTH_US, MONTH_US)) for _ in customers]
    ends = [end_us if one else start + dice.choice((1, 1_000_000, MONTH_US)) for start in starts]
    return Periods(pa.array(customers), np.array(starts), np.array(ends))


def random_request(dice, tenant, as_of_us):
    meters = [random_meter(dice) for _ in range(dice.randint(1, 5))]
    if dice.random() < 0.5:
        # Several in one scan: the same events in the same groups.
        shape = {name: meters[0].get(name) for name in ("group_by", "filters") if name in meters[0]}
        meters = [
            {**{k: v for k, v in each.items() if k not in ("group_by", "filters")}, **shape}
            for each in meters
        ]
    # Types differ or not: what differs in nothing else is one SELECT for a few customers in one period.
    meters = [each | {"event_type": dice.choice(TYPES)} for each in meters]
    measures = [measure_of(tenant, Meter.read(each)) for each in meters]
    periods = random_periods(dice)
    wanted = [np.flatnonzero([dice.random() < 0.8 for _ in range(len(periods))]) for _ in measures]
    return PeriodsRequest(
        measures=measures,
        periods=periods,
        wanted=wanted,
        as_of_us=as_of_us,
        digests=dice.random() < 0.7,
    )


def check(store, seed, limits):
    dice = random.Random(f"{seed}-periods")
    deliveries = random_deliveries(seed, seed, 120)
    # Retries have the type of the event.
    types = {each["event_id"]: dice.choice(TYPES) for each in deliveries}
    deliver(store, [each | {"event_type": types[each["event_id"]]} for each in deliveries])
    watermarks = [1, 2, 3, 4, 5]
    if dice.random() < 0.5:
        world = World(store, seed)
        world.void(*dice.sample(sorted(types), min(3, len(types))))
        watermarks += [world.as_of()] * 3
    for _ in range(REQUESTS):
        request = random_request(dice, seed, dice.choice(watermarks))
        found = PeriodsReader(store, UsageReader(store), limits).read(request)
        for usage, wanted, expected in zip(
            found, request.wanted, one_by_one(store, request, limits), strict=True
        ):
            assert (np.diff(usage.place) >= 0).all()
            assert said(usage, wanted) == expected, (seed, request.measures, request.periods)


@pytest.mark.parametrize("history", HISTORIES)
def test_one_read_says_what_a_read_of_each_place_says(store, bound, history, seed, request):
    """Retries, ties, unreadable values, groups, filters, carried levels, watermarks, unknown customers."""
    check(store, f"{seed}-{request.node.name}", LIMITS)


@pytest.mark.parametrize("history", HISTORIES)
def test_a_place_with_too_many_groups_takes_nothing_from_the_others(
    shared_store, bound, history, seed, request
):
    """With room for three groups of a place and four of a statement: it is read in halves, down to one place."""
    check(shared_store, f"{seed}-{request.node.name}", GroupLimits(of_place=3, of_statement=4))
