"""The yardstick: one charge after the other with decimal.Decimal, written as one would without a rating core."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from itertools import pairwise
from time import process_time
from typing import Any

from bench.rating_cases import Case

ZERO, ONE, CENT, HUNDRED = Decimal(0), Decimal(1), Decimal("0.01"), Decimal(100)
Tiers = list[tuple[Decimal, Decimal | None, Decimal, Decimal]]
Breakdown = list[tuple[int, Decimal, Decimal]]


def time_loop(case: Case, sample: int, *, with_tiers: bool) -> tuple[float, list[Decimal]]:
    """(seconds, amounts) of the first `sample` charges; what is parsed and converted beforehand isn't timed."""
    parsed = [_parsed(fields) for fields in case.fields]
    prices = [parsed[place] for place in case.charges.price_index[:sample].tolist()]
    quantities = [Decimal(value) for value in case.columns["quantity"][:sample].tolist()]
    extras = _extras(case, sample)
    kept: list[Breakdown] = []
    start = process_time()
    amounts = []
    for price, quantity, extra in zip(prices, quantities, extras, strict=True):
        tiers: Breakdown | None = [] if with_tiers else None
        amounts.append(_rate_one(price, quantity, extra, tiers))
        if tiers is not None:
            kept.append(tiers)
    return process_time() - start, amounts


def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
    price: dict[str, Any] = {"scope": "line"}
    for name, value in fields.items():
        if name == "tiers":
            price["tiers"] = _tiers(value)
        elif name == "cells":
            price["cells"] = {tuple(cell["match"].values()): _cell(cell) for cell in value}
        elif name == "conversion":
            price["factor"] = Decimal(value["factor"])
        elif name == "rounding":
            price["scope"] = value["scope"]
        elif name in ("currency", "model", "dimensions"):
            price[name] = value
        else:
            price[name] = Decimal(value)
    if fields["model"] == "capacity":
        price["bounds"] = [
            {unit: Decimal(most) for unit, most in (tier["up_to"] or {}).items()} for tier in fields["tiers"]
        ]
    return price


def _cell(fields: dict[str, Any]) -> dict[str, Any]:
    if "tiers" in fields:
        return {"model": fields["model"], "scope": "line", "tiers": _tiers(fields["tiers"])}
    return {"model": "per_unit", "unit_amount": Decimal(fields["unit_amount"])}


def _tiers(fields: Sequence[dict[str, Any]]) -> Tiers:
    tiers: Tiers = []
    low = ZERO
    for tier in fields:
        end = tier["up_to"]
        up_to = None if end is None or isinstance(end, dict) else Decimal(end)
        unit = Decimal(tier["percent"]) / 100 if "percent" in tier else Decimal(tier.get("unit_amount", 0))
        tiers.append((low, up_to, unit, Decimal(tier.get("flat_amount", 0))))
        low = up_to or ZERO
    return tiers


def _extras(case: Case, sample: int) -> list[Any]:
    """What a charge of a matrix, capacity or percentage price has besides its quantity."""
    columns = case.columns
    if case.name.startswith("matrix"):
        named = [column.values for column in case.charges.dimensions.values()]
        codes = zip(columns["region"][:sample].tolist(), columns["size"][:sample].tolist(), strict=True)
        return [(named[0][region], named[1][size]) for region, size in codes]
    if case.name == "capacity":
        pairs = zip(columns["seats"][:sample].tolist(), columns["storage"][:sample].tolist(), strict=True)
        return [{"seats": Decimal(seats), "storage": Decimal(storage)} for seats, storage in pairs]
    if case.name == "percentage by event":
        offsets = columns["offsets"][: sample + 1].tolist()
        events = [Decimal(amount) for amount in columns["events"][: offsets[-1]].tolist()]
        return [events[start:end] for start, end in pairwise(offsets)]
    return [None] * sample


def _rate_one(price: dict[str, Any], quantity: Decimal, extra: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    if "factor" in price:
        quantity = (quantity * price["factor"]).quantize(ONE, ROUND_CEILING)
    if "free_units" in price:
        quantity = max(ZERO, quantity - price["free_units"])
    amount = _PRICED[price["model"]](price, quantity, extra, tiers)
    if "percent_off" in price:
        amount -= amount * price["percent_off"] / HUNDRED
    if "amount_off" in price:
        amount = max(ZERO, amount - price["amount_off"])
    if "maximum_amount" in price:
        amount = min(amount, price["maximum_amount"])
    if "minimum_amount" in price:
        amount = max(amount, price["minimum_amount"])
    return amount.quantize(CENT, ROUND_HALF_UP)


def _single(quantity: Decimal, amount: Decimal, tiers: Breakdown | None) -> Decimal:
    if tiers is not None:
        tiers.append((0, quantity, amount))
    return amount


def _graduated(price: dict[str, Any], quantity: Decimal, _extra: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    total = ZERO
    by_tier = price["scope"] == "tier"
    for index, (low, up_to, unit, flat) in enumerate(price["tiers"]):
        if index and quantity <= low:
            break
        inside = (quantity if up_to is None or quantity < up_to else up_to) - low
        amount = inside * unit
        if by_tier:
            amount = amount.quantize(CENT, ROUND_HALF_UP)
        total += amount + flat
        if tiers is not None:
            tiers.append((index, inside, amount + flat))
    return total


def _volume(price: dict[str, Any], quantity: Decimal, _extra: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    for index, (_, up_to, unit, flat) in enumerate(price["tiers"]):
        if up_to is None or quantity <= up_to:
            if tiers is not None:
                tiers.append((index, quantity, quantity * unit + flat))
            return quantity * unit + flat
    raise ValueError("the last tier is not open")


def _package(price: dict[str, Any], quantity: Decimal, _extra: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    packages = (quantity / price["package_size"]).to_integral_value(ROUND_CEILING)
    return _single(packages, packages * price["package_amount"], tiers)


def _overage(price: dict[str, Any], quantity: Decimal, _extra: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    beyond = max(ZERO, quantity - price["included_units"])
    return _single(beyond, beyond * price["unit_amount"], tiers)


def _percentage(price: dict[str, Any], quantity: Decimal, events: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    if events is None:
        beyond = max(ZERO, quantity - price["free_amount"])
        return _single(beyond, beyond * price["percent"] / HUNDRED, tiers)
    total = ZERO
    for place, amount in enumerate(events):
        if place >= price["free_events"]:
            fee = amount * price["percent"] / HUNDRED + price["fixed_amount_per_event"]
            total += max(price["minimum_per_event"], min(price["maximum_per_event"], fee))
    return _single(quantity, total, tiers)


def _capacity(price: dict[str, Any], _quantity: Decimal, units: Any, tiers: Breakdown | None) -> Decimal:  # noqa: ANN401
    reached = 0
    for unit, quantity in units.items():
        for index, bounds in enumerate(price["bounds"]):
            if unit not in bounds or quantity <= bounds[unit]:
                reached = max(reached, index)
                break
    return _single(ZERO, price["tiers"][reached][3], tiers)


def _in_cell(cell: dict[str, Any], quantity: Decimal, tiers: Breakdown | None) -> Decimal:
    return _PRICED[cell["model"]](cell, quantity, None, tiers)


_PRICED = {
    "flat": lambda price, quantity, _, tiers: _single(quantity, price["flat_amount"], tiers),
    "per_unit": lambda price, quantity, _, tiers: _single(quantity, quantity * price["unit_amount"], tiers),
    "dynamic": lambda price, quantity, _, tiers: _single(quantity, quantity * price["multiplier"], tiers),
    "matrix": lambda price, quantity, cell, tiers: _in_cell(price["cells"][cell], quantity, tiers),
    "graduated": _graduated,
    "graduated_percentage": _graduated,
    "volume": _volume,
    "stairstep": _volume,
    "package": _package,
    "overage": _overage,
    "percentage": _percentage,
    "capacity": _capacity,
}
