"""The fields of a price: which model takes which, of what kind, within which limits. One table for all.

`read` parses by this table, `checks` judges by it, `Price.to_fields` writes by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from rating.rounding import RoundingMode

INTEGER_DIGITS_MAX = 26
"""Integer digits of a quantity, a price or an amount: what a meter can deliver."""
FRACTION_DIGITS_MAX = 18
"""Fractional digits of a price's numbers: meters have 12; other engines publish prices with 14."""
ROUNDING_DIGITS_MAX = 12
"""Fractional digits a rounding may keep."""
TIERS_MAX = 128
"""Tiers of a schedule: the kernels' tables are as wide as the longest schedule."""
CELLS_MAX = 20_000
"""Cells of a matrix: a dense table over all combinations is built from them."""
DIMENSIONS_MAX = 8
COMBINATIONS_MAX = 1_000_000
"""Combinations of a matrix's values, priced by a cell or by the default: the size of its table (8 MB)."""


class Model(StrEnum):
    """How a quantity becomes an amount."""

    FLAT = "flat"
    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"
    PERCENTAGE = "percentage"
    GRADUATED_PERCENTAGE = "graduated_percentage"
    DYNAMIC = "dynamic"
    MATRIX = "matrix"
    OVERAGE = "overage"
    STAIRSTEP = "stairstep"
    CAPACITY = "capacity"


class Boundary(StrEnum):
    """Which tier a quantity equal to `up_to` belongs to: this one, or the next."""

    UPPER_INCLUSIVE = "upper_inclusive"
    LOWER_INCLUSIVE = "lower_inclusive"


class Whole(StrEnum):
    """How a quantity becomes whole packages or blocks; nearest takes a half up."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


class Scope(StrEnum):
    """What is rounded once: the line, or each tier's usage and each flat amount (and then the line)."""

    LINE = "line"
    TIER = "tier"


class BlockScope(StrEnum):
    """Where units become whole blocks: on the total before the tiers, or inside each tier."""

    TOTAL = "total"
    TIER = "tier"


class Timing(StrEnum):
    """Whether a flat amount is due at the start or at the end of its period."""

    IN_ADVANCE = "in_advance"
    IN_ARREARS = "in_arrears"


@dataclass(frozen=True)
class Number:
    """A decimal field: 0 or more, or more than 0, up to an optional maximum."""

    positive: bool = False
    at_most: int | None = None


@dataclass(frozen=True)
class Count:
    """A whole number of 0 or more, up to a maximum."""

    at_most: int = 2**31 - 1


@dataclass(frozen=True)
class Choice:
    """One of the values of an enumeration."""

    of: type[StrEnum]


@dataclass(frozen=True)
class Nested:
    """A field with a shape of its own: tiers, cells, dimensions, rounding, conversion, currency."""


Kind = Number | Count | Choice | Nested

FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "currency": Nested(),
        "model": Choice(Model),
        "unit_amount": Number(),
        "flat_amount": Number(),
        "timing": Choice(Timing),
        "tiers": Nested(),
        "boundary": Choice(Boundary),
        "block_size": Number(positive=True),
        "block_rounding": Choice(Whole),
        "block_scope": Choice(BlockScope),
        "package_size": Number(positive=True),
        "package_amount": Number(),
        "package_rounding": Choice(Whole),
        "percent": Number(),
        "fixed_amount_per_event": Number(),
        "free_events": Count(),
        "free_amount": Number(),
        "minimum_per_event": Number(),
        "maximum_per_event": Number(),
        "multiplier": Number(),
        "dimensions": Nested(),
        "cells": Nested(),
        "default": Number(),
        "included_units": Number(),
        "conversion": Nested(),
        "free_units": Number(),
        "percent_off": Number(at_most=100),
        "amount_off": Number(),
        "maximum_amount": Number(),
        "minimum_amount": Number(),
        "rounding": Nested(),
    }
)
TIER_FIELDS: Mapping[str, Kind] = MappingProxyType(
    {"up_to": Nested(), "unit_amount": Number(), "flat_amount": Number(), "percent": Number()}
)
CONVERSION_FIELDS: Mapping[str, Kind] = MappingProxyType(
    {"factor": Number(positive=True), "divisor": Number(positive=True), "rounding": Nested()}
)
ROUNDING_FIELDS: Mapping[str, Kind] = MappingProxyType(
    {"mode": Choice(RoundingMode), "digits": Count(ROUNDING_DIGITS_MAX), "scope": Choice(Scope)}
)
CONVERSION_ROUNDING_FIELDS: Mapping[str, Kind] = MappingProxyType(
    {"mode": Choice(RoundingMode), "digits": Count(ROUNDING_DIGITS_MAX)}
)

ANY_MODEL = frozenset(
    {
        *("currency", "model", "boundary", "rounding"),
        *("percent_off", "amount_off", "maximum_amount", "minimum_amount"),
    }
)
BY_QUANTITY = frozenset({"conversion", "free_units"})
BLOCKS = frozenset({"block_size", "block_rounding", "block_scope"})
PER_EVENT = frozenset({"fixed_amount_per_event", "free_events", "minimum_per_event", "maximum_per_event"})
"""Terms of a percentage price that need each event's amount."""


@dataclass(frozen=True)
class Takes:
    """The fields that one model must and may have, besides those that every model takes."""

    must: tuple[str, ...]
    may: frozenset[str] = BY_QUANTITY
    tier: tuple[str, ...] = ()
    """The fields of its tiers besides up_to."""
    tier_must: str = ""
    """The tier field that can't be left out, where there is one."""


MODELS: Mapping[Model, Takes] = MappingProxyType(
    {
        Model.FLAT: Takes(("flat_amount",), BY_QUANTITY | {"timing"}),
        Model.PER_UNIT: Takes(("unit_amount",)),
        Model.GRADUATED: Takes(("tiers",), BY_QUANTITY | BLOCKS, ("unit_amount", "flat_amount")),
        Model.VOLUME: Takes(("tiers",), BY_QUANTITY | BLOCKS, ("unit_amount", "flat_amount")),
        Model.PACKAGE: Takes(("package_size", "package_amount"), BY_QUANTITY | {"package_rounding"}),
        Model.PERCENTAGE: Takes(("percent",), BY_QUANTITY | PER_EVENT | {"free_amount"}),
        Model.GRADUATED_PERCENTAGE: Takes(("tiers",), BY_QUANTITY, ("percent", "flat_amount"), "percent"),
        Model.DYNAMIC: Takes(("multiplier",)),
        Model.MATRIX: Takes(("dimensions", "cells"), BY_QUANTITY | {"default"}),
        Model.OVERAGE: Takes(("unit_amount", "included_units"), frozenset({"conversion"})),
        Model.STAIRSTEP: Takes(("tiers",), BY_QUANTITY, ("flat_amount",), "flat_amount"),
        Model.CAPACITY: Takes(("tiers",), frozenset(), ("flat_amount",), "flat_amount"),
    }
)
