"""The models of prices: which fields each takes, what they choose between, and their limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

ROUNDING_DIGITS_MAX = 12
"""Fractional digits a rounding may keep."""
TIERS_MAX = 128
"""Tiers of a schedule: the kernels' tables are as wide as the longest schedule."""
UNITS_MAX = 16
"""Units that a capacity price counts: each has a schedule of its own over the tiers."""
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
    """When what is due whatever the usage is: at the start or at the end of each period, or once."""

    IN_ADVANCE = "in_advance"
    IN_ARREARS = "in_arrears"
    ONCE = "once"
    """In the period in which the subscription comes to it, and never again: a set-up fee. Who bills it sees to that."""


ANY_MODEL = frozenset(
    {
        *("currency", "model", "boundary", "rounding", "round_each_group"),
        *("percent_off", "amount_off", "maximum_amount", "minimum_amount"),
    }
)
BY_QUANTITY = frozenset({"conversion", "free_units"})
BLOCKS = frozenset({"block_size", "block_rounding", "block_scope"})
PER_EVENT = frozenset({"fixed_amount_per_event", "free_events", "minimum_per_event", "maximum_per_event"})
"""Terms of a percentage price that need each event's amount."""

AMOUNT_FIELDS = frozenset(
    {
        *("unit_amount", "flat_amount", "package_amount", "tiers", "cells", "default", "free_amount"),
        *("fixed_amount_per_event", "minimum_per_event", "maximum_per_event"),
        *("amount_off", "maximum_amount", "minimum_amount"),
    }
)
"""The fields of a price that are amounts of its currency, or hold some."""


@dataclass(frozen=True)
class Takes:
    """The fields that one model must and may have, besides those that every model takes."""

    must: tuple[str, ...]
    may: frozenset[str] = BY_QUANTITY
    tier: tuple[str, ...] = ()
    """The fields of its tiers besides up_to."""
    tier_must: tuple[str, ...] = ()
    """Those of which a tier needs at least one."""

    @cached_property
    def any(self) -> frozenset[str]:
        """Every field that it takes."""
        return ANY_MODEL | self.may | set(self.must)


_AMOUNTS = ("unit_amount", "flat_amount")
MODELS: Mapping[Model, Takes] = MappingProxyType(
    {
        Model.FLAT: Takes(("flat_amount",), BY_QUANTITY | {"timing"}),
        Model.PER_UNIT: Takes(("unit_amount",), BY_QUANTITY | {"timing"}),
        Model.GRADUATED: Takes(("tiers",), BY_QUANTITY | BLOCKS | {"timing"}, _AMOUNTS, _AMOUNTS),
        Model.VOLUME: Takes(("tiers",), BY_QUANTITY | BLOCKS | {"timing"}, _AMOUNTS, _AMOUNTS),
        Model.PACKAGE: Takes(
            ("package_size", "package_amount"), BY_QUANTITY | {"package_rounding", "timing"}
        ),
        Model.PERCENTAGE: Takes(("percent",), BY_QUANTITY | PER_EVENT | {"free_amount"}),
        Model.GRADUATED_PERCENTAGE: Takes(("tiers",), BY_QUANTITY, ("percent", "flat_amount"), ("percent",)),
        Model.DYNAMIC: Takes(("multiplier",)),
        Model.MATRIX: Takes(("dimensions", "cells"), BY_QUANTITY | {"default"}),
        Model.OVERAGE: Takes(("unit_amount", "included_units"), frozenset({"conversion", "timing"})),
        Model.STAIRSTEP: Takes(("tiers",), BY_QUANTITY | {"timing"}, ("flat_amount",), ("flat_amount",)),
        Model.CAPACITY: Takes(("tiers",), frozenset(), ("flat_amount",), ("flat_amount",)),
    }
)
