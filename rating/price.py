"""Prices as frozen values. A price that breaks a rule can't be constructed, not even directly."""

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from rating.checks import find_problems, minor_unit_digits
from rating.decimals import fraction_digits
from rating.problems import PriceError, Problem, Unchecked
from rating.rounding import RoundingMode
from rating.schema import PER_EVENT, BlockScope, Boundary, Model, Scope, Timing, Whole


@dataclass(frozen=True, kw_only=True)
class Tier:
    """One step of a schedule; it covers (up_to of the tier before, up_to].

    Attributes:
        up_to: the last quantity of the tier; None: no end. A capacity price names one bound for each of its
            units instead, as pairs (unit, bound or None).
        unit_amount: amount of one unit, or of one block where the price has a block size.
        flat_amount: charged once, in full, when the tier is entered (graduated) or applies (volume).
        percent: share of the quantity, for graduated_percentage.
    """

    up_to: Decimal | tuple[tuple[str, Decimal | None], ...] | None = None
    unit_amount: Decimal | None = None
    flat_amount: Decimal | None = None
    percent: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The unit amount of a matrix price for one combination of dimension values, as pairs (name, value)."""

    match: tuple[tuple[str, str], ...]
    unit_amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The price's unit from the meter's: quantity x factor, or quantity / divisor, then rounded if asked.

    A divisor needs a rounding, because a quotient may have no end.
    """

    factor: Decimal | None = None
    divisor: Decimal | None = None
    mode: RoundingMode | None = None
    digits: int | None = None

    def to_fields(self) -> dict[str, Any]:
        """The canonical mapping, as in `Price.to_fields`; `read_conversion` reads it."""
        return {name: _written(value) for name, value in values_of(self).items()}


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How amounts become money. `digits` None: the minor unit of the currency by ISO 4217."""

    mode: RoundingMode = RoundingMode.HALF_UP
    scope: Scope = Scope.LINE
    digits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Price:
    """What usage costs. Fields that the model doesn't take are None; `schema.MODELS` tells which it takes.

    Amounts are in units of the currency (dollars, not cents), quantities in the meter's unit or, after a
    conversion, in the price's unit. Numbers are never negative.

    Attributes:
        currency: ISO 4217 code; its minor unit gives the digits of a line.
        model: how a quantity becomes an amount.
        unit_amount: of one unit; of an overage price, of one unit beyond included_units.
        flat_amount: whatever the usage; `timing` tells whether it is due in advance or in arrears (billing reads it).
        tiers: the schedule, rising, the last tier open.
        boundary: whether a quantity equal to `up_to` is still in the tier (default) or in the next.
        block_size: unit_amounts are per block of so many units; `block_rounding` makes blocks whole (default up),
            on the total before the tiers (`block_scope` total, default) or inside each tier.
        package_size, package_amount, package_rounding: whole packages (default up) and what one costs.
        percent: of the quantity, which is an amount; of each event where a term per event is given.
        fixed_amount_per_event, minimum_per_event, maximum_per_event: of each event that isn't free; the minimum
            and maximum bound percent and fixed amount together.
        free_events, free_amount: the allowance of a percentage price; it ends when either is used up.
        multiplier: of a dynamic price, on the amount that the events carry.
        dimensions, cells, default: of a matrix, the unit amount for each combination of values, or for any other.
        included_units: of an overage price, what costs nothing.
        conversion: the price's unit from the meter's, before all else.
        free_units: allowance, taken off before tiers count from zero.
        percent_off, amount_off: discounts, in this order; they end at zero.
        maximum_amount, minimum_amount: bounds of the line, after discounts; a minimum wins.
        rounding: how the line becomes money.

    Raises:
        PriceError: with every problem of the values.
    """

    currency: str
    model: Model
    unit_amount: Decimal | None = None
    flat_amount: Decimal | None = None
    timing: Timing | None = None
    tiers: tuple[Tier, ...] | None = None
    boundary: Boundary = Boundary.UPPER_INCLUSIVE
    block_size: Decimal | None = None
    block_rounding: Whole | None = None
    block_scope: BlockScope | None = None
    package_size: Decimal | None = None
    package_amount: Decimal | None = None
    package_rounding: Whole | None = None
    percent: Decimal | None = None
    fixed_amount_per_event: Decimal | None = None
    free_events: int | None = None
    free_amount: Decimal | None = None
    minimum_per_event: Decimal | None = None
    maximum_per_event: Decimal | None = None
    multiplier: Decimal | None = None
    dimensions: tuple[str, ...] | None = None
    cells: tuple[Cell, ...] | None = None
    default: Decimal | None = None
    included_units: Decimal | None = None
    conversion: Conversion | None = None
    free_units: Decimal | None = None
    percent_off: Decimal | None = None
    amount_off: Decimal | None = None
    maximum_amount: Decimal | None = None
    minimum_amount: Decimal | None = None
    rounding: Rounding = Rounding()

    def __post_init__(self) -> None:
        problems = _misbuilt(self) or find_problems(values_of(self))
        if problems:
            raise PriceError(problems)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Worked out once: prices are keys of what is kept for them."""
        return hash(tuple(values_of(self).values()))

    def __getstate__(self) -> dict[str, Any]:
        """Without the hash, which is another one in another process."""
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    @property
    def digits(self) -> int:
        """Fractional digits of this price's amounts on an invoice."""
        return minor_unit_digits(self.currency) if self.rounding.digits is None else self.rounding.digits

    @property
    def allowance(self) -> Decimal:
        """Units that cost nothing, taken from the start of the quantity."""
        return self.included_units or self.free_units or Decimal(0)

    @property
    def needs_events(self) -> bool:
        """Whether each event's amount matters, not only their sum."""
        return any(getattr(self, name) is not None for name in PER_EVENT)

    def to_fields(self) -> dict[str, Any]:
        """The canonical mapping of this price: JSON types only, decimals as plain strings, unset fields left out.

        `read_price(price.to_fields()) == price`, and equal prices have equal fields.
        """
        return {name: _written(value) for name, value in values_of(self).items()}


def _misbuilt(price: Price) -> list[Problem]:
    """Parts that aren't the values their names promise; only a direct construction can have them."""
    parts = {
        "currency": str,
        "model": Model,
        "boundary": Boundary,
        "rounding": Rounding,
        "conversion": Conversion,
    }
    lists = {"tiers": Tier, "cells": Cell, "dimensions": str}
    problems = []
    for name, kind in (parts | lists).items():
        value = getattr(price, name)
        items = value if name in lists and isinstance(value, tuple) else (value,)
        optional = value is None and name in ("conversion", *lists)
        if not optional and not all(isinstance(item, kind) for item in items):
            wanted = f"a tuple of {kind.__name__}" if name in lists else kind.__name__
            problems.append(Problem((name,), f"must be {wanted}, is {value!r}"))
    if not problems:
        problems += [
            Problem(("cells", index, "match"), f"must be pairs of names and values, is {cell.match!r}")
            for index, cell in enumerate(price.cells or ())
            if not _are_pairs(cell.match)
        ]
        problems += [
            Problem(("tiers", index, "up_to"), f"must be pairs of units and bounds, is {tier.up_to!r}")
            for index, tier in enumerate(price.tiers or ())
            if isinstance(tier.up_to, tuple) and not _are_pairs(tier.up_to)
        ]
    return problems


def _are_pairs(value: Unchecked) -> bool:
    """Whether a value is a tuple of (name, anything)."""
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in value
    )


def values_of(value: object) -> dict[str, Any]:
    """The set attributes of a price or of a part of it, parts as they are."""
    if isinstance(value, Conversion):
        own = {"factor": value.factor, "divisor": value.divisor}
        rounding = {"mode": value.mode, "digits": value.digits}
        rounding = {name: part for name, part in rounding.items() if part is not None}
        return {k: v for k, v in own.items() if v is not None} | ({"rounding": rounding} if rounding else {})
    return {
        field.name: getattr(value, field.name)
        for field in fields(value)  # type: ignore[arg-type]  # one of the dataclasses above
        if getattr(value, field.name) is not None
    }


def _written(value: Unchecked) -> Unchecked:
    """A value in JSON's types; pairs become mappings."""
    if isinstance(value, Tier | Cell | Conversion | Rounding):
        value = ({"up_to": None} if isinstance(value, Tier) else {}) | values_of(value)
    elif isinstance(value, tuple) and value and isinstance(value[0], tuple):
        value = dict(value)
    if isinstance(value, Decimal):
        return format(value, f".{fraction_digits(value)}f")
    if isinstance(value, dict):
        return {name: _written(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_written(part) for part in value]
    return str(value) if isinstance(value, StrEnum) else value
