"""The price stage on whole columns: which tier, how many blocks, what amount.

Every kernel serves int64 columns (under the bound of `Plan.narrow_max`) and columns of Python ints alike.
n charges; a schedule's numbers come as a scalar or as a column [n], whichever the caller picked from the tables.
Quantities are never negative here.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rating.kernels.profile import Profile, Scales
from rating.kernels.tables import Tables, pick
from rating.numbers.rounding import Mantissas, divide_rounded
from rating.prices.models import BlockScope, Whole

ScheduleColumn: TypeAlias = npt.NDArray[np.int64] | None
"""[n] the schedule of each charge; None where all have the same."""


def whole_blocks(quantity: Mantissas, size: Mantissas | int, rounding: Whole) -> Mantissas:
    """How many blocks of `size` a quantity counts as. int64: exact while quantity + size fits."""
    if rounding is Whole.UP:
        return (quantity + (size - 1)) // size
    blocks = quantity // size
    if rounding is Whole.NEAREST:
        rest = quantity - blocks * size
        blocks = blocks + (rest >= size - rest)
    return blocks


def usage_amount(
    profile: Profile, scales: Scales, inside: Mantissas, unit: Mantissas | int, block_size: Mantissas | int
) -> Mantissas:
    """What the quantity inside one tier comes to, at the price scale; its flat amount is not included."""
    if profile.blocks is BlockScope.TIER:
        inside = whole_blocks(inside, block_size, profile.block_rounding)
    amount = inside * unit
    if profile.tier_rounding:
        amount = divide_rounded(amount, 10 ** (scales.priced + scales.unit - profile.digits), profile.mode)
        amount = amount * 10 ** (scales.price - profile.digits)
    result: Mantissas = amount
    return result


def settled_flat(profile: Profile, scales: Scales, flat: Mantissas) -> Mantissas:
    """Flat amounts at the price scale, rounded where each tier is rounded."""
    if not profile.tier_rounding:
        return flat
    excess = 10 ** (scales.price - profile.digits)
    settled: Mantissas = divide_rounded(flat.ravel(), excess, profile.mode).reshape(flat.shape) * excess
    return settled


def tier_index(
    tables: Tables, schedule: ScheduleColumn, counted: Mantissas, *, lower_inclusive: bool
) -> npt.NDArray[np.intp] | None:
    """The tier that each quantity belongs to: how many bounds it has passed. None where there is one tier."""
    if not len(tables.upper):
        return None
    passed = np.zeros(len(counted), dtype=np.int8)
    for bounds in tables.upper:
        bound = pick(bounds, None, schedule)
        over = counted >= bound if lower_inclusive else counted > bound
        passed += over.view(np.int8)
    return passed.astype(np.intp)


def counted_units(
    profile: Profile, tables: Tables, schedule: ScheduleColumn, quantity: Mantissas
) -> Mantissas:
    """What the tiers count: the quantity itself, or its whole blocks."""
    if profile.blocks is not BlockScope.TOTAL:
        return quantity
    return whole_blocks(quantity, pick(tables.block_size, None, schedule), profile.block_rounding)


def price_amount(
    profile: Profile, scales: Scales, tables: Tables, schedule: ScheduleColumn, quantity: Mantissas
) -> Mantissas:
    """What each quantity costs before discounts, at the price scale.

    The tier is chosen by comparisons. Where nothing is rounded inside tiers, a price is affine in each of them:
    one multiplication and one addition. Otherwise what lies inside the tier is rounded on its own and added to
    what is owed at the tier's start.
    """
    counted = counted_units(profile, tables, schedule, quantity)
    tier = tier_index(tables, schedule, counted, lower_inclusive=profile.lower_inclusive)
    return _amount_in_tier(profile, scales, tables, schedule, counted, tier)


def carried_amount(
    profile: Profile,
    scales: Scales,
    tables: Tables,
    schedule: ScheduleColumn,
    before: Mantissas,
    quantity: Mantissas,
) -> Mantissas:
    """What each quantity costs on a counter that holds `before`, with what is due without usage; never below zero.

    A cumulative schedule: price(before + quantity) - price(before) + price(0). Any other: all three at the tier of
    before + quantity.
    """
    counted, earlier = (
        counted_units(profile, tables, schedule, each) for each in (before + quantity, before)
    )
    tier = tier_index(tables, schedule, counted, lower_inclusive=profile.lower_inclusive)
    of_earlier = of_nothing = tier
    nothing = np.zeros_like(counted)
    if profile.cumulative:
        of_earlier, of_nothing = (
            tier_index(tables, schedule, each, lower_inclusive=profile.lower_inclusive)
            for each in (earlier, nothing)
        )
    amount: Mantissas = _amount_in_tier(profile, scales, tables, schedule, counted, tier)
    amount -= _amount_in_tier(profile, scales, tables, schedule, earlier, of_earlier)
    amount += _amount_in_tier(profile, scales, tables, schedule, nothing, of_nothing)
    return amount


def _amount_in_tier(
    profile: Profile,
    scales: Scales,
    tables: Tables,
    schedule: ScheduleColumn,
    counted: Mantissas,
    tier: npt.NDArray[np.intp] | None,
) -> Mantissas:
    unit = pick(tables.unit, tier, schedule)
    if not profile.tier_rounding and profile.blocks is not BlockScope.TIER:
        amount: Mantissas = counted * unit
        amount += pick(tables.affine, tier, schedule)
        return amount
    inside = counted - pick(tables.lower, tier, schedule)
    size = pick(tables.block_size, None, schedule)
    return usage_amount(profile, scales, inside, unit, size) + pick(tables.base, tier, schedule)
