"""A catalog of every price model and every aggregation, as documents, with customers who start on awkward days."""

import json

FIRST_INSTANT = "2025-03-05T00:00:00Z"
SECOND_INSTANT = "2025-03-30T12:00:00Z"
# Worked out by hand: the billing period of each subscription at the two instants; none where it has not begun.
# 31 January plus one month is 28 February, and plus two 31 March: months count from the anchor.
PERIODS = {
    "ada:dollars": (("2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"),) * 2,
    "ben:dollars": (
        ("2025-02-28T00:00:00Z", "2025-03-28T00:00:00Z"),
        ("2025-03-28T00:00:00Z", "2025-04-28T00:00:00Z"),
    ),
    "cleo:yen": (("2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z"),) * 2,
    "ida:yen": (("2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z"),) * 2,
    "dan:aggregates": (None, ("2025-03-15T08:30:00Z", "2025-04-15T08:30:00Z")),
    # It ended on 20 March, and is listed until its month would have ended.
    "eva:dollars": (
        ("2025-02-10T00:00:00Z", "2025-03-10T00:00:00Z"),
        ("2025-03-10T00:00:00Z", "2025-03-20T00:00:00Z"),
    ),
    "fay:dollars": (
        ("2025-02-28T00:00:00Z", "2025-03-30T00:00:00Z"),
        ("2025-03-30T00:00:00Z", "2025-04-30T00:00:00Z"),
    ),
    "fay:yen": (
        ("2025-02-14T00:00:00Z", "2025-03-14T00:00:00Z"),
        ("2025-03-14T00:00:00Z", "2025-04-14T00:00:00Z"),
    ),
    # The same days as dan's, an earlier month first.
    "fay:aggregates": (
        ("2025-02-15T08:30:00Z", "2025-03-15T08:30:00Z"),
        ("2025-03-15T08:30:00Z", "2025-04-15T08:30:00Z"),
    ),
    "gus:dollars": (("2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"),) * 2,
    "hal:cells": (("2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z"),) * 2,
}


def _meter(name, aggregation, value=None, **fields):
    given = {} if value is None else {"value": value}
    return {"id": name, "event_type": "api.call", "aggregation": aggregation} | given | fields


METERS = [
    _meter("calls", "count"),
    _meter("units", "sum", "units"),
    _meter("units_by_model", "sum", "units", group_by=["model"]),
    _meter(
        "units_by_place", "sum", "units", group_by=["region", "class"], filters={"region": {"exists": "true"}}
    ),
    _meter("calls_by_place", "count", group_by=["region"]),
    _meter("smallest", "min", "units"),
    _meter("largest", "max", "units"),
    _meter("mean", "avg", "seconds"),
    _meter("newest", "latest", "units"),
    _meter("users", "unique_count", "user"),
    _meter("p95", "percentile", "seconds", percentile="95"),
    _meter("p12_5", "percentile", "units", percentile="12.5"),
    _meter("seats", "sum", "seats", event_type="seat.changed", carries_over="true"),
    _meter("level", "time_weighted", "gigabytes", event_type="disk.resized", carries_over="true"),
    _meter("level_of_month", "time_weighted", "gigabytes", event_type="disk.resized"),
    _meter("limit", "latest", "seats", event_type="seat.changed", carries_over="true"),
    _meter("weighted", "sum", {"expression": "in_tokens + 4 * out_tokens", "defaults": {"out_tokens": "0"}}),
    _meter("product", "max", {"expression": "-(units - 0.5) * seconds"}),
    _meter(
        "mebibytes",
        "sum",
        "bytes",
        conversion={"divisor": "1048576", "rounding": {"mode": "up", "digits": "2"}},
        unit="MiB",
    ),
    _meter("minutes", "sum", "seconds", conversion={"factor": "0.0166"}, unit="minutes"),
    _meter("charged", "sum", "charge"),
    _meter("refunds", "sum", "refund"),
    _meter(
        "picked",
        "count",
        filters={
            "region": ["eu", "us"],
            "class": {"not": "cold"},
            "units": {"at_least": "2", "less_than": "90"},
            "any": [{"model": "large"}, {"user": ["u1", "u2"], "billable": "true"}],
            "not": [{"user": "u3"}],
        },
    ),
]
# Applied later: it reads a property of which nothing was asked when the events came.
LATE_METER = _meter("late", "sum", "note")

_TIERS = [
    {"up_to": "100", "unit_amount": "0.25", "flat_amount": "3"},
    {"up_to": "500.5", "unit_amount": "0.1333"},
    {"unit_amount": "0.007", "flat_amount": "1.005"},
]
_CELLS = [
    {"match": {"region": region, "class": kind}, "unit_amount": amount}
    for region, kind, amount in (("eu", "hot", "0.03"), ("eu", "cold", "0.0125"), ("us", "hot", "0.02"))
]
DOLLARS = [
    {"id": "fee", "model": "flat", "flat_amount": "19.995", "timing": "in_advance"},
    {"id": "fee_less", "model": "flat", "flat_amount": "10", "percent_off": "12.5", "amount_off": "0.755"},
    {"id": "per_call", "meter": "calls", "model": "per_unit", "unit_amount": "0.015"},
    {"id": "per_call_even", "meter": "calls", "model": "per_unit", "unit_amount": "0.015", "rounding": {"mode": "half_even"}},
    {"id": "per_call_up", "meter": "calls", "model": "per_unit", "unit_amount": "0.0151", "rounding": {"mode": "up", "digits": "3"}},
    {"id": "per_call_down", "meter": "calls", "model": "per_unit", "unit_amount": "0.0159", "rounding": {"mode": "down"}},
    {"id": "graduated", "meter": "units", "model": "graduated", "tiers": _TIERS},
    {"id": "graduated_groups", "meter": "units_by_model", "model": "graduated", "tiers": _TIERS, "rounding": {"scope": "tier", "mode": "half_even"}},
    {"id": "graduated_lower", "meter": "calls", "model": "graduated", "boundary": "lower_inclusive", "tiers": [{"up_to": "5", "unit_amount": "1"}, {"flat_amount": "2"}]},
    {"id": "graduated_blocks", "meter": "units", "model": "graduated", "block_size": "10", "block_rounding": "nearest", "block_scope": "tier", "tiers": [{"up_to": "95", "unit_amount": "1.5"}, {"unit_amount": "1.1"}]},
    {"id": "volume", "meter": "units", "model": "volume", "tiers": _TIERS},
    {"id": "volume_blocks", "meter": "largest", "model": "volume", "block_size": "25", "tiers": [{"up_to": "50", "unit_amount": "4"}, {"unit_amount": "3", "flat_amount": "0.5"}]},
    {"id": "package", "meter": "units", "model": "package", "package_size": "100", "package_amount": "2.5"},
    {"id": "package_down", "meter": "units", "model": "package", "package_size": "0.5", "package_amount": "0.004", "package_rounding": "down"},
    {"id": "package_nearest", "meter": "mebibytes", "model": "package", "package_size": "8", "package_amount": "1", "package_rounding": "nearest", "free_units": "3.5"},
    {"id": "percentage", "meter": "charged", "model": "percentage", "percent": "2.9"},
    {"id": "percentage_free", "meter": "charged", "model": "percentage", "percent": "2.9", "free_amount": "50"},
    {"id": "graduated_percentage", "meter": "charged", "model": "graduated_percentage", "tiers": [{"up_to": "75", "percent": "5"}, {"percent": "3.3", "flat_amount": "0.99"}]},
    {"id": "dynamic", "meter": "charged", "model": "dynamic", "multiplier": "1.175"},
    {"id": "matrix", "meter": "units_by_place", "model": "matrix", "dimensions": ["region", "class"], "cells": _CELLS, "default": "0.05"},
    {"id": "overage", "meter": "users", "model": "overage", "included_units": "2", "unit_amount": "7.5"},
    {"id": "stairstep", "meter": "largest", "model": "stairstep", "tiers": [{"up_to": "40", "flat_amount": "9"}, {"up_to": "80", "flat_amount": "49.5"}, {"flat_amount": "99"}]},
    {"id": "at_most", "meter": "units", "model": "per_unit", "unit_amount": "1", "percent_off": "10", "amount_off": "0.335", "maximum_amount": "150"},
    {"id": "at_least", "meter": "calls", "model": "per_unit", "unit_amount": "0.05", "minimum_amount": "4.445"},
]  # fmt: skip
AGGREGATES = [
    {"id": "smallest", "meter": "smallest", "model": "per_unit", "unit_amount": "100"},
    {"id": "mean", "meter": "mean", "model": "per_unit", "unit_amount": "1000"},
    {"id": "newest", "meter": "newest", "model": "per_unit", "unit_amount": "1"},
    {"id": "p95", "meter": "p95", "model": "per_unit", "unit_amount": "10"},
    {"id": "p12_5", "meter": "p12_5", "model": "per_unit", "unit_amount": "0.3"},
    {"id": "seats", "meter": "seats", "model": "per_unit", "unit_amount": "12"},
    {"id": "level", "meter": "level", "model": "per_unit", "unit_amount": "0.021"},
    {"id": "level_of_month", "meter": "level_of_month", "model": "per_unit", "unit_amount": "0.021"},
    {"id": "limit", "meter": "limit", "model": "per_unit", "unit_amount": "0.5"},
    {"id": "weighted", "meter": "weighted", "model": "per_unit", "unit_amount": "0.000015", "conversion": {"divisor": "3", "rounding": {"mode": "half_even", "digits": "4"}}},
    {"id": "product", "meter": "product", "model": "per_unit", "unit_amount": "0.01"},
    {"id": "minutes", "meter": "minutes", "model": "per_unit", "unit_amount": "0.6", "free_units": "0.25"},
    {"id": "refunds", "meter": "refunds", "model": "per_unit", "unit_amount": "1"},
    {"id": "calls_by_place", "meter": "calls_by_place", "model": "per_unit", "unit_amount": "0.25"},
    {"id": "picked", "meter": "picked", "model": "per_unit", "unit_amount": "0.5"},
    {"id": "mebibytes", "meter": "mebibytes", "model": "per_unit", "unit_amount": "0.05"},
]  # fmt: skip
YEN = [
    {"id": "fee", "model": "flat", "flat_amount": "980.5"},
    {"id": "per_call", "meter": "calls", "model": "per_unit", "unit_amount": "1.5", "rounding": {"mode": "half_even"}},
    {"id": "graduated", "meter": "units", "model": "graduated", "tiers": _TIERS},
    {"id": "calls_by_place", "meter": "calls_by_place", "model": "volume", "tiers": [{"up_to": "3", "unit_amount": "11.1"}, {"unit_amount": "9.9"}], "rounding": {"scope": "tier", "mode": "up"}},
    {"id": "overage", "meter": "weighted", "model": "overage", "included_units": "500", "unit_amount": "0.03", "rounding": {"mode": "down"}},
]  # fmt: skip
# Usage in `us` has no cell and no default: whoever is on this plan can't be rated.
CELLS_ONLY = [
    {
        "id": "matrix",
        "meter": "calls_by_place",
        "model": "matrix",
        "dimensions": ["region"],
        "cells": [{"match": {"region": "eu"}, "unit_amount": "1"}],
    }
]
CUSTOMERS = ("ada", "ben", "cleo", "dan", "eva", "fay", "gus", "hal", "ida")


def _plan(name, currency, prices):
    return {"id": name, "name": f"Paid in {name}", "currency": currency, "prices": prices}


SUBSCRIPTIONS = [
    {"customer": "ada", "plan": "dollars", "start": "2025-01-31"},
    {"customer": "ben", "plan": "dollars", "start": "2025-02-28"},
    {"customer": "cleo", "plan": "yen", "start": "2025-03-01"},
    {"customer": "dan", "plan": "aggregates", "start": "2025-03-15T08:30:00Z"},
    {"customer": "eva", "plan": "dollars", "start": "2025-01-10", "end": "2025-03-20"},
    {"customer": "fay", "plan": "dollars", "start": "2025-01-30"},
    {"customer": "fay", "plan": "yen", "start": "2025-02-14"},
    {"customer": "fay", "plan": "aggregates", "start": "2025-02-15T08:30:00Z"},
    {"customer": "gus", "plan": "dollars", "start": "2025-01-31"},
    {"customer": "hal", "plan": "cells", "start": "2025-01-01"},
    {"customer": "ida", "plan": "yen", "start": "2025-03-01"},
]


def first_document():
    """The catalog as it is when the events come."""
    return _written(
        {
            "meters": METERS,
            "plans": [
                _plan("dollars", "USD", DOLLARS),
                _plan("aggregates", "USD", AGGREGATES),
                _plan("yen", "JPY", YEN),
                _plan("cells", "USD", CELLS_ONLY),
            ],
            "customers": [
                {"id": name, "name": f"{name.title()} & Co.", "metadata": {"crm": str(100 + n), "land": "ø"}}
                for n, name in enumerate(CUSTOMERS)
            ],
            "subscriptions": SUBSCRIPTIONS,
        }
    )


def second_document():
    """What is applied after the events: a late meter with its price, and a dearer call, for all who have these plans."""
    prices = [{**price, "unit_amount": "0.025"} if price["id"] == "per_call" else price for price in DOLLARS]
    late = {"id": "late", "meter": "late", "model": "per_unit", "unit_amount": "0.01"}
    plans = [_plan("dollars", "USD", prices), _plan("aggregates", "USD", [*AGGREGATES, late])]
    changed = {plan["id"] for plan in plans}
    moved = [{**each, "plan_version": 2} for each in SUBSCRIPTIONS if each["plan"] in changed]
    return _written({"meters": [LATE_METER], "plans": plans, "subscriptions": moved})


def prices_of(revision):
    """(plan, price) -> (its meter or None, the fields of the price alone), by the catalog of that revision."""
    plans = {plan["id"]: plan for plan in json.loads(first_document())["plans"]}
    if revision > 1:
        plans |= {plan["id"]: plan for plan in json.loads(second_document())["plans"]}
    return {
        (plan["id"], price["id"]): (price.get("meter"), _price_alone(price, plan["currency"]))
        for plan in plans.values()
        for price in plan["prices"]
    }


def _price_alone(price, currency):
    fields = {name: value for name, value in price.items() if name not in ("id", "meter")}
    if "tiers" in price:
        fields["tiers"] = [{"up_to": None} | tier for tier in price["tiers"]]
    return fields | {"currency": currency}


def _written(document):
    return json.dumps(document, ensure_ascii=False, indent=1)


MISTAKEN = """
meters:
  - {id: bad id!, event_type: e, aggregation: median, value: v}
  - {id: counted, event_type: e, aggregation: count, value: v}
  - {id: unvalued, event_type: e, aggregation: sum}
  - {id: ranked, event_type: e, aggregation: percentile, value: v, percentile: 101}
  - {id: carried, event_type: e, aggregation: max, value: v, carries_over: true}
  - {id: divided, event_type: e, aggregation: sum, value: {expression: a / b}}
  - {id: filtered, event_type: e, aggregation: count, filters: {region: {nott: eu}, units: {at_least: many}}}
  - {id: impossible, event_type: e, aggregation: count, filters: {all: [{a: x}, {a: y}]}}
  - {id: twice, event_type: e, aggregation: count, group_by: [a, a], unitt: GB}
plans:
  - id: p
    name: ""
    currency: USX
    billing_period: week
    prices:
      - {id: a, meter: nowhere, model: per_unit, unit_amount: "-1"}
      - {id: b, meter: counted, model: flat, flat_amount: 1}
      - {id: c, meter: counted, model: graduated, tiers: [{up_to: 10, unit_amount: 1}, {up_to: 5, unit_amount: 1}]}
      - {id: c, meter: counted, model: volume, tiers: []}
      - {id: d, meter: counted, model: package, package_amount: 1}
      - {id: e, meter: counted, model: percentage, percent: 2, fixed_amount_per_event: 1}
      - {id: f, meter: counted, model: capacity, tiers: [{flat_amount: 1}]}
      - {id: g, meter: counted, model: matrix, dimensions: [region], cells: []}
      - {id: h, meter: counted, model: per_unit, unit_amount: 1, rounding: {mode: nearest, digits: 40}}
      - {id: i, meter: counted, model: overage, unit_amount: 1, percent_off: 120}
      - {id: j, model: surge, unit_amount: 1.0e400}
      - {id: k, meter: counted, model: per_unit, unit_amount: 1, conversion: {factor: 2, divisor: 3}}
customers:
  - {id: z, name: 5, metadata: {a: [1]}}
  - {name: Nobody}
subscriptions:
  - {customer: zz, plan: p, start: 2025-02-30}
  - {customer: z, plan: pp, start: 2025-02-01, end: 2025-01-01}
colour: blue
"""
