"""The charges that a line is made of, each at one unit price: what FOCUS has a row for. Pure.

A line of a graduated price is a charge a tier, and one for a tier's flat amount; what an allowance gives is one at nothing.

Rules:
1. ListCost is PricingQuantity x ListUnitPrice, exactly, before anything is rounded: so a unit price of 0.0004 stays one.
2. The line's discount is shared out over its charges by ListCost, and what is billed of the line by ContractedCost, in minor units, by
   the largest remainder: the charges have together, to the cent, what the line has.
3. ContractedUnitPrice is ContractedCost / PricingQuantity where that has an end, and else null.
4. A line whose tiers can't be told (InvoiceLine.tiers), one that is converted and has several, or blocks of which it can't be said what
   was consumed in which tier, is one charge without a unit price.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import MAX_PREC, Context, Decimal
from fractions import Fraction
from typing import Final

from meterline.v1.billing_pb2 import TierAmount
from meterline.v1.invoices_pb2 import InvoiceLine

EXACT: Final = Context(prec=MAX_PREC)
"""Sums and products of decimals are exact."""
UNITS: Final = "Units"
"""Of a meter that says no unit, and of what is charged once."""
WHOLE: Final = "charge"
"""The key of a charge that is all of its line."""
_UNIT_PRICE_DIGITS_MAX: Final = 20
_TIERED: Final = frozenset({"graduated", "volume", "stairstep", "graduated_percentage", "matrix"})
"""Of whose tiers, or cells, each has a unit price of its own."""
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPriceCharge:
    """key: which of its line's it is. consumed: in the meter's unit; None of what is not usage. unit_price: None where there is no
    single one. tier_up_to: None of the last tier, and of what has none.
    """

    key: str
    is_usage: bool
    consumed: Decimal | None
    pricing_quantity: Decimal | None
    pricing_unit: str
    unit_price: Decimal | None
    list_cost: Decimal
    contracted_cost: Decimal = _NOTHING
    contracted_unit_price: Decimal | None = None
    billed_cost: Decimal = _NOTHING
    tier_up_to: Decimal | None = None


def charges_of(line: InvoiceLine, unit: str) -> list[UnitPriceCharge]:
    """In the order of the tiers. `unit`: of the line's meter."""
    found = _by_tier(line, unit) or [_whole(line, unit)]
    # Amounts have all the digits of their currency.
    digits = len(line.amount.partition(".")[2])
    discounts = _shared_out(Decimal(line.discount), [each.list_cost for each in found], digits)
    contracted = [
        EXACT.subtract(each.list_cost, discount) for each, discount in zip(found, discounts, strict=True)
    ]
    of_line = EXACT.subtract(Decimal(line.amount), Decimal(line.discount))
    billed = _shared_out(
        EXACT.subtract(of_line, Decimal(line.included_tax)),
        [max(each, _NOTHING) for each in contracted],
        digits,
    )
    return [
        replace(
            each,
            contracted_cost=cost,
            contracted_unit_price=_contracted_unit_price(each, cost),
            billed_cost=share,
        )
        for each, cost, share in zip(found, contracted, billed, strict=True)
    ]


def _whole(line: InvoiceLine, unit: str) -> UnitPriceCharge:
    """A flat amount, what a commitment adds, or a quantity without a unit price; a line that corrects is a difference."""
    is_usage = bool(line.meter_id)
    is_once = not is_usage and not line.is_adjustment
    cost = Decimal(line.amount if line.is_adjustment else line.exact_amount or line.amount)
    quantity = Decimal(line.billable_quantity or line.quantity or 0) if is_usage else None
    return UnitPriceCharge(
        key=WHOLE,
        is_usage=is_usage,
        consumed=Decimal(line.quantity or 0) if is_usage else None,
        pricing_quantity=_ONE if is_once else quantity,
        pricing_unit=unit if is_usage else UNITS,
        unit_price=cost if is_once and cost >= 0 else None,
        list_cost=cost,
    )


def _by_tier(line: InvoiceLine, unit: str) -> list[UnitPriceCharge]:
    """None where rule 4 says so."""
    used = [each for each in line.tiers if Decimal(each.quantity)] or list(line.tiers[:1])
    consumed = _consumed(line, used)
    if consumed is None:
        return []
    found = []
    if line.allowance:
        free = consumed.pop(0)
        found.append(_allowance(free, unit))
    size = line.package_size or line.block_size
    of_tier = f"{size} {unit}" if size else UNITS if line.HasField("conversion") else unit
    for tier in line.tiers:
        if tier in used:
            found.append(_of_units(line, tier, consumed.pop(0), of_tier))
        if Decimal(tier.flat_amount):
            found.append(_of_flat_amount(line, tier))
    # What is nothing at all is left out, but not all of it.
    return [each for each in found if each.pricing_quantity] or found[-1:]


def _consumed(line: InvoiceLine, used: Sequence[TierAmount]) -> list[Decimal] | None:
    """What the meter counted: where there is an allowance what that gives, and in each tier. None where that can't be told."""
    if not used or (line.HasField("conversion") and (len(used) > 1 or line.allowance)):
        return None
    left = Decimal(line.quantity or 0)
    found = [min(left, Decimal(line.allowance))] if line.allowance else []
    size = Decimal(line.package_size or line.block_size or 1)
    start = _NOTHING
    for each in used[:-1]:
        counted, end = EXACT.multiply(Decimal(each.quantity), size), Decimal(each.up_to or 0)
        if size != 1 and counted != EXACT.subtract(end, start):
            return None
        found.append(counted)
        start = end
    for known in found:
        left = EXACT.subtract(left, known)
    return None if left < 0 else [*found, left]


def _allowance(free: Decimal, unit: str) -> UnitPriceCharge:
    return UnitPriceCharge(
        key="allowance",
        is_usage=True,
        consumed=free,
        pricing_quantity=free,
        pricing_unit=unit,
        unit_price=_NOTHING,
        list_cost=_NOTHING,
    )


def _of_units(line: InvoiceLine, tier: TierAmount, consumed: Decimal, unit: str) -> UnitPriceCharge:
    quantity, unit_price = Decimal(tier.quantity), Decimal(tier.unit_amount)
    is_usage = bool(line.meter_id)
    return UnitPriceCharge(
        key=_key(line, tier),
        is_usage=is_usage,
        consumed=consumed if is_usage else None,
        pricing_quantity=quantity,
        pricing_unit=unit,
        unit_price=unit_price,
        list_cost=EXACT.multiply(quantity, unit_price),
        tier_up_to=Decimal(tier.up_to) if tier.up_to else None,
    )


def _of_flat_amount(line: InvoiceLine, tier: TierAmount) -> UnitPriceCharge:
    amount = Decimal(tier.flat_amount)
    return UnitPriceCharge(
        key=f"{_key(line, tier)}-flat",
        is_usage=False,
        consumed=None,
        pricing_quantity=_ONE,
        pricing_unit=UNITS,
        unit_price=amount,
        list_cost=amount,
        tier_up_to=Decimal(tier.up_to) if tier.up_to else None,
    )


def _key(line: InvoiceLine, tier: TierAmount) -> str:
    return f"tier-{tier.index + 1}" if line.model in _TIERED else WHOLE


def _contracted_unit_price(charge: UnitPriceCharge, cost: Decimal) -> Decimal | None:
    """Rule 3."""
    if charge.unit_price is None or cost == charge.list_cost:
        return charge.unit_price
    if not charge.pricing_quantity or cost < 0:
        return None
    exact = Fraction(cost) / Fraction(charge.pricing_quantity)
    scaled = exact * 10**_UNIT_PRICE_DIGITS_MAX
    if scaled.denominator != 1:
        return None
    return Decimal(scaled.numerator).scaleb(-_UNIT_PRICE_DIGITS_MAX, EXACT).normalize(EXACT)


def _shared_out(total: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """Shares of whole minor units by the largest remainder, ties to the first. Without a weight above 0 all is the first one's."""
    whole = sum(map(Fraction, weights))
    if len(weights) == 1 or not whole:
        return [total, *[_zero(digits)] * (len(weights) - 1)]
    minor = int(total.scaleb(digits, EXACT))
    exact = [minor * Fraction(each) / whole for each in weights]
    shares = [each.numerator // each.denominator for each in exact]
    by_remainder = sorted(range(len(weights)), key=lambda place: shares[place] - exact[place])
    for place in by_remainder[: minor - sum(shares)]:
        shares[place] += 1
    return [Decimal(each).scaleb(-digits, EXACT) for each in shares]


def _zero(digits: int) -> Decimal:
    return _NOTHING.scaleb(-digits, EXACT)
