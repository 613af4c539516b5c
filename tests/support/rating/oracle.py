"""A slow, obvious rating of one charge at a time: it judges the rating core, so it owes the core nothing.

Written from the design's section on prices and from the conformance cases, never from the kernels.

Rules, in the order in which they are applied:
1. A negative quantity counts as zero and is reported.
2. Unit conversion: quantity x factor or / divisor, rounded by the conversion's own rule if it has one.
3. Allowance: `free_units` (for overage `included_units`) come off, down to nothing left; so does the `free_amount`
   of a percentage price that has no terms per event.
4. The model prices the quantity as parts (`oracle_models`).
5. Under rounding scope `tier`, each part's amount and each flat amount is rounded here. Where a counter runs on
   another clock than the invoice, the price is that of all it has counted less that of what it had counted.
6. Discounts: percent_off of the sum, then amount_off; a discount never turns a charge negative.
7. Maximum, then minimum; the minimum only in the last part of a period.
8. What earlier parts of the period consumed (`carried`) fills allowance and tiers first. Each unit of this part costs
   what it costs in the place where it comes to lie; amounts that are due at no usage are due as well. Where one tier has
   the whole quantity, this part's units have the amounts of the tier that the whole has reached.
9. Of a part [start, end) of `total` of its period (`proration`) the line owes that fraction of the whole. It shows the amount up
   to its end less the amount up to its start, each rounded half up to 12 digits.
10. The line is rounded once, exactly; then what is booked already comes off, so that parts add up to the whole.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from tests.support.rating.oracle_models import HUNDRED, MODELS, Fields, cell_of
from tests.support.rating.oracle_numbers import ZERO, rounded

WORDS = {
    *("currency", "model", "timing", "boundary", "mode", "scope", "dimensions", "match"),
    *("package_rounding", "block_rounding", "block_scope"),
}


SHOWN_DIGITS = 12


class Tier(NamedTuple):
    """What one tier adds to a line; flat amount and amount (with the flat one) rounded where tiers are."""

    index: int
    quantity: Fraction
    unit_amount: Fraction
    flat_amount: Fraction
    amount: Fraction


class Line(NamedTuple):
    """A rated charge.

    `stages` are (name, exact amount after it); `exact_amount` is before the rounding of the line and before what is booked;
    of a part, both are as they are shown, and `owed` is the fraction that is rounded.
    """

    billable_quantity: Fraction
    tiers: list[Tier]
    stages: list[tuple[str, Fraction]]
    exact_amount: Fraction
    owed: Fraction
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

    def billable(units: Fraction) -> Fraction:
        return allowed(converted(max(ZERO, units), price.get("conversion")), allowance(price, charge))

    carried = charge.get("carried", ZERO)
    quantity = billable(carried + max(ZERO, raw)) - billable(carried)

    def priced(counted: Fraction, under: Fields = price) -> list[Tier]:
        tiers = []
        for part in MODELS[under["model"]](under, counted, charge):
            usage, once = part.quantity * part.unit_amount, part.flat_amount
            if rounding.get("scope") == "tier":
                usage, once = rounded(usage, digits, mode), rounded(once, digits, mode)
            tiers.append(Tier(part.index, part.quantity, part.unit_amount, once, usage + once))
        return tiers

    before = charge.get("consumed_before", ZERO)
    tiers = priced(before + quantity)
    if charge.get("counter_started", before > 0):
        tiers = beyond(tiers, priced(before))
    if carried:
        filled = billable(carried)
        tiers = behind_carried(price, charge, priced(filled + quantity), filled, priced)
    amount = sum((tier.amount for tier in tiers), ZERO)

    stages = [("price", amount)]
    for name, stage in STAGES:
        value = price.get(name)
        if value is None or (name == "minimum_amount" and not charge.get("final", True)):
            continue
        amount = stage(amount, value)
        stages.append((name, amount))
    owed = amount
    start, end, total = charge.get("proration", (0, 1, 1))
    if end - start < total:
        owed = amount * (end - start) / total
        amount = shown_until(amount, end, total) - shown_until(amount, start, total)
        stages.append(("proration", amount))
    due = rounded(owed, digits, mode) - charge.get("booked", ZERO)
    negative = raw < 0 or any(amount < 0 for amount in charge.get("events", ()))
    return Line(quantity, tiers, stages, amount, owed, due, negative)


def shown_until(amount: Fraction, end: Fraction, total: Fraction) -> Fraction:
    """What a line shows of an amount up to an end; at the end of the whole it is all of it."""
    return amount if end == total else rounded(amount * end / total, SHOWN_DIGITS, "half_up")


def behind_carried(
    price: Fields,
    charge: Fields,
    now: list[Tier],
    filled: Fraction,
    priced: Callable[[Fraction, Fields], list[Tier]],
) -> list[Tier]:
    """Of the tiers of all that is counted so far what this part adds, tier by tier."""
    own, before = cell_of(price, charge) if price["model"] == "matrix" else (price, 0)
    if len(now) == 1 and "tiers" in own and not own["model"].startswith("graduated"):
        # All at one tier: as if there were no other one.
        (tier,) = now
        alone = {**own, "tiers": [{**own["tiers"][tier.index - before], "up_to": None}]}
        (earlier,) = priced(filled, alone)
        earlier = earlier._replace(index=tier.index)
    else:
        earlier, *later = priced(filled, price)
        now = [now[0], *beyond(now[1:], later)]
    usage = now[0].amount - earlier.amount + earlier.flat_amount
    first = now[0]._replace(quantity=now[0].quantity - earlier.quantity, amount=usage)
    return [first, *now[1:]]


def beyond(now: list[Tier], before: list[Tier]) -> list[Tier]:
    """What a running counter owes now, tier by tier: all it has counted less what it had counted before."""
    earlier = {tier.index: tier for tier in before}
    result = []
    for tier in now:
        was = earlier.pop(tier.index, None)
        if was is None:
            result.append(tier)
        else:
            (_, quantity, _, flat_amount, amount) = was
            left = (
                tier.quantity - quantity,
                tier.unit_amount,
                tier.flat_amount - flat_amount,
                tier.amount - amount,
            )
            result.append(Tier(tier.index, *left))
    gone = [
        tier._replace(quantity=-tier.quantity, flat_amount=-tier.flat_amount) for tier in earlier.values()
    ]
    return result + [tier._replace(amount=-tier.amount) for tier in gone]


def converted(quantity: Fraction, conversion: Fields | None) -> Fraction:
    """The quantity in the unit that the price is written in."""
    if conversion is None:
        return quantity
    quantity = quantity * conversion["factor"] if "factor" in conversion else quantity / conversion["divisor"]
    rule = conversion.get("rounding")
    return quantity if rule is None else rounded(quantity, int(rule["digits"]), rule["mode"])


def allowance(price: Fields, charge: Fields) -> Fraction:
    """What comes off the quantity: included units; for percentages rated as one sum, the free amount."""
    free_amount = price.get("free_amount") if "events" not in charge else None
    return price.get("free_units") or price.get("included_units") or free_amount or ZERO


def allowed(quantity: Fraction, allowance: Fraction) -> Fraction:
    """What is left of the quantity after the allowance."""
    return max(ZERO, quantity - allowance)


def percent_off(amount: Fraction, percent: Fraction) -> Fraction:
    """The amount less a share of itself."""
    return amount - amount * percent / HUNDRED


def amount_off(amount: Fraction, off: Fraction) -> Fraction:
    """The amount less a fixed one; a discount never turns a charge into a credit, and leaves a credit alone."""
    return max(ZERO, amount - off) if amount > 0 else amount


STAGES = (
    ("percent_off", percent_off),
    ("amount_off", amount_off),
    ("maximum_amount", min),
    ("minimum_amount", max),
)
