"""The golden lines are right, not only kept: periods worked out by hand, quantities and amounts by the oracles."""

import itertools
import json
import math
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from rating import Model
from tests.golden.catalog import (
    FIRST_INSTANT,
    LATE_METER,
    METERS,
    PERIODS,
    SECOND_INSTANT,
    prices_of,
)
from tests.golden.events import model_events, texts_of
from tests.golden.record import FILES
from tests.support.charge_oracle import shares_by_oracle
from tests.support.rating.oracle import exactly, rate_one
from tests.support.rating.oracle_models import NoCellError
from tests.support.rating.oracle_numbers import rounded
from tests.support.usage.usage_oracle import usage_by_oracle

_MINOR_UNITS = {"USD": 2, "JPY": 0}
_METERS = {meter["id"]: meter for meter in [*METERS, LATE_METER]}
_DELIVERIES = [
    {
        "tenant": "t",
        "event_id": event["event_id"],
        "event_type": event["event_type"],
        "customer": event["customer_id"],
        "time_us": int(datetime.fromisoformat(event["event_time"]).timestamp() * 1_000_000),
        "properties": texts_of(event),
        "ingested_us": 1,
    }
    for event in model_events()
]
# The file, the catalog revision and the instant of its lines.
_LISTINGS = (("first_revision", 1, FIRST_INSTANT), ("lines", 2, SECOND_INSTANT))


def _lines(name):
    text = (FILES / "models" / f"{name}.txt").read_text(encoding="utf-8")
    lines = [
        line.removeprefix("line_items: ") for line in text.splitlines() if line.startswith("line_items: ")
    ]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(("name", "revision", "instant"), _LISTINGS)
def test_every_golden_line_has_the_amount_that_the_rating_oracle_says(name, revision, instant):
    """Exact, rounded, and after every stage; of its own quantity and dimensions. A line that its price says nothing
    about has no amount: hal's two regions without a cell.
    """
    prices = prices_of(revision)
    lines = _lines(name)
    flagged = [line for line in lines if line["unrateable_reason"]]
    assert [(line["customer_id"], line["dimensions"]["region"]) for line in flagged] == [
        ("hal", "ap"),
        ("hal", "us"),
    ]
    for line in flagged:
        assert not any(line[field] for field in ("amount", "exact_amount", "formula", "tiers", "stages"))
        with pytest.raises(NoCellError):
            _rated(prices, line)
    for line in lines:
        if line["unrateable_reason"]:
            continue
        expected = _rated(prices, line)
        assert Fraction(line["exact_amount"]) == expected.exact_amount, line
        stages = [(each["stage"], Fraction(each["amount"])) for each in line["stages"]]
        assert stages == expected.stages, line
        assert line["negative_quantity"] == expected.negative, line
    amounts = [Fraction(line["amount"]) for line in lines if not line["unrateable_reason"]]
    assert amounts == list(_amounts(prices, lines))
    assert len(lines) > 100


def test_corrected_lines_have_the_amounts_of_their_quantities():
    """What a correction did to a quantity, the price did to the amount."""
    prices, lines = prices_of(2), _lines("lines_corrected")
    assert [Fraction(line["amount"]) for line in lines] == list(_amounts(prices, lines))
    assert {line["customer_id"] for line in lines} == {"ada", "cleo", "ida"}


@pytest.mark.parametrize(("name", "revision", "instant"), _LISTINGS)
def test_every_golden_line_has_the_quantity_that_the_usage_oracle_says(name, revision, instant):
    """Of the events that were recorded, with the event counts; and no group of usage is without its line."""
    found = {}
    for line in _lines(name):
        if line["meter_id"]:
            meter = _METERS[line["meter_id"]]
            dimensions = tuple(line["dimensions"].get(name) for name in meter.get("group_by", []))
            counts = int(line["event_count"]), int(line["unreadable_event_count"]), line["event_digest"]
            key = line["subscription_id"], line["price_id"], dimensions
            found[key] = Fraction(line["quantity"]), *counts
    assert found == dict(_expected_usage(revision, instant))


@pytest.mark.parametrize(("name", "revision", "instant"), _LISTINGS)
def test_every_golden_line_is_of_the_period_worked_out_by_hand(name, revision, instant):
    """31 January to 28 February to 31 March, and one that ended."""
    place = (FIRST_INSTANT, SECOND_INSTANT).index(instant)
    found = {line["subscription_id"]: (line["period_start"], line["period_end"]) for line in _lines(name)}
    assert found == {name: periods[place] for name, periods in PERIODS.items() if periods[place]}


def test_the_golden_lines_have_every_model_that_can_be_metered():
    """All but capacity, which needs the quantities of several units; and every meter."""
    lines = [line for name, *_ in _LISTINGS for line in _lines(name)]
    assert {line["model"] for line in lines} == set(Model) - {Model.CAPACITY}
    assert {line["meter_id"] for line in lines} - {""} == set(_METERS)


def test_an_oracle_that_is_asked_about_another_amount_says_so():
    """The check can fail: a cent more is seen."""
    line = next(line for line in _lines("lines") if line["price_id"] == "graduated")
    assert Decimal(line["amount"]) + Decimal("0.01") != _rated(prices_of(2), line).amount


def _amounts(prices, lines):
    """Of each line that its price can rate; the groups of a charge stand beside each other, and are rounded together."""
    rateable = [line for line in lines if not line["unrateable_reason"]]
    for _, group in itertools.groupby(rateable, key=lambda line: (line["subscription_id"], line["price_id"])):
        charge = list(group)
        rated = [_rated(prices, line) for line in charge]
        rounding = charge[0]["rounding"]
        together = [len(charge) if len(charge) > 1 else 0] * len(charge)
        assert [line["rounding"]["group_count"] for line in charge] == together
        if len(charge) == 1:
            yield rated[0].amount
            continue
        exact = [each.owed for each in rated]
        total = rounded(sum(exact), rounding["digits"], rounding["mode"])
        assert {Fraction(line["rounding"]["charge_amount"]) for line in charge} == {total}
        of_parts = any(each.owed != each.exact_amount for each in rated)
        shown = rounded(sum(exact), 12, "half_up") if of_parts else sum(exact)
        assert {Fraction(line["rounding"]["charge_exact_amount"]) for line in charge} == {shown}
        for units in shares_by_oracle(exact, total, rounding["digits"]):
            yield units / 10 ** rounding["digits"]


_PRORATED = (
    *("flat_amount", "amount_off", "maximum_amount", "minimum_amount"),
    *("included_units", "free_units", "free_amount", "up_to"),
)


def _in_part(fields, part):
    """A price of usage that sums up, for a part of its period, as the contract says it: each end of the part rounded."""
    start, end, total = (int(part[name]) for name in ("start", "end", "total"))

    def of(value):
        ends = [Fraction(value) * each / total * 10**12 for each in (start, end)]
        return sum(
            sign * (Fraction(each) if at == total else math.floor(each + Fraction(1, 2)))
            for sign, each, at in zip((-1, 1), ends, (start, end), strict=True)
        ) / Fraction(10**12)

    found = {
        name: of(value) if name in _PRORATED and value is not None else value
        for name, value in fields.items()
    }
    whole_blocks = "block_size" in fields and fields.get("block_scope") != "tier"
    if "tiers" in fields:
        found["tiers"] = [
            _in_part(tier, part) | ({"up_to": tier["up_to"]} if whole_blocks else {})
            for tier in fields["tiers"]
        ]
    return found


def _rated(prices, line):
    meter_id, price = prices[line["plan_id"], line["price_id"]]
    charge = {"quantity": line["quantity"] if line["meter_id"] else "0", "dimensions": line["dimensions"]}
    if part := line.get("proration"):
        meter = _METERS.get(meter_id, {"aggregation": "none"})
        if meter["aggregation"] in ("count", "sum") and meter.get("carries_over") != "true":
            price = _in_part(price, part)
        else:
            # Of a fee, and of a level, which is measured anew in each part, the whole is rated, and the part taken of it.
            charge["proration"] = [part[name] for name in ("start", "end", "total")]
    return rate_one(exactly(price), exactly(charge), _MINOR_UNITS[price["currency"]])


def _expected_usage(revision, instant):
    place = (FIRST_INSTANT, SECOND_INSTANT).index(instant)
    charges = itertools.product(PERIODS, prices_of(revision).items())
    for subscription, ((plan, price), (meter_id, fields)) in charges:
        customer, _, subscribed = subscription.partition(":")
        period = PERIODS[subscription][place]
        meter = _METERS.get(meter_id)
        if plan != subscribed or period is None or meter is None:
            continue
        start_us, end_us = (int(datetime.fromisoformat(each).timestamp()) * 1_000_000 for each in period)
        usage = usage_by_oracle(
            _DELIVERIES, meter, tenant="t", customers={customer}, period_us=(start_us, end_us), as_of_us=1
        )
        for (_, dimensions), counted in usage.items():
            yield (subscription, price, dimensions), counted
        # Without usage a price has one line, of no group; a matrix, whose cells need one, has none.
        if not usage and fields["model"] != "matrix":
            nothing = (None,) * len(meter.get("group_by", []))
            yield (subscription, price, nothing), (Fraction(0), 0, 0, "0" * 32)
