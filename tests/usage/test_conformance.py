"""Every aggregation that other engines assert in their own tests, from real events in a real usage store.

CONFORMANCE_CASES names another folder of cases in the same form; the project's copy and its README are in
tests/conformance.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.times import datetime_us
from tests.support.rating.oracle_cases import cases
from tests.support.rating.oracle_numbers import rounded
from tests.support.usage.meter_reads import deliver, usage_by_store

CASES = cases("aggregation")


def instant_us(text):
    return datetime_us(datetime.fromisoformat(text))


def meter_of(case):
    """The case's meter in the words of a catalog document."""
    meter = {"id": "m", "event_type": "e", "aggregation": case["aggregation"]}
    if case["aggregation"] != "count":
        meter["value"] = "value"
    if "percentile" in case:
        meter["percentile"] = str(case["percentile"])
    # A level to start with is a level that events before the period have left.
    carried = case["aggregation"] in ("sum", "latest", "time_weighted")
    if carried and (case.get("carries_over") or "initial_value" in case):
        meter["carries_over"] = "true"
    filters = {name: filter_of(values) for name, values in case.get("filters", {}).items()}
    return {**meter, "filters": filters, "group_by": case.get("group_by", [])}


def filter_of(values):
    """Null among the accepted values is an event without the property."""
    if None not in values:
        return values
    if values != [None]:
        raise ValueError(f"a filter that accepts both a value and its absence is not supported: {values}")
    return {"exists": "false"}


def deliveries_of(case):
    """The case's events, each an event of its own: what Meterline calls an event's id, the cases don't have."""
    events = list(case["events"])
    if "initial_value" in case:
        before = instant_us(case["period"]["start"]) - 1
        events.append({"time_us": before, "value": case["initial_value"]})
    for number, event in enumerate(events):
        value = {"value": event["value"]} if event.get("value") is not None else {}
        yield {
            "tenant": case["id"],
            "event_id": str(number),
            "event_type": "e",
            "customer": "acme",
            "time_us": event["time_us"] if "time_us" in event else instant_us(event["timestamp"]),
            "properties": {**event.get("properties", {}), **value},
            "ingested_us": 1,
        }


def expected_of(case):
    groups = case["expected"].get("groups")
    if groups is None:
        return {(): Decimal(case["expected"]["value"])}
    return {
        tuple(group["by"][name] for name in case["group_by"]): Decimal(group["value"]) for group in groups
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_meter_gives_the_quantity_that_another_engine_published(shared_store, case):
    """Exactly, or after rounding half away from zero to the digits that were published."""
    deliver(shared_store, list(deliveries_of(case)))
    period_us = instant_us(case["period"]["start"]), instant_us(case["period"]["end"])
    found = usage_by_store(
        shared_store, meter_of(case), tenant=case["id"], customers=["acme"], period_us=period_us, as_of_us=1
    )
    quantities = {dimensions: Fraction(usage.quantity) for (_, dimensions), usage in found.items()}
    if not case.get("group_by"):
        quantities.setdefault((), Fraction(0))  # no usage: rating takes it for zero
    if "digits" in case:
        quantities = {key: rounded(each, case["digits"], "half_up") for key, each in quantities.items()}
    assert quantities == {key: Fraction(value) for key, value in expected_of(case).items()}


def test_there_are_aggregations_to_hold():
    """An empty or misspelt folder is a failure, not a success."""
    assert CASES
