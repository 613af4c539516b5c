"""Random prices, on purpose full of edges: what the oracle and the core are both asked to rate.

Rules:
1. A seed decides everything; nothing here reads the clock or global randomness.
2. A price is fields as a catalog would have them: decimals are strings.
3. A batch has a reach. `narrow`: numbers that fit 64 bits with room. `edge`: the digits of a quantity and of a
   price together number 17 to 20, so that products lie around the largest 64-bit integer. `wide`: quantities of
   up to 26 integer and 12 fractional digits, prices of up to 18 fractional digits.
4. Every option that a model takes is left out about as often as it is given.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from random import Random
from typing import Any, NamedTuple

Fields = dict[str, Any]

EXACT = Context(prec=200)
CURRENCIES = ("USD", "USD", "EUR", "JPY", "KRW", "KWD", "CLF", "UYW")
ROUNDING_MODES = ("half_up", "half_even", "up", "down")
WHOLE_MODES = ("up", "down", "nearest")
REACHES = ("narrow", "edge", "wide")
REGIONS = ("eu", "us", "ap")
CLASSES = ("hot", "cold")


class Reach(NamedTuple):
    """The most digits before and behind the point, of quantities and of prices."""

    quantity_digits: int
    quantity_decimals: int
    price_digits: int
    price_decimals: int


def reach_of(name: str, dice: Random) -> Reach:
    """The digits of one batch."""
    if name == "narrow":
        return Reach(6, dice.choice((0, 0, 2, 3)), 3, 4)
    if name == "wide":
        return Reach(26, 12, 8, dice.choice((12, 12, 18)))
    quantity_digits, quantity_decimals, price_digits = (
        dice.randint(5, 12),
        dice.randint(0, 3),
        dice.randint(1, 3),
    )
    left = dice.randint(17, 20) - quantity_digits - quantity_decimals - price_digits
    return Reach(quantity_digits, quantity_decimals, price_digits, min(12, max(0, left)))


def number(dice: Random, digits: int, decimals: int) -> Decimal:
    """A random decimal, not negative, of any length up to the given digits."""
    scale = dice.randint(0, decimals)
    return Decimal(dice.randrange(10 ** (dice.randint(1, digits) + scale))).scaleb(-scale, EXACT)


def positive(dice: Random, digits: int, decimals: int) -> Decimal:
    """As `number`, and never zero."""
    return number(dice, digits, decimals) or Decimal(1)


def text(value: Decimal) -> str:
    """A decimal as a catalog has it, without an exponent."""
    return format(value, "f")


def amount(dice: Random, reach: Reach) -> str:
    """An amount of money; often one that makes ties of the rounding likely."""
    if dice.random() < 0.4:
        return dice.choice(("0", "0.005", "0.5", "0.05", "0.0005", "1", "2.5", "0.000005", "0.1"))
    return text(number(dice, reach.price_digits, reach.price_decimals))


def units(dice: Random, reach: Reach) -> Decimal:
    """A positive number of units, for bounds, packages and allowances."""
    decimals = 0 if dice.random() < 0.6 else reach.quantity_decimals
    return positive(dice, max(1, reach.quantity_digits - 1), decimals)


def bounds(dice: Random, reach: Reach) -> list[str | None]:
    """Where tiers end: rising, and the last one open."""
    ends = sorted({units(dice, reach) for _ in range(dice.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 7, 40)))})
    return [*map(text, ends), None]


# --- the fields that each model needs of its own ---------------------------------------------------------


def flat(dice: Random, reach: Reach) -> Fields:
    """One amount."""
    return {"flat_amount": amount(dice, reach)} | maybe(
        dice, timing=dice.choice(("in_advance", "in_arrears"))
    )


def per_unit(dice: Random, reach: Reach) -> Fields:
    """One amount a unit."""
    return {"unit_amount": amount(dice, reach)}


def overage(dice: Random, reach: Reach) -> Fields:
    """Included units, then one amount a unit."""
    return {"unit_amount": amount(dice, reach), "included_units": text(units(dice, reach))}


def dynamic(dice: Random, reach: Reach) -> Fields:
    """A mark-up on amounts."""
    return {"multiplier": amount(dice, reach)}


def package(dice: Random, reach: Reach) -> Fields:
    """An amount for a whole package."""
    size = (
        text(units(dice, reach))
        if dice.random() < 0.5
        else dice.choice(("1", "10", "100", "0.5", "1000", "3"))
    )
    rounding = maybe(dice, package_rounding=dice.choice(WHOLE_MODES))
    return {"package_size": size, "package_amount": amount(dice, reach)} | rounding


def tiered(dice: Random, reach: Reach) -> Fields:
    """Tiers of unit and flat amounts, sometimes in blocks."""
    blocks: Fields = {}
    ends = bounds(dice, reach)
    if dice.random() < 0.3:
        size = Decimal(dice.choice(("1", "10", "100", "3", "0.5", "1000")))
        blocks = {"block_size": text(size)} | maybe(dice, block_rounding=dice.choice(WHOLE_MODES))
        if dice.random() < 0.5:
            blocks["block_scope"] = "tier"
        else:
            blocks |= maybe(dice, block_scope="total")
            whole = sorted({EXACT.multiply(Decimal(dice.randint(1, 10**6)), size) for _ in ends[:-1]})
            ends = [*map(text, whole), None]
    return {"tiers": [tier(dice, reach, end) for end in ends]} | blocks


def tier(dice: Random, reach: Reach, end: str | None) -> Fields:
    """One tier with a unit amount, a flat amount or both."""
    kind = dice.random()
    own = {"unit_amount": amount(dice, reach)} if kind < 0.8 else {}
    own |= {"flat_amount": amount(dice, reach)} if kind > 0.5 else {}
    return {"up_to": end} | own


def graduated_percentage(dice: Random, reach: Reach) -> Fields:
    """Tiers of percentages, sometimes with flat amounts."""
    percents = [{"up_to": end, "percent": percent(dice)} for end in bounds(dice, reach)]
    return {"tiers": [one | maybe(dice, flat_amount=amount(dice, reach)) for one in percents]}


def stairstep(dice: Random, reach: Reach) -> Fields:
    """Tiers of flat amounts only."""
    return {"tiers": [{"up_to": end, "flat_amount": amount(dice, reach)} for end in bounds(dice, reach)]}


def capacity(dice: Random, reach: Reach) -> Fields:
    """Tiers of flat amounts with a bound for each of some units."""
    names = ("users", "gb", "projects")[: dice.randint(1, 3)]
    count = dice.randint(0, 4)
    ends = [sorted({units(dice, reach) + step for step in range(count)}) for _ in names]
    lowest = min(map(len, ends))
    tiers = [
        {
            "up_to": {name: text(end[step]) for name, end in zip(names, ends, strict=True)},
            "flat_amount": amount(dice, reach),
        }
        for step in range(lowest)
    ]
    return {"tiers": [*tiers, {"up_to": dict.fromkeys(names), "flat_amount": amount(dice, reach)}]}


def percentage(dice: Random, reach: Reach) -> Fields:
    """A share of each event's amount."""
    free_amount = number(dice, 4, 2) if dice.random() < 0.8 else units(dice, reach)
    fees = maybe(dice, fixed_amount_per_event=amount(dice, reach), free_amount=text(free_amount))
    fees |= maybe(dice, free_events=str(dice.randint(0, 5)))
    low, high = sorted((number(dice, 2, 3), number(dice, 3, 3)))
    fees |= maybe(dice, minimum_per_event=text(low))
    return {"percent": percent(dice)} | fees | maybe(dice, maximum_per_event=text(high))


def matrix(dice: Random, reach: Reach) -> Fields:
    """An amount a unit by one or two dimensions, or tiers, complete or with a default."""
    if dice.random() < 0.4:
        combinations: list[Fields] = [{"region": region} for region in REGIONS]
    else:
        combinations = [{"region": region, "class": kind} for region in REGIONS for kind in CLASSES]
    dimensions = list(combinations[0])
    tiers = dice.choice((0.0, 0.3, 1.0))
    default = maybe(dice, default=cell_terms(dice, reach, tiers))
    if default:
        combinations = dice.sample(combinations, dice.randint(1, len(combinations)))
        default = {"default": default["default"].get("unit_amount", default["default"])}
    cells = [{"match": match} | cell_terms(dice, reach, tiers) for match in combinations]
    return {"dimensions": dimensions, "cells": cells} | default


def cell_terms(dice: Random, reach: Reach, tiers: float) -> Fields:
    """An amount a unit, or with the given probability tiers of either model."""
    if dice.random() >= tiers:
        return {"unit_amount": amount(dice, reach)}
    own = [tier(dice, reach, end) for end in bounds(dice, reach)]
    return {"model": dice.choice(("graduated", "volume")), "tiers": own}


MODELS: dict[str, Callable[[Random, Reach], Fields]] = {
    "flat": flat,
    "per_unit": per_unit,
    "graduated": tiered,
    "volume": tiered,
    "package": package,
    "percentage": percentage,
    "graduated_percentage": graduated_percentage,
    "dynamic": dynamic,
    "matrix": matrix,
    "overage": overage,
    "stairstep": stairstep,
    "capacity": capacity,
}
PER_EVENT = ("fixed_amount_per_event", "free_events", "minimum_per_event", "maximum_per_event")


def random_price(dice: Random, reach: Reach, model: str | None = None) -> Fields:
    """The fields of a valid price of the given or of any model."""
    model = model or dice.choice(list(MODELS))
    own = MODELS[model](dice, reach)
    return (
        {"currency": dice.choice(CURRENCIES), "model": model}
        | own
        | any_model(dice, reach)
        | by_quantity(dice, reach, model, own)
    )


def any_model(dice: Random, reach: Reach) -> Fields:
    """Discounts, limits, boundary and rounding, which every model takes."""
    low, high = sorted((number(dice, 3, 2), number(dice, reach.quantity_digits, 2)))
    return (
        maybe(dice, boundary=dice.choice(("upper_inclusive", "lower_inclusive")))
        | maybe(dice, 0.25, percent_off=percent(dice))
        | maybe(dice, 0.25, amount_off=text(number(dice, 3, 3)))
        | maybe(dice, 0.2, maximum_amount=text(high))
        | maybe(dice, 0.2, minimum_amount=text(low))
        | maybe(dice, 0.6, rounding=random_rounding(dice))
    )


def random_rounding(dice: Random) -> Fields:
    """A rounding rule with any of its parts."""
    scope = dice.choice(("line", "tier"))
    parts = maybe(dice, 0.7, mode=dice.choice(ROUNDING_MODES)) | maybe(dice, scope=scope)
    return parts | maybe(dice, 0.2, digits=str(dice.randint(0, 6)))


def by_quantity(dice: Random, reach: Reach, model: str, own: Fields) -> Fields:
    """Conversion and allowance, where the model counts one quantity."""
    if model == "capacity" or any(name in own for name in PER_EVENT):
        return {}
    result = maybe(dice, 0.25, conversion=conversion(dice))
    if model != "overage" and "free_amount" not in own:
        result |= maybe(dice, 0.3, free_units=text(units(dice, reach)))
    return result


def conversion(dice: Random) -> Fields:
    """From the meter's unit to the price's."""
    rounding = {
        "rounding": {"mode": dice.choice(ROUNDING_MODES), "digits": str(dice.choice((0, 0, 1, 3, 6)))}
    }
    if dice.random() < 0.5:
        return {"divisor": dice.choice(("1000", "1024", "3600", "60", "3", "0.7"))} | rounding
    factor = {"factor": dice.choice(("0.001", "1000", "0.0009765625", "8", "2.54"))}
    return factor if dice.random() < 0.5 else factor | rounding


def percent(dice: Random) -> str:
    """A percentage up to a hundred."""
    if dice.random() < 0.5:
        return dice.choice(("0", "1", "10", "50", "100", "33.3", "2.9", "12.5"))
    return text(number(dice, 2, 4))


def maybe(dice: Random, likely: float = 0.5, **fields: Any) -> Fields:
    """Each of the fields with the given probability."""
    return {name: value for name, value in fields.items() if dice.random() < likely}
