"""The slow, obvious meter: Python lists, fractions, one event at a time. Judges the SQL of the usage store.

A delivery is an event that arrives, perhaps again: a dict with tenant, event_id, event_type, customer, time_us,
properties (name -> text) and ingested_us. A meter is the fields of a catalog document, all of them text.
"""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

from tests.support.rating.oracle_numbers import rounded
from tests.support.usage.content_hashes import content_hash
from tests.support.usage.digest_oracle import digest_of
from tests.support.usage.meter_oracle import converted, passes, value_of


def usage_by_oracle(deliveries, meter, *, tenant, customers, period_us, as_of_us):
    """(customer, dimensions) -> (quantity, event count, unreadable count, digest); no key for what has no row."""
    start_us, end_us = period_us
    carries_over = meter.get("carries_over") == "true"
    groups = defaultdict(list)
    for event in _distinct(deliveries, as_of_us):
        if (
            event["tenant"] == tenant
            and event["customer"] in customers
            and event["event_type"] == meter["event_type"]
            and (carries_over or event["time_us"] >= start_us)
            and event["time_us"] < end_us
            and passes(event["properties"], meter.get("filters", {}))
        ):
            dimensions = tuple(event["properties"].get(name) for name in meter.get("group_by", []))
            groups[event["customer"], dimensions].append(event)
    found = {}
    for key, events in groups.items():
        quantity, unreadable = _quantity(events, meter, start_us, end_us)
        happened = any(event["time_us"] >= start_us for event in events)
        if not key[1] or quantity or unreadable or happened:
            quantity = converted(quantity, meter.get("conversion"))
            found[key] = (quantity, len(events), unreadable, digest_of(events))
    return found


def version_of(event):
    """What makes two deliveries the same event."""
    texts = tuple(sorted(event["properties"].items()))
    names = ("tenant", "customer", "event_type", "time_us", "event_id")
    return (*(event[name] for name in names), texts)


def standing_order(event):
    """By which of the versions of an id that came in the first one stands."""
    return (
        event["ingested_us"],
        event["time_us"],
        event["customer"].encode(),
        event["event_type"].encode(),
        content_hash(event["properties"]),
    )


def _distinct(deliveries, as_of_us):
    """What had been ingested by then, each event once."""
    seen = {}
    for each in deliveries:
        if each["ingested_us"] <= as_of_us:
            seen.setdefault(version_of(each), each)
    return seen.values()


def _quantity(events, meter, start_us, end_us):
    aggregation = meter["aggregation"]
    if aggregation == "count":
        return Fraction(len(events)), 0
    if aggregation == "unique_count":
        texts = [event["properties"].get(meter["value"]) for event in events]
        return Fraction(len(set(texts) - {None})), 0
    values = [(event, *value_of(event["properties"], meter["value"])) for event in events]
    readable = [(_newness(event), value) for event, _, value in values if value is not None]
    unreadable = sum(1 for _, given, value in values if given and value is None)
    if not readable:
        return Fraction(0), unreadable
    if aggregation == "time_weighted":
        changes = [(newness[0], value) for newness, value in readable]
        return rounded(_mean_level(changes, start_us, end_us), 12, "half_even"), unreadable
    if aggregation == "latest":
        return max(readable)[1], unreadable
    return _of_values(meter, sorted(value for _, value in readable)), unreadable


def _newness(event):
    """The order of `latest`: of one id used twice at one time the first ingested is the newer."""
    properties = event["properties"]
    return event["time_us"], event["event_id"].encode(), -event["ingested_us"], content_hash(properties)


def _of_values(meter, values):
    """`values` ascend; when they came doesn't matter."""
    match meter["aggregation"]:
        case "sum":
            return sum(values)
        case "min":
            return values[0]
        case "max":
            return values[-1]
        case "avg":
            return rounded(sum(values) / len(values), 12, "half_even")
        case "percentile":
            return values[math.ceil(Fraction(meter["percentile"]) / 100 * len(values)) - 1]
    raise ValueError(f"the oracle knows no {meter['aggregation']}")


def _mean_level(changes, start_us, end_us):
    """Walks through the period: the level of every stretch between two changes times the stretch's length."""
    level = area = Fraction(0)
    now_us = start_us
    for time_us, delta in sorted(changes):
        if time_us > now_us:
            area += level * (time_us - now_us)
            now_us = time_us
        level += delta
    return (area + level * (end_us - now_us)) / (end_us - start_us)


def windows_by_oracle(deliveries, meter, question):
    """(customer, dimensions, window) -> (quantity, event, unreadable and missing count, digest); no key for what has no row.

    A question has tenant, customers (None: all), bounds_us, as_of_us, by_customer, group_by and narrowed_to, a list
    of (property, values). Without by_customer the customer is "".
    """
    bounds_us = question["bounds_us"]
    found = {}
    events = [each for each in _distinct(deliveries, question["as_of_us"]) if _asked(each, meter, question)]
    for window, (start_us, end_us) in enumerate(itertools.pairwise(bounds_us)):
        lives_on, first_us = _reach(meter, bounds_us, start_us)
        groups = defaultdict(list)
        for event in events:
            if first_us <= event["time_us"] < end_us:
                dimensions = tuple(event["properties"].get(name) for name in question["group_by"])
                groups[event["customer"] if question["by_customer"] else "", dimensions].append(event)
        for key, of_group in groups.items():
            quantity, unreadable = _quantity(of_group, meter, start_us, end_us)
            missing = sum(
                not value_of(event["properties"], meter["value"])[0] for event in of_group if "value" in meter
            )
            happened = any(event["time_us"] >= start_us for event in of_group)
            alone = not question["group_by"] and len(bounds_us) == 2
            if happened or (lives_on and (quantity or unreadable or alone)):
                quantity = converted(quantity, meter.get("conversion"))
                found[*key, window] = (quantity, len(of_group), unreadable, missing, digest_of(of_group))
    return found


def _reach(meter, bounds_us, start_us):
    """Whether what was before a window is in it too, and since when."""
    if meter.get("carries_over") == "true":
        return True, -math.inf
    if meter["aggregation"] == "time_weighted" and len(bounds_us) > 2:
        return True, bounds_us[0]
    return False, start_us


def _asked(event, meter, question):
    properties = event["properties"]
    return (
        event["tenant"] == question["tenant"]
        and (question["customers"] is None or event["customer"] in question["customers"])
        and event["event_type"] == meter["event_type"]
        and passes(properties, meter.get("filters", {}))
        and all(properties.get(name) in values for name, values in question["narrowed_to"])
    )
