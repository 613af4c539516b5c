"""Random charges for a price, half of them chosen to hurt, as fields with decimals as strings.

Edges: zero, where a tier, package, block or allowance ends, the smallest unit to either side of it, the largest
quantity of the reach, a negative correction; parts of a period with something booked, or prorated; counters already running.
"""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Context, Decimal, Inexact
from random import Random
from typing import NamedTuple

from tests.support.rating.oracle_random import (
    CLASSES,
    EXACT,
    MODELS,
    PER_EVENT,
    REACHES,
    REGIONS,
    Fields,
    Reach,
    number,
    random_price,
    reach_of,
    text,
)

MINOR_UNITS = {"USD": 2, "EUR": 2, "JPY": 0, "KRW": 0, "KWD": 3, "CLF": 4, "UYW": 4}
ON_A_COUNTER = ("graduated", "volume", "stairstep", "graduated_percentage", "package", "per_unit", "matrix")
FINITE = Context(prec=60, traps=[Inexact])
SMALLEST = Decimal("1E-12")
LARGEST = Decimal(10) ** 26 - SMALLEST


class Batch(NamedTuple):
    """Prices and charges of one seed; `charges[i]` is rated under `prices[index[i]]`."""

    seed: str
    prices: list[Fields]
    index: list[int]
    charges: list[Fields]


def random_batch(seed: str, size: int, prices_max: int | None = None, model: str | None = None) -> Batch:
    """A batch that the seed alone decides: one reach, some prices (of the model, if one is named), `size` charges in random order."""
    dice = Random(seed)
    reach = reach_of(dice.choice(REACHES), dice)
    model = model or dice.choice((None, None, None, "graduated", "volume", *MODELS))
    charges_per_price = dice.choice((5, 20, 100))
    count = max(1, size // charges_per_price) if prices_max is None else prices_max
    prices = [random_price(dice, reach, model) for _ in range(count)]
    parts, counters = dice.random() < 0.5, dice.random() < 0.3
    carries = not counters and dice.random() < 0.4
    prorates = dice.random() < 0.3
    index = [dice.randrange(len(prices)) for _ in range(size)]
    edges = [list(edge_quantities(price)) for price in prices]
    charges = [
        random_charge(dice, reach, prices[i], edges[i], parts=parts, counters=counters, carries=carries)
        | ({"proration": random_part(dice)} if prorates and dice.random() < 0.7 else {})
        for i in index
    ]
    return Batch(seed, prices, index, charges)


def random_charge(
    dice: Random,
    reach: Reach,
    price: Fields,
    edges: list[Decimal],
    *,
    parts: bool,
    counters: bool,
    carries: bool,
) -> Fields:
    """One charge with what its price needs to know."""
    charge: Fields = {"quantity": text(random_quantity(dice, reach, edges))}
    if any(name in price for name in PER_EVENT):
        amounts = random_events(dice, reach, price)
        charge = {"quantity": text(sum(amounts, Decimal(0))), "events": [text(amount) for amount in amounts]}
    if price["model"] == "matrix":
        charge["dimensions"] = random_dimensions(dice, price)
    if price["model"] == "capacity":
        units = price["tiers"][-1]["up_to"]
        charge["quantities"] = {unit: text(random_quantity(dice, reach, edges)) for unit in units}
    if parts:
        charge["final"] = dice.random() < 0.5
        if dice.random() < 0.7:
            digits = int(price.get("rounding", {}).get("digits", MINOR_UNITS[price["currency"]]))
            charge["booked"] = text(Decimal(dice.randint(-(10**6), 10**7)).scaleb(-digits))
    if counters and price["model"] in ON_A_COUNTER:
        before = Decimal(0) if dice.random() < 0.3 else abs(random_quantity(dice, reach, edges))
        charge["consumed_before"] = text(before)
        charge["counter_started"] = before > 0 or dice.random() < 0.5
    if carries and price["model"] != "capacity" and not any(name in price for name in PER_EVENT):
        charge["carried"] = text(
            Decimal(0) if dice.random() < 0.3 else abs(random_quantity(dice, reach, edges))
        )
    return charge


def random_part(dice: Random) -> tuple[int, int, int]:
    """(start, end, total) of a period by days or seconds: all of it at times, or nothing, or what ends in a tie."""
    total = dice.choice((1, 2, 3, 7, 12, 30, 31, 604_800, 2_678_400, 31_622_400))
    start, end = sorted(dice.choice((0, total, dice.randint(0, total), total // 3)) for _ in range(2))
    return start, end, total


def random_quantity(dice: Random, reach: Reach, edges: list[Decimal]) -> Decimal:
    """A quantity of the batch's reach, as often as not at an edge."""
    kind = dice.random()
    if kind < 0.05:
        return Decimal(0)
    if kind < 0.08:
        return -number(dice, reach.quantity_digits, reach.quantity_decimals)
    if kind < 0.10:
        largest = Decimal(10) ** reach.quantity_digits - Decimal(1).scaleb(-reach.quantity_decimals)
        return EXACT.minus(largest) if dice.random() < 0.2 else largest
    if kind < 0.5 and edges:
        edge = dice.choice(edges)
        smallest = Decimal(1).scaleb(-reach.quantity_decimals)
        beside = EXACT.add(edge, dice.choice((Decimal(0), Decimal(0), smallest, -smallest)))
        return beside if beside <= LARGEST else edge
    return number(dice, reach.quantity_digits, reach.quantity_decimals)


def edge_quantities(price: Fields) -> Iterator[Decimal]:
    """Where something changes: tiers, packages, blocks and allowances end, in the meter's unit."""
    allowance = Decimal(price.get("free_units", price.get("included_units", 0)))
    ends = [Decimal(0)]
    cells = [*price.get("cells", ()), price.get("default", {})]
    of_cells = [tier for cell in cells if "tiers" in cell for tier in cell["tiers"]]
    for tier in [*price.get("tiers", []), *of_cells]:
        end = tier["up_to"]
        ends += map(Decimal, filter(None, end.values() if isinstance(end, dict) else [end]))
    for size in (price.get("package_size"), price.get("block_size")):
        ends += [Decimal(size) * times for times in (1, 2, 7, Decimal("0.5"))] if size else []
    conversion = price.get("conversion", {})
    for end in ends:
        for edge in (end, EXACT.add(end, allowance)):
            try:
                meter = FINITE.divide(edge, Decimal(conversion.get("factor", 1)))
                meter = FINITE.multiply(meter, Decimal(conversion.get("divisor", 1)))
            except Inexact:
                meter = edge
            if meter <= LARGEST:
                yield meter.quantize(SMALLEST, ROUND_DOWN, EXACT).normalize(EXACT)


def random_events(dice: Random, reach: Reach, price: Fields) -> list[Decimal]:
    """Amounts of a few events; some meet the free amount exactly, some add up to more than 64 bits."""
    digits, decimals = (
        (4, 2) if dice.random() < 0.7 else (min(24, reach.quantity_digits), reach.quantity_decimals)
    )
    amounts = [number(dice, digits, decimals) for _ in range(dice.choice((0, 1, 2, 3, 4, 6, 10)))]
    if dice.random() < 0.05:
        amounts = [Decimal(dice.randrange(10**18, 9 * 10**18)).scaleb(-2, EXACT) for _ in amounts]
    if amounts and dice.random() < 0.1:
        amounts[dice.randrange(len(amounts))] = Decimal(0)
    if amounts and dice.random() < 0.03:
        amounts[dice.randrange(len(amounts))] *= -1
    if "free_amount" in price and dice.random() < 0.3:
        free, first = Decimal(price["free_amount"]), number(dice, 2, 2)
        amounts = [first, free - first, *amounts] if first < free else [free, *amounts]
    return amounts


def random_dimensions(dice: Random, price: Fields) -> Fields:
    """Values for the price's dimensions: of a cell, or of none where there is a default."""
    if "default" in price and dice.random() < 0.3:
        values = {"region": (*REGIONS, "moon"), "class": (*CLASSES, "lukewarm")}
        return {name: dice.choice(values[name]) for name in price["dimensions"]}
    return dice.choice(price["cells"])["match"]
