"""The cells of a matrix price, and what must hold between them.

1. A cell gives a value for each dimension, and no two cells give the same.
2. The cells price every combination of the values that they name, or there is a default.
3. The table over all combinations is bounded.
4. A cell has an amount a unit, or tiers of its own with the model by which they count; so has the default.

A cell may be BAD, or have BAD in it, where it couldn't be read, which is told already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, product
from math import prod
from typing import Annotated, Any

from fields import (
    BAD,
    Choice,
    DecimalNumber,
    FieldKind,
    Json,
    ListOf,
    Nested,
    Pairs,
    Problem,
    Record,
    Schema,
    Text,
    rule,
)
from rating.numbers.currency import NotNegative
from rating.prices.models import COMBINATIONS_MAX, DIMENSIONS_MAX, MODELS, TIERS_MAX, Model
from rating.prices.tiers import Tier, schedule_problems, tiers_schema

GAPS_SHOWN = 5
"""Gaps named one by one; the rest are counted."""
TIERED: tuple[Model, ...] = (Model.GRADUATED, Model.VOLUME)
"""By which models the tiers of a cell count."""


@dataclass(frozen=True, kw_only=True)
class CellTerms(Record, called="default"):
    """What usage costs in a cell of a matrix: `unit_amount` each, or by `tiers` that count as those of a price of the model."""

    unit_amount: NotNegative | None = None
    model: Annotated[Model | None, Choice(TIERED)] = None
    tiers: Annotated[tuple[Tier, ...] | None, ListOf(Nested(Tier), 1, TIERS_MAX)] = None

    @rule("unit_amount", partly=("model", "tiers"))
    def _has_an_amount_or_tiers(self) -> Iterator[Problem]:
        if self.unit_amount is None and self.tiers is None:
            yield Problem(("unit_amount",), "is missing: give it, or tiers with their model")
        elif self.unit_amount is not None and self.tiers is not None:
            yield Problem(("unit_amount",), "can't stand beside tiers: remove one of them")
        if self.model is None and self.tiers is not None:
            yield Problem(("model",), f"is missing: the tiers are {' or '.join(TIERED)}")
        elif self.model is not None and self.tiers is None:
            yield Problem(("model",), "belongs to tiers only: remove it, or give tiers")

    @rule("model", partly=("tiers",))
    def _tiers_make_a_schedule(self) -> Iterator[Problem]:
        if self.tiers is not None and self.model is not None:
            for each in schedule_problems(self.model, MODELS[self.model], self.tiers):
                yield Problem(("tiers", *each.path), each.message)

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """With rule 4."""
        none: Schema = {"type": "null"}
        amount = {"unit_amount": {"not": none}, "model": none, "tiers": none}
        tiers = {"unit_amount": none, "model": {"not": none}, "tiers": tiers_schema(MODELS[Model.GRADUATED])}
        either = [
            {"required": ["unit_amount"], "properties": amount},
            {"required": ["model", "tiers"], "properties": tiers},
        ]
        return super().schema(definitions) | {"oneOf": either}


@dataclass(frozen=True, kw_only=True)
class Cell(CellTerms):
    """What one combination of dimension values costs; `match` has them as pairs (name, value)."""

    match: Annotated[
        tuple[tuple[str, str], ...], Pairs(Text(), Text(bytes_max=1024, free=True), DIMENSIONS_MAX)
    ]


class DefaultTerms(FieldKind):
    """What a cell that isn't there costs: an amount a unit, or a mapping with tiers."""

    python = Decimal | CellTerms
    _amount = DecimalNumber()
    _terms = Nested(CellTerms)

    def read(self, given: object) -> Any:  # noqa: ANN401 - a Decimal or CellTerms with tiers
        if not isinstance(given, Mapping | CellTerms):
            return self._amount.read(given)
        terms: CellTerms = self._terms.read(given)
        return terms if terms.tiers is not None else terms.unit_amount

    def written(self, value: Any) -> Json:  # noqa: ANN401 - as it is read
        return self._terms.written(value) if isinstance(value, CellTerms) else self._amount.written(value)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [self._amount.schema(definitions), self._terms.schema(definitions)]}


def cell_problems(
    dimensions: tuple[str, ...], cells: Sequence[Cell], *, has_default: bool
) -> Iterator[Problem]:
    """Everything that is wrong between the cells; paths begin at them."""
    seen: dict[tuple[str, ...], int] = {}
    yield from _match_problems(dimensions, cells, seen)
    axes = [sorted({key[axis] for key in seen}) for axis in range(len(dimensions))]
    combinations = prod(len(axis) + 1 for axis in axes)
    if combinations > COMBINATIONS_MAX:
        yield Problem((), f"span {combinations} combinations, more than {COMBINATIONS_MAX}: split the price")
    elif len(seen) == len(cells) and not has_default:
        yield from _gap_problems(dimensions, axes, seen)


def _match_problems(
    dimensions: tuple[str, ...], cells: Sequence[Cell], seen: dict[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Rule 1; fills `seen` with the sound cells."""
    for index, cell in enumerate(cells):
        if cell is BAD or cell.match is BAD:
            continue
        match = dict(cell.match)
        if BAD in match.values():
            continue
        key = tuple(match.get(name, "") for name in dimensions)
        if set(match) != set(dimensions):
            yield Problem((index, "match"), f"must give a text for each of {', '.join(dimensions)}")
        elif key in seen:
            yield Problem((index, "match"), f"repeats cell {seen[key]}: {_named(dimensions, key)}")
        else:
            seen[key] = index


def _gap_problems(
    dimensions: tuple[str, ...], axes: list[list[str]], seen: Mapping[tuple[str, ...], int]
) -> Iterator[Problem]:
    """Rule 2: combinations of the named values that no cell prices."""
    gaps = prod(len(axis) for axis in axes) - len(seen)
    if gaps:
        missing = islice((key for key in product(*axes) if key not in seen), GAPS_SHOWN)
        named = "; ".join(_named(dimensions, key) for key in missing)
        more = f"; and {gaps - GAPS_SHOWN} more" if gaps > GAPS_SHOWN else ""
        yield Problem(
            (), f"leave {gaps} combination(s) without a price and there is no default: {named}{more}"
        )


def _named(dimensions: tuple[str, ...], key: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(dimensions, key, strict=True))
