"""What a price makes of a quantity: one charge at a time, in fractions. Pure.

It is the second opinion on the kernels, and shares nothing with them but the definition of a price.

Rules, in their order:
1. A negative quantity counts as zero. The price's conversion, then its allowance, which ends at nothing left.
2. The model prices the rest in parts, at most one a tier. graduated: units inside each tier, flat amounts of tiers that are
   entered; the first always is. volume, stairstep: the one tier that has the whole quantity, also at zero.
3. Rounding scope `tier`: each part and each flat amount is rounded.
4. Percent off, amount off (never below zero), maximum, minimum.
5. What has a part of its quantity behind (a running counter), or depends on single events, is not judged: `NotJudgedError` says
   why.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from rating import Boundary, Conversion, Model, Price, Scope, Tier

_HUNDRED: Final = Fraction(100)
_NOTHING: Final = Fraction(0)


class NotJudgedError(ValueError):
    """This arithmetic doesn't cover the price: the message says what."""


class TierPart(NamedTuple):
    """What one tier prices: a quantity at an amount, and an amount once."""

    quantity: Fraction
    unit_amount: Fraction
    flat_amount: Fraction


def exact_amount(price: Price, metered: Fraction, dimensions: Mapping[str, str]) -> Fraction:
    """What is due for a quantity in the meter's unit, before it is rounded.

    Raises:
        NotJudgedError: the price has terms that aren't covered.
    """
    if price.needs_events:
        raise NotJudgedError("terms per event")
    quantity = max(_NOTHING, converted(price.conversion, max(_NOTHING, metered)) - _allowance(price))
    amount = sum((_priced(price, part) for part in _parts(price, quantity, dimensions)), _NOTHING)
    if price.percent_off is not None:
        amount -= amount * Fraction(price.percent_off) / _HUNDRED
    if price.amount_off is not None and amount > 0:
        amount = max(_NOTHING, amount - Fraction(price.amount_off))
    if price.maximum_amount is not None:
        amount = min(amount, Fraction(price.maximum_amount))
    if price.minimum_amount is not None:
        amount = max(amount, Fraction(price.minimum_amount))
    return amount


def rounded(value: Fraction, digits: int, mode: str) -> Fraction:
    """At so many fractional digits; half_up is half away from zero."""
    scaled = abs(value) * 10**digits
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest
    up = {
        "half_up": twice >= scaled.denominator,
        "half_even": twice > scaled.denominator or (twice == scaled.denominator and whole % 2 == 1),
        "up": rest > 0,
        "down": False,
    }[mode]
    found = Fraction(whole + up, 10**digits)
    return -found if value < 0 else found


def converted(by: Conversion | None, quantity: Fraction) -> Fraction:
    """A quantity in another unit, rounded as the conversion says."""
    if by is None:
        return quantity
    if by.factor is not None:
        quantity *= Fraction(by.factor)
    elif by.divisor is not None:
        quantity /= Fraction(by.divisor)
    return quantity if by.digits is None else rounded(quantity, by.digits, str(by.mode))


def _allowance(price: Price) -> Fraction:
    return Fraction(price.included_units or price.free_units or price.free_amount or 0)


def _priced(price: Price, part: TierPart) -> Fraction:
    usage, once = part.quantity * part.unit_amount, part.flat_amount
    if price.rounding.scope is Scope.TIER:
        mode = str(price.rounding.mode)
        usage, once = (rounded(each, price.digits, mode) for each in (usage, once))
    return usage + once


def _parts(price: Price, quantity: Fraction, dimensions: Mapping[str, str]) -> Iterator[TierPart]:
    model = price.model
    if model is Model.FLAT:
        yield TierPart(quantity, _NOTHING, Fraction(price.flat_amount or 0))
    elif model in (Model.PER_UNIT, Model.OVERAGE):
        yield TierPart(quantity, Fraction(price.unit_amount or 0), _NOTHING)
    elif model is Model.DYNAMIC:
        yield TierPart(quantity, Fraction(price.multiplier if price.multiplier is not None else 1), _NOTHING)
    elif model is Model.PERCENTAGE:
        yield TierPart(quantity, Fraction(price.percent or 0) / _HUNDRED, _NOTHING)
    elif model is Model.PACKAGE:
        count = _whole(quantity / Fraction(price.package_size or 1), price.package_rounding)
        yield TierPart(count, Fraction(price.package_amount or 0), _NOTHING)
    elif model in (Model.GRADUATED, Model.GRADUATED_PERCENTAGE):
        yield from _graduated(price, price.tiers or (), quantity)
    elif model in (Model.VOLUME, Model.STAIRSTEP):
        yield _volume(price, price.tiers or (), quantity)
    elif model is Model.MATRIX:
        yield from _cell(price, quantity, dimensions)
    else:
        raise NotJudgedError(f"the model {model}")


def _cell(price: Price, quantity: Fraction, dimensions: Mapping[str, str]) -> Iterator[TierPart]:
    wanted = {name: dimensions.get(name) for name in price.dimensions or ()}
    found = next((cell for cell in price.cells or () if dict(cell.match) == wanted), price.default)
    if found is None:
        raise NotJudgedError("usage without a cell of its matrix")
    if isinstance(found, Decimal):
        yield TierPart(quantity, Fraction(found), _NOTHING)
    elif not found.tiers:
        yield TierPart(quantity, Fraction(found.unit_amount or 0), _NOTHING)
    elif found.model is Model.VOLUME:
        yield _volume(price, found.tiers, quantity)
    else:
        yield from _graduated(price, found.tiers, quantity)


def _graduated(price: Price, tiers: tuple[Tier, ...], quantity: Fraction) -> Iterator[TierPart]:
    quantity, start = _in_blocks(price, quantity), _NOTHING
    includes_start = price.boundary is Boundary.LOWER_INCLUSIVE
    for number, tier in enumerate(tiers):
        end = _bound(tier)
        if number == 0 or quantity > start or (includes_start and quantity == start):
            inside = (quantity if end is None else min(quantity, end)) - start
            yield TierPart(_counted(price, inside), _unit(tier), Fraction(tier.flat_amount or 0))
        if end is None:
            return
        start = end


def _volume(price: Price, tiers: tuple[Tier, ...], quantity: Fraction) -> TierPart:
    quantity = _in_blocks(price, quantity)
    lower = price.boundary is Boundary.LOWER_INCLUSIVE
    for tier in tiers:
        end = _bound(tier)
        if end is None or quantity < end or (not lower and quantity == end):
            return TierPart(_counted(price, quantity), _unit(tier), Fraction(tier.flat_amount or 0))
    raise NotJudgedError("a schedule without an open tier")


def _bound(tier: Tier) -> Fraction | None:
    if tier.up_to is None:
        return None
    if not isinstance(tier.up_to, Decimal):
        raise NotJudgedError("bounds by several units")
    return Fraction(tier.up_to)


def _unit(tier: Tier) -> Fraction:
    if tier.percent is not None:
        return Fraction(tier.percent) / _HUNDRED
    return Fraction(tier.unit_amount or 0)


def _in_blocks(price: Price, quantity: Fraction) -> Fraction:
    """The units that whole blocks hold, where the total is what becomes whole."""
    if price.block_size is None or str(price.block_scope) == "tier":
        return quantity
    size = Fraction(price.block_size)
    return _whole(quantity / size, price.block_rounding) * size


def _counted(price: Price, inside: Fraction) -> Fraction:
    if price.block_size is None:
        return inside
    blocks = inside / Fraction(price.block_size)
    return _whole(blocks, price.block_rounding) if str(price.block_scope) == "tier" else blocks


_WHOLE: Final[Mapping[str, Callable[[Fraction], Fraction]]] = {
    "up": lambda count: rounded(count, 0, "up"),
    "down": lambda count: rounded(count, 0, "down"),
    "nearest": lambda count: rounded(count, 0, "half_up"),
}


def _whole(count: Fraction, how: object) -> Fraction:
    return _WHOLE[str(how) if how is not None else "up"](count)
