"""Prices as frozen values. A price that breaks a rule can't be constructed, not even directly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any

from fields import Count, DecimalNumber, ListOf, Nested, Problem, Record, Schema, Text, declaration, rule
from rating.numbers.currency import CurrencyCode, NotNegative, minor_unit_digits
from rating.numbers.rounding import RoundingMode
from rating.prices.conversion import Conversion
from rating.prices.matrix import Cell, CellTerms, DefaultTerms, cell_problems
from rating.prices.models import (
    CELLS_MAX,
    DIMENSIONS_MAX,
    MODELS,
    PER_EVENT,
    ROUNDING_DIGITS_MAX,
    TIERS_MAX,
    BlockScope,
    Boundary,
    Model,
    Scope,
    Takes,
    Timing,
    Whole,
)
from rating.prices.tiers import Tier, block_problems, schedule_problems, tiers_schema

Size = Annotated[Decimal, DecimalNumber(positive=True)]


@dataclass(frozen=True, kw_only=True)
class Rounding(Record):
    """How amounts become money. `digits` None: the minor unit of the currency by ISO 4217."""

    mode: RoundingMode = RoundingMode.HALF_UP
    scope: Scope = Scope.LINE
    digits: Annotated[int | None, Count(ROUNDING_DIGITS_MAX)] = None


@dataclass(frozen=True, kw_only=True)
class Price(Record):
    """What usage costs. Fields that the model doesn't take are None; `models.MODELS` tells which it takes.

    Amounts are in units of the currency (dollars, not cents), quantities in the meter's unit or, after a
    conversion, in the price's unit. Numbers are never negative.

    Attributes:
        currency: ISO 4217 code; its minor unit gives the digits of a line.
        model: how a quantity becomes an amount.
        unit_amount: of one unit; of an overage price, of one unit beyond included_units.
        flat_amount: whatever the usage.
        timing: whether an amount that depends on no usage is due in advance, in arrears or once (billing reads it).
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
        dimensions, cells, default: of a matrix, the unit amount or the tiers for each combination of values, or for any
            other.
        included_units: of an overage price, what costs nothing.
        conversion: the price's unit from the meter's, before all else.
        free_units: allowance, taken off before tiers count from zero.
        percent_off, amount_off: discounts, in this order; they end at zero.
        maximum_amount, minimum_amount: bounds of the line, after discounts; a minimum wins.
        rounding: how the charge becomes money.
        round_each_group: whether each group of the meter's dimensions is rounded by itself; by default the groups are
            rounded once together, and each has a share (rating.lines.together).

    Raises:
        FieldsError: with every problem of the values.
    """

    currency: Annotated[str, CurrencyCode(any_unit=True)]
    model: Model
    unit_amount: NotNegative | None = None
    flat_amount: NotNegative | None = None
    timing: Timing | None = None
    tiers: Annotated[tuple[Tier, ...] | None, ListOf(Nested(Tier), 1, TIERS_MAX)] = None
    boundary: Boundary = Boundary.UPPER_INCLUSIVE
    block_size: Size | None = None
    block_rounding: Whole | None = None
    block_scope: BlockScope | None = None
    package_size: Size | None = None
    package_amount: NotNegative | None = None
    package_rounding: Whole | None = None
    percent: NotNegative | None = None
    fixed_amount_per_event: NotNegative | None = None
    free_events: Annotated[int | None, Count()] = None
    free_amount: NotNegative | None = None
    minimum_per_event: NotNegative | None = None
    maximum_per_event: NotNegative | None = None
    multiplier: NotNegative | None = None
    dimensions: Annotated[tuple[str, ...] | None, ListOf(Text(), 1, DIMENSIONS_MAX, distinct=True)] = None
    cells: Annotated[tuple[Cell, ...] | None, ListOf(Nested(Cell), 1, CELLS_MAX)] = None
    default: Annotated[Decimal | CellTerms | None, DefaultTerms()] = None
    included_units: NotNegative | None = None
    conversion: Conversion | None = None
    free_units: NotNegative | None = None
    percent_off: Annotated[Decimal | None, DecimalNumber(at_most=100)] = None
    amount_off: NotNegative | None = None
    maximum_amount: NotNegative | None = None
    minimum_amount: NotNegative | None = None
    rounding: Rounding = Rounding()
    round_each_group: bool = False

    @rule("currency", "rounding")
    def _has_digits(self) -> Iterator[Problem]:
        if self.rounding.digits is None:
            try:
                minor_unit_digits(self.currency)
            except ValueError as error:
                yield Problem(("currency",), f"{error}: name rounding.digits")

    @rule("minimum_amount", "maximum_amount")
    def _amounts_are_ordered(self) -> Iterator[Problem]:
        yield from _order_problems(self, "minimum_amount", "maximum_amount")

    @rule("minimum_per_event", "maximum_per_event")
    def _amounts_per_event_are_ordered(self) -> Iterator[Problem]:
        yield from _order_problems(self, "minimum_per_event", "maximum_per_event")

    @rule("model")
    def _has_the_fields_of_its_model(self) -> Iterator[Problem]:
        takes = MODELS[self.model]
        for name in takes.must:
            if getattr(self, name) is None:
                yield Problem((name,), f"is missing: a {self.model} price needs it")
        for name, value in vars(self).items():
            if value is not None and name not in takes.any:
                yield Problem((name,), f"is not taken by a {self.model} price")

    @rule()
    def _fields_go_together(self) -> Iterator[Problem]:
        if self.free_units is not None and self.needs_events:
            yield Problem(
                ("free_units",), "can't be told apart event by event: use free_events or free_amount"
            )
        if self.conversion is not None and self.needs_events:
            yield Problem(("conversion",), "is not taken by a percentage price with terms per event")
        for name in ("block_rounding", "block_scope"):
            if getattr(self, name) is not None and self.block_size is None:
                yield Problem((name,), "needs block_size")

    @rule("model", partly=("tiers",))
    def _tiers_make_a_schedule(self) -> Iterator[Problem]:
        takes = MODELS[self.model]
        if self.tiers is not None and takes.tier:
            yield from _under("tiers", schedule_problems(self.model, takes, self.tiers))

    @rule("block_size", "block_scope", partly=("tiers",))
    def _tiers_are_whole_blocks(self) -> Iterator[Problem]:
        if self.tiers is not None and self.block_size is not None and self.block_scope is not BlockScope.TIER:
            yield from _under("tiers", block_problems(self.block_size, self.tiers))

    @rule("model", "dimensions", partly=("cells",))
    def _cells_make_a_matrix(self) -> Iterator[Problem]:
        if self.model is Model.MATRIX and self.dimensions is not None and self.cells is not None:
            found = cell_problems(self.dimensions, self.cells, has_default=self.default is not None)
            yield from _under("cells", found)

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """With the fields that each model must have, and may not."""
        found = super().schema(definitions)
        return found | {"allOf": [_schema_of_model(model, takes) for model, takes in MODELS.items()]}

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Worked out once: prices are keys of what is kept for them."""
        return hash(tuple(vars(self).values()))

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


def _under(name: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    return (Problem((name, *each.path), each.message) for each in problems)


def _order_problems(price: Price, low: str, high: str) -> Iterator[Problem]:
    least, most = getattr(price, low), getattr(price, high)
    if least is not None and most is not None and least > most:
        yield Problem((high,), f"must not be below {low} ({least}), is {most}")


def _schema_of_model(model: Model, takes: Takes) -> Schema:
    none = {"type": "null"}
    shape: Schema = {name: none for name in declaration(Price).names if name not in takes.any}
    shape |= {name: {"not": none} for name in takes.must}
    if takes.tier:
        shape["tiers"] = tiers_schema(takes)
    return {
        "if": {"required": ["model"], "properties": {"model": {"const": str(model)}}},
        "then": {"required": list(takes.must), "properties": shape},
    }
