"""A slow, obvious rating of one charge at a time: it judges the rating core, so it owes the core nothing.

Written from the design's section on prices and from the conformance cases, never from the kernels.

Rules, in the order in which they are applied:
1. A negative quantity counts as zero and is reported.
2. Unit conversion: quantity x factor or / divisor, rounded by the conversion's own rule if it has one.
3. Allowance: `free_units` (for overage `included_units`) come off, down to nothing left.
4. The model prices the quantity as parts (`oracle_models`).
5. Under rounding scope `tier`, each part's amount and each flat amount is rounded here.
6. Discounts: percent_off of the sum, then amount_off; a discount never turns a charge negative.
7. Maximum, then minimum; the minimum only in the last part of a period.
8. The line is rounded once; then what is booked already comes off, so that parts add up to the whole.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from oracle_models import HUNDRED, MODELS, Fields
from oracle_numbers import ZERO, rounded

WORDS = {
    "currency",
    "model",
    "mode",
    "scope",
    "boundary",
    "package_rounding",
    "timing",
    "dimensions",
    "match",
}


class Line(NamedTuple):
    """A rated charge.

    `tiers` are (index, quantity, unit amount, flat amount, amount with the flat amount), `stages` are
    (name, exact amount after it); `exact_amount` is before the rounding of the line and before what is booked.
    """

    billable_quantity: Fraction
    tiers: list[tuple[int, Fraction, Fraction, Fraction, Fraction]]
    stages: list[tuple[str, Fraction]]
    exact_amount: Fraction
    amount: Fraction
    negative: bool


def exactly(value: Any, name: str = "") -> Any:
    """Fields as written (decimals as strings) with every number a Fraction."""
    if name in WORDS or value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {key: exactly(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exactly(item, name) for item in value]
    return Fraction(value)


def rate_one(price: Fields, charge: Fields, digits: int) -> Line:
    """Rates one charge; `digits` are the minor units of the price's currency, the fields went through `exactly`."""
    rounding = price.get("rounding", {})
    mode = rounding.get("mode", "half_up")
    digits = int(rounding.get("digits", digits))
    raw = charge.get("quantity", ZERO)
    free_units = price.get("free_units") or price.get("included_units")
    quantity = allowed(converted(max(ZERO, raw), price.get("conversion")), free_units)

    tiers = []
    for part in MODELS[price["model"]](price, quantity, charge):
        usage, once = part.quantity * part.unit_amount, part.flat_amount
        if rounding.get("scope") == "tier":
            usage, once = rounded(usage, digits, mode), rounded(once, digits, mode)
        tiers.append((*part, usage + once))
    amount = sum((tier[-1] for tier in tiers), ZERO)

    stages = [("price", amount)]
    for name, stage in STAGES:
        value = price.get(name)
        if value is None or (name == "minimum_amount" and not charge.get("final", True)):
            continue
        amount = stage(amount, value)
        stages.append((name, amount))
    due = rounded(amount, digits, mode) - charge.get("booked", ZERO)
    return Line(quantity, tiers, stages, amount, due, raw < 0)


def converted(quantity: Fraction, conversion: Fields | None) -> Fraction:
    """The quantity in the unit that the price is written in."""
    if conversion is None:
        return quantity
    quantity = quantity * conversion["factor"] if "factor" in conversion else quantity / conversion["divisor"]
    rule = conversion.get("rounding")
    return quantity if rule is None else rounded(quantity, int(rule["digits"]), rule["mode"])


def allowed(quantity: Fraction, free_units: Fraction | None) -> Fraction:
    """What is left of the quantity after the allowance."""
    return quantity if free_units is None else max(ZERO, quantity - free_units)


def percent_off(amount: Fraction, percent: Fraction) -> Fraction:
    """The amount less a share of itself."""
    return amount - amount * percent / HUNDRED


def amount_off(amount: Fraction, off: Fraction) -> Fraction:
    """The amount less a fixed one, never below zero."""
    return max(ZERO, amount - off)


STAGES = (
    ("percent_off", percent_off),
    ("amount_off", amount_off),
    ("maximum_amount", min),
    ("minimum_amount", max),
)
