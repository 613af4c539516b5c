"""Every kind of meter from the wire to the line: applied, recorded, aggregated, priced."""

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_NOT_DECIMAL,
    VERDICT_ACCEPTED,
    VERDICT_REJECTED,
    PropertyValue,
    RecordUsageRequest,
    UsageEvent,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub

JUNE_1 = 1_748_736_000  # 2025-06-01T00:00:00Z; June has 30 days
DAY_S = 86_400

METERS = {
    "avg": "aggregation: avg, value: level",
    "latest": "aggregation: latest, value: level",
    "latest_carried": "aggregation: latest, value: level, carries_over: true, filters: {zone: {exists: false}}",
    "weighted": "aggregation: time_weighted, value: level",
    "weighted_carried": "aggregation: time_weighted, value: level, carries_over: true",
    "p90": "aggregation: percentile, percentile: 90, value: level",
    "elsewhere": "aggregation: count, filters: {zone: {not: [a]}}",
    "large": "aggregation: count, filters: {level: {at_least: 2, less_than: 10}}",
    "either": "aggregation: count, filters: {any: [{zone: a}, {level: {less_than: 0}}]}",
    "computed": "aggregation: sum, value: {expression: 2 * level - extra, defaults: {extra: 0.5}}",
    "in_tens": (
        "aggregation: sum, value: level, "
        "conversion: {divisor: 10, rounding: {mode: half_up, digits: 1}}, unit: tens"
    ),
}
# Day of the event, its level and zone. May's counts only where a meter carries over.
EVENTS = [(-5, "30", None), (0, "2", "a"), (6, "9.5", "b"), (21, "-1.5", None)]
# In June the values are 2, 9.5 and -1.5.
EXPECTED = {
    "avg": ("3.333333333333", 3),  # 10 / 3
    "latest": ("-1.5", 3),
    "latest_carried": ("-1.5", 2),
    "weighted": ("9.15", 3),  # (2 x 30 + 9.5 x 24 - 1.5 x 9) / 30
    "weighted_carried": ("39.15", 4),  # and 30 all the time
    "p90": ("9.5", 3),  # rank ceil(2.7)
    "elsewhere": ("2", 2),  # zone b, and none
    "large": ("2", 2),  # 2 and 9.5
    "either": ("2", 2),  # zone a, and -1.5
    "computed": ("18.5", 3),  # 3.5 + 18.5 - 3.5
    "in_tens": ("1", 3),  # 10 / 10
}


@pytest.fixture(scope="module")
def catalog():
    meters = "\n".join(f"  - {{id: mm_{name}, event_type: mm, {text}}}" for name, text in METERS.items())
    prices = "\n".join(
        f"      - {{id: {name}, meter: mm_{name}, model: per_unit, unit_amount: 2}}" for name in METERS
    )
    return (
        f"meters:\n{meters}\nplans:\n  - id: mm\n    name: MM\n    currency: USD\n    prices:\n{prices}\n"
        "customers: [{id: mm_acme, name: Acme}]\n"
        "subscriptions: [{customer: mm_acme, plan: mm, start: 2025-06-01}]\n"
    )


def event(event_id, day, event_type="mm", **properties):
    return UsageEvent(
        event_id=f"mm-{event_id}",
        event_type=event_type,
        customer_id=f"{event_type}_acme",
        event_time=Timestamp(seconds=JUNE_1 + day * DAY_S),
        properties={
            name: PropertyValue(string_value=text) for name, text in properties.items() if text is not None
        },
    )


def test_every_kind_of_meter_makes_a_line(apply, channel, catalog):
    """Sent twice, counted once; the catalog says of itself what was applied."""
    apply(catalog)
    events = [event(number, day, level=level, zone=zone) for number, (day, level, zone) in enumerate(EVENTS)]
    for _ in range(2):
        UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)
    request = ListLineItemsRequest(customer_id="mm_acme", at=Timestamp(seconds=JUNE_1))
    lines = BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items
    assert {line.price_id: (line.quantity, line.event_count) for line in lines} == EXPECTED
    assert {line.price_id: line.amount for line in lines}["avg"] == "6.67"
    said = {
        each.id: json.loads(each.definition)
        for each in CatalogServiceStub(channel).GetCatalog(GetCatalogRequest(), timeout=120).resources
    }
    assert said["mm_weighted_carried"]["carries_over"] is True
    assert said["mm_large"]["filters"] == {"level": {"at_least": "2", "less_than": "10"}}
    assert said["mm_computed"]["value"] == {"expression": "2 * level - extra", "defaults": {"extra": "0.5"}}
    assert said["mm_in_tens"]["conversion"] == {"divisor": "10", "rounding": {"mode": "half_up", "digits": 1}}
    assert apply(catalog).changes == []


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"level": "high", "zone": "a"}, "properties.level"),
        # Only an expression reads it.
        ({"level": "1", "extra": "many"}, "properties.extra"),
    ],
)
def test_what_a_meter_reads_as_a_number_must_be_one(apply, channel, catalog, properties, field):
    """Refused at the door, with the property's name, rather than left out of a quantity later."""
    apply(catalog)
    request = RecordUsageRequest(events=[event("bad", 3, **properties)])
    answer = UsageServiceStub(channel).RecordUsage(request, timeout=120)
    assert list(answer.verdicts) == [VERDICT_REJECTED]
    assert (answer.problems[0].field, answer.problems[0].reason) == (field, PROBLEM_REASON_NOT_DECIMAL)


def test_a_new_meter_counts_the_events_that_are_there(apply, channel):
    """Also those that it can't read: they came when nothing said that `out` is a number, and the line says how many."""
    text = (
        "meters:\n  - {id: nm_calls, event_type: nm, aggregation: count}\n"
        "  - {id: nm_tokens, event_type: nm, aggregation: sum, VALUE}\n"
        "plans:\n  - id: nm\n    name: NM\n    currency: USD\n    prices:\n"
        "      - {id: calls, meter: nm_calls, model: per_unit, unit_amount: 1}\n"
        "      - {id: tokens, meter: nm_tokens, model: per_unit, unit_amount: 0.01}\n"
        "customers: [{id: nm_acme, name: Acme}]\n"
        "subscriptions: [{customer: nm_acme, plan: nm, start: 2025-06-01}]\n"
    )
    apply(text.replace("VALUE", "value: in"))
    events = [{"in": "10", "out": "3"}, {"in": "5"}, {"in": "7", "out": "many"}, {"in": "1", "out": "0.5"}]
    record = UsageServiceStub(channel).RecordUsage
    request = RecordUsageRequest(
        events=[event(f"nm-{n}", n, "nm", **properties) for n, properties in enumerate(events)]
    )
    assert set(record(request, timeout=120).verdicts) == {VERDICT_ACCEPTED}
    assert tokens_line(channel) == ("23", 4, 0, 0, 1)
    # 10 + 4 x 3 and 1 + 4 x 0.5, of this version of the meter; "many" is unreadable, and one has no `out`.
    apply(text.replace("VALUE", "value: {expression: in + 4 * out}"))
    assert tokens_line(channel) == ("25", 4, 1, 1, 2)
    # With the default, that one counts with what it has.
    apply(text.replace("VALUE", "value: {expression: in + 4 * out, defaults: {out: 0}}"))
    assert tokens_line(channel) == ("30", 4, 1, 0, 3)
    # From now on the door knows.
    answer = record(RecordUsageRequest(events=[event("nm-9", 4, "nm", out="many")]), timeout=120)
    assert list(answer.verdicts) == [VERDICT_REJECTED]


def tokens_line(channel):
    request = ListLineItemsRequest(customer_id="nm_acme", at=Timestamp(seconds=JUNE_1))
    lines = BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items
    [line] = [each for each in lines if each.price_id == "tokens"]
    counts = line.unreadable_event_count, line.missing_value_event_count
    return line.quantity, line.event_count, *counts, line.meter_version
