"""What the trace must cost, recomputed the slow and obvious way.

Nothing here comes from Meterline: the rows of the CSV, the text of llm.yaml, and plain fractions. It knows the
models that llm.yaml uses, and stops at any other.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from examples.llm_trace import TraceRequest

# customer, price, and the value of the meter's one group_by property ("" without one).
LineKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """What one line must say. `amount`: the line's share of its price's amount, which is rounded to cents once."""

    quantity: Fraction
    amount: Fraction


def read_catalog(path: Path) -> Mapping[str, Any]:
    """The catalog with every number still the text that was written."""
    catalog: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return catalog


def expected_lines(
    catalog: Mapping[str, Any], requests: Iterable[TraceRequest]
) -> dict[LineKey, ExpectedLine]:
    """Every line of the month, for every customer of the catalog."""
    meters = {meter["id"]: meter for meter in catalog["meters"]}
    plans = {plan["id"]: plan for plan in catalog["plans"]}
    quantities = _quantities(meters, requests)
    lines: dict[LineKey, ExpectedLine] = {}
    for subscription in catalog["subscriptions"]:
        customer = subscription["customer"]
        for price in plans[subscription["plan"]]["prices"]:
            groups = quantities.get((customer, price.get("meter", "")), {}) or {"": Fraction(0)}
            in_order = sorted(groups.items())
            shares = _shared_cents([_amount(price, quantity) for _, quantity in in_order])
            for (group, quantity), amount in zip(in_order, shares, strict=True):
                lines[customer, price["id"], group] = ExpectedLine(quantity, amount)
    return lines


def _quantities(
    meters: Mapping[str, Any], requests: Iterable[TraceRequest]
) -> Mapping[tuple[str, str], Mapping[str, Fraction]]:
    known = {"count", "sum"}
    if unknown := {meter["aggregation"] for meter in meters.values()} - known:
        raise ValueError(f"recompute.py does not know the aggregations {sorted(unknown)}")
    totals: dict[tuple[str, str], dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for request in requests:
        properties = {
            "model": request.model,
            "input_tokens": request.input_tokens,
            "output_tokens": request.output_tokens,
        }
        for meter in meters.values():
            if any(
                properties[name] not in ([accepted] if isinstance(accepted, str) else accepted)
                for name, accepted in meter.get("filters", {}).items()
            ):
                continue
            group = str(properties[meter["group_by"][0]]) if meter.get("group_by") else ""
            adds = 1 if meter["aggregation"] == "count" else properties[meter["value"]]
            totals[request.customer_id, meter["id"]][group] += Fraction(adds)
    return totals


def _amount(price: Mapping[str, Any], quantity: Fraction) -> Fraction:
    known = {
        "flat": {"flat_amount", "timing"},
        "per_unit": {"unit_amount"},
        "graduated": {"tiers"},
        "package": {"package_size", "package_amount"},
    }
    unknown = set(price) - known[price["model"]] - {"id", "meter", "model"}
    if unknown:
        raise ValueError(f"recompute.py does not know the fields {sorted(unknown)} of price {price['id']}")
    match price["model"]:
        case "flat":
            return Fraction(price["flat_amount"])
        case "per_unit":
            return quantity * Fraction(price["unit_amount"])
        case "package":
            return math.ceil(quantity / Fraction(price["package_size"])) * Fraction(price["package_amount"])
    return _graduated(price["tiers"], quantity)


def _graduated(tiers: Sequence[Mapping[str, str]], quantity: Fraction) -> Fraction:
    """Units inside each tier at its price; a tier's flat amount once it is entered, the first tier's always."""
    amount, lower = Fraction(0), Fraction(0)
    for index, tier in enumerate(tiers):
        if index > 0 and quantity <= lower:
            break
        # The last tier has no end: the key is left out, or null.
        up_to = tier.get("up_to", "null")
        upper = quantity if up_to in ("null", "~", "") else min(quantity, Fraction(up_to))
        amount += (upper - lower) * Fraction(tier.get("unit_amount", 0)) + Fraction(
            tier.get("flat_amount", 0)
        )
        lower = upper
    return amount


def _shared_cents(amounts: Sequence[Fraction]) -> list[Fraction]:
    """The groups of one price: their sum rounded once, half away from zero; amounts here are never negative. Each has
    its whole cents, and those with the largest remainders, the first of equal ones, a cent more until they add up.
    """
    total = math.floor(sum(amounts, Fraction(0)) * 100 + Fraction(1, 2))
    cents = [math.floor(amount * 100) for amount in amounts]
    by_remainder = sorted(range(len(amounts)), key=lambda place: cents[place] - amounts[place] * 100)
    for place in by_remainder[: total - sum(cents)]:
        cents[place] += 1
    return [Fraction(each, 100) for each in cents]
