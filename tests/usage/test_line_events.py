"""The events behind a line, and pages of them, from a real store: as many as the line counts, and the same ones."""

import random

import pytest

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.facts.listed_events import FIRST, EventChoice, MeterGroup
from engine.usage.query.event_list import EventList
from engine.usage.query.usage_reader import UsageReader
from tests.support.long_forms import numbered
from tests.support.usage.digest_oracle import digest_of
from tests.support.usage.event_reads import listed
from tests.support.usage.meter_reads import deliver, usage_by_store
from tests.support.usage.reused_ids import event_of
from tests.support.usage.usage_histories import CUSTOMERS as METERED
from tests.support.usage.usage_histories import PERIOD_US, random_deliveries, random_meter


@pytest.mark.parametrize("number", numbered(18, 1_000))
def test_a_line_counts_exactly_the_events_that_are_listed(shared_store, seed, number):
    """Every aggregation, filter and group of random meters: as many events, and the same ones by their digest."""
    tenant = f"lines-{seed}-{number}"
    dice = random.Random(tenant)
    deliver(shared_store, random_deliveries(tenant, tenant, 40))
    fields = random_meter(dice)
    meter, as_of_us = Meter.read(fields), dice.randint(1, 5)
    groups = usage_by_store(
        shared_store, fields, tenant=tenant, customers=METERED, period_us=PERIOD_US, as_of_us=as_of_us
    )
    for (customer, dimensions), usage in groups.items():
        asked = measure_of(tenant, meter).asked([customer], PERIOD_US, as_of_us)
        named = zip(meter.group_by, dimensions, strict=True)
        group = {name: value for name, value in named if value is not None}
        choice = EventChoice(
            tenant=tenant,
            as_of_us=as_of_us,
            customer_ids=[customer],
            event_type=meter.event_type,
            start_us=PERIOD_US[0],
            end_us=PERIOD_US[1],
            meter=MeterGroup(asked, group),
        )
        events = [event for _, event in listed(shared_store, choice, dice.randint(1, 30))]
        assert len(events) == usage.event_count, (fields, group)
        assert digest_of(events) == usage.event_digest, (fields, group)


def test_the_meters_of_this_test_have_every_aggregation_and_filters(seed):
    """Or it would prove nothing."""
    made = [random_meter(random.Random(f"lines-{seed}-{number}")) for number in range(200)]
    assert len({each["aggregation"] for each in made}) == 9
    assert {"filters" in each for each in made} == {True, False}
    assert {each.get("carries_over") for each in made} == {None, "true", "false"}


def test_a_page_is_bounded_whatever_lies_before_its_events(shared_store):
    """Of thousands of void events at the head, and of as many at one instant: each page costs a few statements."""
    many = [event_of(f"{number:05}", tenant="many", ingested_us=1) for number in range(3_000)]
    deliver(shared_store, many)
    choice = EventChoice(tenant="many", as_of_us=1)
    found = listed(shared_store, choice, 700)
    assert [event["event_id"] for _, event in found] == [each["event_id"] for each in many]
    # A type of its own behind them: what a meter leaves out is not listed, and not counted against the page.
    deliver(shared_store, [event_of("rare", "9", tenant="many", time_us=PERIOD_US[0] + 1, ingested_us=2)])
    meter = Meter.read({"id": "m", "event_type": "call", "aggregation": "count", "filters": {"value": "9"}})
    usage = measure_of("many", meter).asked(None, PERIOD_US, 2)
    rare = EventChoice(
        tenant="many",
        as_of_us=2,
        event_type="call",
        start_us=PERIOD_US[0],
        end_us=PERIOD_US[1],
        meter=MeterGroup(usage),
    )
    assert [event["event_id"] for _, event in listed(shared_store, rare, 1)] == ["rare"]


def test_large_events_make_short_pages(shared_store):
    """Sixty-four properties of a kilobyte each: no page takes more than some megabytes, and none is left out."""
    properties = {f"p{number:02}": "x" * 1_000 for number in range(64)}
    many = [
        event_of(f"{number:03}", tenant="large", properties=properties, ingested_us=1)
        for number in range(200)
    ]
    deliver(shared_store, many)
    choice = EventChoice(tenant="large", as_of_us=1)
    page = EventList(shared_store, UsageReader(shared_store)).page(choice, FIRST, 1_000)
    assert 50 < len(page.events) < 70
    assert len(listed(shared_store, choice)) == 200
