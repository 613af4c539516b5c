"""Random histories of events and random meters, from a seed; small worlds, so that coincidences are common."""

import random
import re

from engine.catalog.kinds.meter import Meter
from fields import FieldsError

MONTH_US = 30 * 86_400 * 1_000_000
PERIOD_US = (1_793_491_200_000_000, 1_793_491_200_000_000 + MONTH_US)  # from 2026-11-01
CUSTOMERS = ("acme", "bolt", "caldera")

_VALUES = (
    "0", "1", "-1", "2.5", "-0.000000000001", "0.333333333333", "+7", "007", "10", "1000000",
    "99999999999999999999999999.999999999999", "-99999999999999999999999999.999999999999",
    "1e3", "many", "", "1.0000000000001", "1,5", None,
)  # fmt: skip
_LARGEST = "99999999999999999999999999.999999999999"
_LABELS = ("eu", "us", "", "EU", "5", "12.50", None)
_AGGREGATIONS = (
    "count", "sum", "min", "max", "avg", "latest", "unique_count", "time_weighted", "percentile",
)  # fmt: skip


def random_deliveries(seed, tenant, events_max):
    """Events around a month's bounds; some arrive twice. Ids are unique, as admission makes them."""
    dice = random.Random(seed)
    start_us, end_us = PERIOD_US
    times_us = (start_us - 1, start_us, start_us + 1, end_us - 1, end_us, start_us - MONTH_US)
    deliveries = []
    for number in range(dice.randint(1, events_max)):
        time_us = dice.choice(times_us)
        if dice.random() < 0.6:
            time_us = start_us + dice.choice((dice.randrange(10), dice.randrange(-MONTH_US, 2 * MONTH_US)))
        properties = {
            "value": _random_value(dice),
            "region": dice.choice(_LABELS),
            "size": _random_value(dice),
        }
        event = {
            "tenant": tenant,
            "event_id": dice.choice(("a", "b", "é", "Z")) + f"{number}",
            "event_type": "call" if dice.random() < 0.9 else "other",
            "customer": dice.choice(CUSTOMERS),
            "time_us": time_us,
            "properties": {name: text for name, text in properties.items() if text is not None},
        }
        arrivals = 2 if dice.random() < 0.3 else 1
        deliveries += [{**event, "ingested_us": dice.randint(1, 5)} for _ in range(arrivals)]
    return sorted(deliveries, key=lambda each: each["ingested_us"])


def _random_value(dice):
    if dice.random() < 0.5:
        return dice.choice(_VALUES)
    return f"{dice.randint(-999, 999)}.{dice.randrange(10**12):012}"


def random_meter(dice):
    """The fields of a catalog document."""
    aggregation = dice.choice(_AGGREGATIONS)
    meter = {"id": "m", "event_type": "call", "aggregation": aggregation}
    if aggregation != "count":
        meter["value"] = "value"
    if aggregation not in ("count", "unique_count") and dice.random() < 0.4:
        meter["value"] = random_value(dice, ("value", "size", "region", "nowhere"))
    if aggregation == "percentile":
        meter["percentile"] = dice.choice(
            ("50", "95", "100", "0.001", "99.9", "33.333", str(dice.randint(1, 99)))
        )
    if aggregation in ("sum", "latest", "time_weighted") and dice.random() < 0.5:
        meter["carries_over"] = dice.choice(("true", "true", "false"))
    if dice.random() < 0.7:
        meter["group_by"] = dice.choice((["region"], ["region", "size"], ["nowhere"]))
    if dice.random() < 0.3:
        meter["conversion"] = random_conversion(dice)
    filters = random_filters(dice)
    return {**meter, "filters": filters} if filters else meter


def random_value(dice, names):
    """An expression over some of these properties, the first of them more often than not."""
    properties = [names[0] if dice.random() < 0.6 else dice.choice(names) for _ in range(4)]
    while True:
        text = _random_arithmetic(dice, properties, dice.randint(1, 4))
        used = [name for name in names if re.search(rf"\b{name}\b", text)]
        # A product of five would have too many digits; an expression has a property.
        if used and text.count("*") < 4:
            break
    defaults = {name: dice.choice(("0", "1.5", "-7", _LARGEST)) for name in used if dice.random() < 0.3}
    return {"expression": text, **({"defaults": defaults} if defaults else {})}


def _random_arithmetic(dice, properties, depth):
    if depth == 0 or dice.random() < 0.2:
        name = dice.choice(properties)
        numbers = ("0", "2", "1000", "0.5", "0.001", "10000000000000", _LARGEST)
        return dice.choice((name, name, f'"{name}"', dice.choice(numbers)))
    if dice.random() < 0.15:
        return f"-{_random_arithmetic(dice, properties, depth - 1)}"
    left, right = (_random_arithmetic(dice, properties, depth - 1) for _ in range(2))
    joined = f"{left} {dice.choice('++--*')} {right}"
    return f"({joined})" if dice.random() < 0.5 else joined


def random_conversion(dice):
    rounding = {
        "mode": dice.choice(("half_up", "half_even", "up", "down")),
        "digits": str(dice.choice((0, 2, 12))),
    }
    ratio = dice.choice(("3", "1000", "0.001", "1048576", "0.333333333333333333", "7.5"))
    if dice.random() < 0.5:
        return {"divisor": ratio, "rounding": rounding}
    return {"factor": ratio, **({"rounding": rounding} if dice.random() < 0.5 else {})}


def random_filters(dice):
    """Filters that the catalog accepts: it refuses many that no event passes, and random ones often are such."""
    while True:
        filters = random_filter_tree(dice)
        try:
            Meter.read({"id": "m", "event_type": "e", "aggregation": "count", "filters": filters})
        except FieldsError:
            continue
        return filters


def random_filter_tree(dice, depth=0):
    """Filters in groups of filters, three deep at most."""
    filters = {name: _random_filter(dice) for name in ("region", "size") if dice.random() < 0.4}
    for name in ("any", "all", "not"):
        if depth < 3 and dice.random() < 0.2:
            members = [random_filter_tree(dice, depth + 1) for _ in range(dice.randint(1, 3))]
            filters[name] = [member or {"region": _random_filter(dice)} for member in members]
    return filters


def _random_filter(dice):
    labels = sorted({dice.choice([each for each in _LABELS if each is not None]) for _ in range(2)})
    bound = dice.choice(("0", "-1", "5", "12.5", "0.333333333333"))
    return dice.choice(
        (
            labels[0],
            labels,
            {"not": labels},
            {"not": labels, "exists": "true"},
            {"exists": dice.choice(("true", "false"))},
            {dice.choice(("greater_than", "at_least", "less_than", "at_most")): bound},
            {"greater_than": "-500.5", "at_most": bound},
            {"at_least": bound, "at_most": bound},
        )
    )
