"""The normal form of every model: tiers of unit and flat amounts over a quantity.

A price becomes one schedule, a matrix one for each cell (and one for its default). What remains of the models:
- `cumulative`: each unit at its own tier's amount (graduated), or the whole quantity at one tier's (volume).
  flat, per_unit, dynamic, overage, percentage and a matrix cell without tiers are volume with a single tier.
- `block_size`: units count as whole blocks, on the total (a package is one tier per block) or in each tier.
- a percentage price with terms per event is rated event by event first; its schedule passes on the fees.
- a capacity price's tier index is found first; its schedule looks up the flat amount of tier 0, 1, 2...
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from rating.numbers.decimals import EXACT
from rating.prices.matrix import CellTerms
from rating.prices.models import BlockScope, Model, Whole
from rating.prices.price import Price
from rating.prices.tiers import Tier

ZERO = Decimal(0)


@dataclass(frozen=True)
class Schedule:
    """T tiers. `upper` has T-1 bounds in the price's unit; `unit` and `flat` have T amounts in the currency."""

    upper: tuple[Decimal, ...]
    unit: tuple[Decimal, ...]
    flat: tuple[Decimal, ...]
    cumulative: bool = False
    allowance: Decimal = ZERO
    block_size: Decimal | None = None
    block_scope: BlockScope = BlockScope.TOTAL
    block_rounding: Whole = Whole.UP


def schedules_of(price: Price) -> tuple[Schedule, ...]:
    """The schedules of a price: one, or for a matrix one a cell in order and then the default's."""
    if price.model is Model.MATRIX:
        cells: list[CellTerms | Decimal] = [*(price.cells or ())]
        cells += [] if price.default is None else [price.default]
        return tuple(_of_cell(terms, price.allowance) for terms in cells)
    return (_schedule_of(price),)


Span = tuple[Decimal, Decimal | None]


@lru_cache(maxsize=1024)
def tier_spans(price: Price) -> tuple[Span, ...]:
    """Where each tier of a price starts and ends, in its order; those of a matrix's cells, then of its default, follow each other.

    The tiers of a capacity price, whose units have bounds of their own, have none.
    """
    if price.model is Model.CAPACITY:
        return ((ZERO, None),) * len(price.tiers or ())
    spans: list[Span] = []
    for schedule in schedules_of(price):
        spans += pairwise([ZERO, *schedule.upper])
        spans.append((schedule.upper[-1] if schedule.upper else ZERO, None))
    return tuple(spans)


def _schedule_of(price: Price) -> Schedule:
    if price.tiers is not None:
        return _tiered(price, price.tiers)
    if price.model is Model.PACKAGE:
        packages = _single(unit=price.package_amount, allowance=price.allowance)
        rounding = price.package_rounding or Whole.UP
        return replace(packages, block_size=price.package_size, block_rounding=rounding)
    if price.model is Model.FLAT:
        return _single(flat=price.flat_amount, allowance=price.allowance)
    if price.needs_events:
        return _single(unit=Decimal(1))
    if price.model is Model.PERCENTAGE:
        free = EXACT.add(price.allowance, price.free_amount or ZERO)
        return _single(unit=_share(price.percent), allowance=free)
    unit = price.multiplier if price.model is Model.DYNAMIC else price.unit_amount
    return _single(unit=unit, allowance=price.allowance)


def _single(unit: Decimal | None = None, flat: Decimal | None = None, allowance: Decimal = ZERO) -> Schedule:
    return Schedule((), (unit or ZERO,), (flat or ZERO,), allowance=allowance)


def _of_cell(terms: CellTerms | Decimal, allowance: Decimal) -> Schedule:
    if isinstance(terms, Decimal):
        return _single(unit=terms, allowance=allowance)
    if terms.tiers is None:
        return _single(unit=terms.unit_amount, allowance=allowance)
    found = _ladder([tier.up_to for tier in terms.tiers], terms.tiers)
    return replace(found, cumulative=terms.model is Model.GRADUATED, allowance=allowance)


def _tiered(price: Price, tiers: tuple[Tier, ...]) -> Schedule:
    is_capacity = price.model is Model.CAPACITY
    bounds = [Decimal(index) if is_capacity else tier.up_to for index, tier in enumerate(tiers)]
    return replace(
        _ladder(bounds, tiers),
        cumulative=price.model in (Model.GRADUATED, Model.GRADUATED_PERCENTAGE),
        allowance=price.allowance,
        block_size=price.block_size,
        block_scope=price.block_scope or BlockScope.TOTAL,
        block_rounding=price.block_rounding or Whole.UP,
    )


def _ladder(bounds: Sequence[object], tiers: tuple[Tier, ...]) -> Schedule:
    """The bounds of all tiers but the last, and what each costs."""
    return Schedule(
        upper=tuple(bound for bound in bounds[:-1] if isinstance(bound, Decimal)),
        unit=tuple(
            _share(tier.percent) if tier.percent is not None else tier.unit_amount or ZERO for tier in tiers
        ),
        flat=tuple(tier.flat_amount or ZERO for tier in tiers),
    )


def _share(percent: Decimal | None) -> Decimal:
    """A percentage as a factor, every digit kept."""
    return ZERO if percent is None else percent.scaleb(-2, EXACT)
