"""A price for a part of its billing period.

Rules:
1. A part [start, end) of a whole of `total` parts takes of each amount and bound the share up to its end less the share
   up to its start, each rounded once to DIGITS digits (half up): adjoining parts add up to the whole, exactly.
2. What is per unit stays: the usage of a part is its own. Amounts that are due whatever the usage (flat amounts, discounts
   by amount, maximum, minimum) are prorated, and so are bounds and allowances, unless the tiers restart in each part, or
   carry over: then they stand in full, and whoever rates a part says what the earlier ones consumed (Charges.carried).
   Where tiers carry over, the flat amount of a graduated tier behind the first is due once, when it is entered: in full.
3. A price by a quantity that isn't metered (seats), or by a level that is measured anew in each part (a maximum, an average, a
   count of different values), stays as it is: the quantity is what it is in each part, the price is rated whole, and the
   part is that of the line's exact amount (rating.kernels.parts).
4. Sizes of packages and blocks, and amounts per event stay. Free events are an allowance: what a part takes of them, by
   rule 1, is rounded to whole events.
5. Bounds of a price that counts whole blocks on the total stay as well: a part of them would cut a block.
6. Where a part is so short that bounds would fall together, they stay whole, too; of a matrix in that cell only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, TypeVar

from rating.numbers.decimals import EXACT
from rating.prices.matrix import CellTerms
from rating.prices.models import BlockScope, Model
from rating.prices.price import Price
from rating.prices.tiers import Tier

Terms = TypeVar("Terms", bound=Tier | CellTerms)
Cells = TypeVar("Cells", bound=CellTerms)

DIGITS: Final = 12
_ALWAYS_DUE: Final = ("flat_amount", "amount_off", "maximum_amount", "minimum_amount")
_PER_UNIT: Final = ("unit_amount", "package_amount", "percent", "multiplier")
_OF_TIER: Final = ("unit_amount", "flat_amount", "percent")
_CUMULATIVE: Final = (Model.GRADUATED, Model.GRADUATED_PERCENTAGE)
_BOUNDS: Final = ("included_units", "free_units", "free_amount")


@dataclass(frozen=True, slots=True)
class Part:
    """[start, end) of `total`, in whatever they are counted: 0 <= start <= end <= total, total > 0.

    Raises:
        ValueError: it is none.
    """

    start: int
    end: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= self.total or self.total <= 0:
            raise ValueError(f"[{self.start}, {self.end}) is not a part of {self.total}")

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.end == self.total

    def of(self, value: Decimal) -> Decimal:
        """The part of a value that isn't negative (rule 1)."""
        return EXACT.subtract(self._until(self.end, value), self._until(self.start, value))

    def of_count(self, count: int) -> int:
        """The part of a whole number, whole."""
        return self._share(self.end, count) - self._share(self.start, count)

    def _until(self, end: int, value: Decimal) -> Decimal:
        if end == self.total:
            return value
        numerator, denominator = value.as_integer_ratio()
        return Decimal(self._share(end, numerator * 10**DIGITS, denominator)).scaleb(-DIGITS, EXACT)

    def _share(self, end: int, numerator: int, denominator: int = 1) -> int:
        """What is due up to an end, half up."""
        numerator, denominator = numerator * end, denominator * self.total
        return (2 * numerator + denominator) // (2 * denominator)


class TierProration(StrEnum):
    """What bounds and allowances of a metered price are in a part of the period."""

    PRORATE = "prorate"
    """Prorated, as amounts are."""
    RESTART = "restart"
    """In full in each part."""
    CARRY_OVER = "carry_over"
    """In full, once for the whole period: a part goes on where the parts before it stopped."""


@lru_cache(maxsize=65_536)  # about a KB each
def prorated(price: Price, part: Part, tiers: TierProration) -> Price:
    """The price for a part of its period, of usage that sums up over the parts (rule 3)."""
    if part.is_whole:
        return price
    bounds = _BOUNDS if tiers is TierProration.PRORATE else ()
    changed: dict[str, Any] = {
        name: part.of(value)
        for name in (*_ALWAYS_DUE, *bounds)
        if (value := getattr(price, name)) is not None
    }
    if bounds and price.free_events is not None:
        changed["free_events"] = part.of_count(price.free_events)
    if changed.get("maximum_amount") is not None and changed.get("minimum_amount") is not None:
        # Two that differ in their last digits only may part by one.
        changed["maximum_amount"] = max(changed["maximum_amount"], changed["minimum_amount"])
    change = _Change(
        names=("flat_amount",),
        of=part.of,
        cut=part if bounds else None,
        carries_over=tiers is TierProration.CARRY_OVER,
    )
    if price.tiers is not None:
        counts_blocks = _counts_total_blocks(price)
        own = replace(change, cut=None) if counts_blocks else change
        changed["tiers"] = own.of_tiers(price.tiers, price.model)
    return replace(price, **changed, **change.of_cells(price))


def times(price: Price, count: int) -> Price:
    """So many times the price, of the same quantity: every amount that much larger."""

    def more(value: Decimal) -> Decimal:
        return EXACT.multiply(value, Decimal(count))

    names = (*_ALWAYS_DUE, *_PER_UNIT)
    changed: dict[str, Any] = {
        name: more(value) for name in names if (value := getattr(price, name)) is not None
    }
    change = _Change(_OF_TIER, more)
    if price.tiers is not None:
        changed["tiers"] = change.of_tiers(price.tiers, price.model)
    return replace(price, **changed, **change.of_cells(price))


def free(price: Price) -> Price:
    """The price while a trial lasts: all of it comes off."""
    return replace(price, percent_off=Decimal(100), amount_off=None, maximum_amount=None, minimum_amount=None)


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of tiers, be they a price's or a cell's: `of` of the amounts with these names, and a part of the bounds.

    cut: of which part the bounds are, where they can be divided (rule 6); None: in full. carries_over: flat amounts of
    graduated tiers behind the first are due once, in full.
    """

    names: Sequence[str]
    of: Callable[[Decimal], Decimal]
    cut: Part | None = None
    carries_over: bool = False

    def of_tiers(self, tiers: Sequence[Tier], model: Model | None) -> tuple[Tier, ...]:
        is_due_once = self.carries_over and model in _CUMULATIVE
        found = [
            tier if number and is_due_once else _with(tier, self.names, self.of)
            for number, tier in enumerate(tiers)
        ]
        if self.cut is not None and _is_divisible(tiers, self.cut):
            found = [replace(tier, up_to=_up_to(tier, self.cut)) for tier in found]
        return tuple(found)

    def of_cells(self, price: Price) -> dict[str, Any]:
        """The cells and the default of a matrix; nothing of another price, or where none of them changes."""
        found: dict[str, Any] = {}
        has_amounts = "unit_amount" in self.names
        if price.cells is not None and (has_amounts or any(cell.tiers for cell in price.cells)):
            found["cells"] = tuple(map(self._of_cell, price.cells))
        if isinstance(price.default, CellTerms):
            found["default"] = self._of_cell(price.default)
        elif price.default is not None and has_amounts:
            found["default"] = self.of(price.default)
        return found

    def _of_cell(self, terms: Cells) -> Cells:
        if terms.tiers is not None:
            return replace(terms, tiers=self.of_tiers(terms.tiers, terms.model))
        return _with(terms, self.names, self.of)


def _with(terms: Terms, names: Sequence[str], of: Callable[[Decimal], Decimal]) -> Terms:
    changed: dict[str, Any] = {
        name: of(value) for name in names if (value := getattr(terms, name, None)) is not None
    }
    return replace(terms, **changed) if changed else terms


def _is_divisible(tiers: Sequence[Tier], part: Part) -> bool:
    """Whether the bounds of the part still rise from above zero (rule 6)."""
    bounds = [
        dict(each) if isinstance(each, tuple) else {"": each}
        for each in (_up_to(tier, part) for tier in tiers)
    ]
    for unit in {name for each in bounds for name in each}:
        rising = [Decimal(0), *(value for each in bounds if (value := each.get(unit)) is not None)]
        if any(after <= before for before, after in pairwise(rising)):
            return False
    return True


def _up_to(tier: Tier, part: Part) -> Decimal | tuple[tuple[str, Decimal | None], ...] | None:
    if isinstance(tier.up_to, tuple):
        return tuple((unit, None if bound is None else part.of(bound)) for unit, bound in tier.up_to)
    return None if tier.up_to is None else part.of(tier.up_to)


def _counts_total_blocks(price: Price) -> bool:
    """Whether bounds must stay whole blocks (rule 5)."""
    return price.block_size is not None and price.block_scope is not BlockScope.TIER
