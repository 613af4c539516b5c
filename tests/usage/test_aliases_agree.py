"""Usage that is recorded under several ids of a customer is what it would be under one."""

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.errors import UsageExpiredError
from engine.usage.facts.period_scan import GroupLimits
from engine.usage.facts.periods_request import Periods, PeriodsRequest
from engine.usage.query.periods_reader import LIMITS, PeriodsReader, _check_none_expired
from engine.usage.query.usage_reader import UsageReader
from tests.support.long_forms import numbered
from tests.support.usage.meter_reads import deliver
from tests.support.usage.period_reads import said
from tests.support.usage.usage_histories import CUSTOMERS, PERIOD_US, random_deliveries, random_meter

ALIASES = {"acme": ["acme-1", "00-acme"], "caldera": ["zz-caldera"]}


@pytest.mark.parametrize("history", numbered(1, 8))
def test_aliases_count_as_their_customer(shared_store, history, seed, request):
    """Every aggregation, in groups and carried over, alone and beside customers without an alias, whole or in halves."""
    name = f"{seed}-{request.node.name}"
    dice = random.Random(name)
    deliveries = random_deliveries(name, f"{name}-one", 120)
    subjects = {
        each["event_id"]: dice.choice([each["customer"], *ALIASES.get(each["customer"], [])])
        for each in deliveries
    }
    deliver(shared_store, deliveries)
    deliver(
        shared_store,
        [{**each, "tenant": f"{name}-many", "customer": subjects[each["event_id"]]} for each in deliveries],
    )
    start_us, end_us = PERIOD_US
    for _ in range(10):
        meters = [Meter.read(random_meter(dice)) for _ in range(3)]
        customers = sorted(dice.sample([*CUSTOMERS, "nobody"], dice.randint(1, 4)))
        periods = Periods(
            pa.array(customers),
            np.array([start_us + dice.choice((0, 5)) for _ in customers]),
            np.full(len(customers), end_us),
        )
        found = []
        limits = dice.choice((LIMITS, GroupLimits(of_place=50, of_statement=4)))
        for tenant, aliases in (("one", {}), ("many", ALIASES)):
            asked = PeriodsRequest(
                measures=[measure_of(f"{name}-{tenant}", meter) for meter in meters],
                periods=replace(periods, aliases=aliases),
                wanted=[np.arange(len(customers))] * len(meters),
                as_of_us=dice.choice((3, 5)) if not found else found[0][1],
                digests=False,
            )
            usage = PeriodsReader(shared_store, UsageReader(shared_store), limits).read(asked)
            found.append(([said(each, np.arange(len(customers))) for each in usage], asked.as_of_us))
        assert found[0] == found[1], (name, meters, customers)


def test_what_expired_under_one_of_several_ids_is_refused():
    """What the ids used together is known from events only."""
    start_us = np.array([1_000_000, 1_000_000])
    periods = Periods(pa.array(["acme", "bolt"]), start_us, start_us + 9, {"acme": ["a"]})
    places = periods.with_aliases
    assert places.tolist() == [0]
    _check_none_expired(periods, places, {"a": 1_000_000, "bolt": 9_000_000}, carries_over=False)
    with pytest.raises(UsageExpiredError, match="'a' before 1970-01-01 has expired, and the customer 'acme'"):
        _check_none_expired(periods, places, {"a": 1_000_001}, carries_over=False)
    with pytest.raises(UsageExpiredError, match="events only"):
        _check_none_expired(periods, places, {"acme": 1}, carries_over=True)
