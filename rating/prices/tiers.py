"""The tiers of a schedule, and what must hold between them.

1. `up_to` rise strictly from above zero; the last tier, and only the last, has none.
2. Each unit of a capacity price has a schedule of its own over the same tiers, by rule 1.
3. Blocks counted on the total fit the schedule: every `up_to` is a whole number of blocks.

A value may be BAD where it couldn't be read, which is told already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any

from fields import BAD, DecimalNumber, FieldKind, Pairs, Path, Problem, Record, Schema, Text
from rating.numbers.currency import NotNegative
from rating.numbers.decimals import EXACT
from rating.prices.models import UNITS_MAX, Model, Takes

_NO_END = ("null", "~", "")
"""How YAML and JSON write an `up_to` without end, also where it was quoted."""


_AMOUNTS = ("unit_amount", "flat_amount", "percent")


class _Bound(DecimalNumber):
    """A bound; None: no end."""

    def read(self, given: object) -> Any:  # noqa: ANN401 - a Decimal or None
        return None if given is None or given in _NO_END else super().read(given)

    def written(self, value: Decimal | None) -> Any:  # noqa: ANN401 - a text or None
        return None if value is None else super().written(value)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [super().schema(definitions), {"enum": [None, *_NO_END]}]}


class _UpTo(FieldKind):
    """The bound of a tier, or one for each unit of a capacity price."""

    python = Decimal | tuple  # type: ignore[type-arg]  # of any parts
    writes_none = True
    _one = _Bound(positive=True)
    _each = Pairs(Text(), _one, UNITS_MAX)

    def read(self, given: object) -> Any:  # noqa: ANN401 - as Tier.up_to
        if isinstance(given, Mapping | tuple):
            return self._each.read(given) or None
        return self._one.read(given)

    def written(self, value: Any) -> Any:  # noqa: ANN401 - as Tier.up_to
        return self._each.written(value) if isinstance(value, tuple) else self._one.written(value)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [self._one.schema(definitions), self._each.schema(definitions)]}


@dataclass(frozen=True, kw_only=True)
class Tier(Record):
    """One step of a schedule; it covers (up_to of the tier before, up_to].

    Attributes:
        up_to: the last quantity of the tier; None: no end. A capacity price names one bound for each of its
            units instead, as pairs (unit, bound or None).
        unit_amount: amount of one unit, or of one block where the price has a block size.
        flat_amount: charged once, in full, when the tier is entered (graduated) or applies (volume).
        percent: share of the quantity, for graduated_percentage.
    """

    up_to: Annotated[Decimal | tuple[tuple[str, Decimal | None], ...] | None, _UpTo()] = None
    unit_amount: NotNegative | None = None
    flat_amount: NotNegative | None = None
    percent: Annotated[Decimal | None, DecimalNumber()] = None


def schedule_problems(model: Model, takes: Takes, tiers: Sequence[Tier]) -> Iterator[Problem]:
    """Everything that is wrong between the tiers of a price of the model; paths begin at the tiers."""
    sound = [(index, tier) for index, tier in enumerate(tiers) if tier is not BAD]
    for index, tier in sound:
        for name in _AMOUNTS:
            if name not in takes.tier and getattr(tier, name) is not None:
                yield Problem((index, name), f"is not taken by a tier of a {model} price")
        if all(getattr(tier, name) is None for name in takes.tier_must):
            yield Problem((index,), f"needs {' or '.join(takes.tier_must)}")
    bounds = [BAD if tier is BAD else tier.up_to for tier in tiers]
    if model is Model.CAPACITY:
        yield from _capacity_problems(bounds)
    else:
        yield from _bound_problems([(index, "up_to") for index in range(len(bounds))], bounds)


def tiers_schema(takes: Takes) -> Schema:
    """JSON Schema of what the tiers of a model's prices may and must have."""
    none: Schema = {"type": "null"}
    tier: Schema = {name: none for name in _AMOUNTS if name not in takes.tier}
    needed = [{"required": [name], "properties": {name: {"not": none}}} for name in takes.tier_must]
    return {"not": none, "items": {"properties": tier, "anyOf": needed}}


def _bound_problems(paths: Sequence[Path], bounds: Sequence[Any]) -> Iterator[Problem]:
    """Rule 1 for the bounds of one schedule, in order, each with its path."""
    *starts, end = bounds
    for path, bound in zip(paths[:-1], starts, strict=True):
        if bound is None:
            yield Problem(path, "is missing: only the last tier has no end")
        elif isinstance(bound, tuple):
            yield Problem(path, "must be one bound: only a capacity price has several")
    if end is not None and end is not BAD:
        found = "several bounds" if isinstance(end, tuple) else end
        yield Problem(paths[-1], f"must be null: the last tier has no end, is {found}")
    for path, (before, bound) in zip(paths[1:], pairwise(bounds), strict=True):
        if isinstance(before, Decimal) and isinstance(bound, Decimal) and not bound > before:
            yield Problem(path, f"must be greater than the tier before ({before}), is {bound}")


def _capacity_problems(bounds: Sequence[Any]) -> Iterator[Problem]:
    """Rule 2."""
    *starts, end = bounds
    for index, bound in enumerate(starts):
        if bound is not BAD and not isinstance(bound, tuple):
            yield Problem((index, "up_to"), "must name a bound for each unit, as {seats: 10}")
    if isinstance(end, Decimal):
        yield Problem((len(starts), "up_to"), f"must be null: the last tier has no end, is {end}")
    if any(bound is BAD or isinstance(bound, Decimal) for bound in bounds):
        return
    maps = [dict(bound or ()) for bound in bounds]
    names = dict.fromkeys(name for each in maps for name in each)
    if not names:
        yield Problem((), "must name the units that they count: up_to as {seats: 10}")
    for name in names:
        paths = [(index, "up_to", name) for index in range(len(maps))]
        yield from _bound_problems(paths, [each.get(name) for each in maps])


def block_problems(size: Decimal, tiers: Sequence[Tier]) -> Iterator[Problem]:
    """Rule 3; paths begin at the tiers."""
    for index, tier in enumerate(tiers):
        bound = BAD if tier is BAD else tier.up_to
        if isinstance(bound, Decimal) and EXACT.remainder(bound, size):
            yield Problem((index, "up_to"), f"must be whole blocks of {size}, is {bound}")
