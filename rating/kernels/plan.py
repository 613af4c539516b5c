"""Prices compiled to integer tables, and the proof of which quantities int64 can rate with them.

Rules:
1. Prices of equal profile are rated in one pass; a table has one column for each of their schedules.
2. Tables hold mantissas at the plan's scales, so that the kernels only add, multiply and compare.
3. `magnitude_max` follows the largest possible quantity through every step of the pipeline, in Python ints, and
   returns the largest intermediate. `narrow_max` is the largest measured mantissa for which that stays within
   NARROW_MAX: at or below it the int64 path is exact; charges above it are rated with Python ints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from math import gcd

import numpy as np
import numpy.typing as npt

from rating.kernels.kernels import settled_flat, usage_amount
from rating.kernels.profile import Profile, Scales, analysed, kept_share
from rating.kernels.tables import Tables
from rating.numbers.decimals import NARROW_MAX, objects, scaled_int
from rating.numbers.rounding import Mantissas
from rating.prices.models import BlockScope
from rating.prices.price import Price


@dataclass(frozen=True)
class Plan:
    """One profile with the tables of its schedules, for quantities of `scales.measured` fractional digits."""

    profile: Profile
    scales: Scales
    wide: Tables
    first_tier: npt.NDArray[np.int64]
    """int64[R], the place of a schedule's first tier among those of its price: 0 but for a matrix."""

    @cached_property
    def narrow(self) -> Tables | None:
        return self.wide.narrowed()

    def magnitude_max(self, measured: int, before: int = 0) -> int:
        """The largest intermediate while rating |mantissas| up to `measured`, on counters up to `before`."""
        profile, scales, tables = self.profile, self.scales, self.wide
        steps = [measured]
        if profile.conversion is not None:
            multiplier, divisor = self.conversion_ratio
            steps.append(max(steps[-1], 1) * multiplier + divisor)
            steps.append(steps[-1] // divisor + 1)
        steps.append(max(steps[-1], 1) * 10 ** (scales.quantity - scales.converted) + before)
        if profile.blocks:
            steps.append(steps[-1] + tables.largest["block_size"])
        steps.append(steps[-1] + tables.largest["lower"])
        steps.append(steps[-1] * tables.largest["unit"] + 10 ** (scales.priced + scales.unit))
        if profile.tier_rounding:
            steps.append(steps[-1] * 10 ** (scales.price - profile.digits))
        steps.append(steps[-1] + max(tables.largest["base"], tables.largest["affine"]))
        if profile.has_percent_off:
            steps.append(steps[-1] * tables.largest["percent_kept"])
        steps.append(steps[-1] + tables.largest["amount_off"])
        steps.append(max(steps[-1], tables.largest["minimum"]) + 10**scales.amount)
        steps.append(steps[-1] * 10 ** max(0, profile.digits - scales.amount))
        return max(steps)

    def is_narrow(self, measured: int, before: int = 0) -> bool:
        """Whether int64 rates |measured mantissas| up to this one exactly, on counters up to `before`."""
        return self.narrow is not None and self.magnitude_max(measured, before) <= NARROW_MAX

    def narrow_max(self, before: int = 0) -> int:
        """The largest |measured mantissa| that int64 rates exactly; -1 if not even 0."""
        if not self.is_narrow(0, before):
            return -1
        low, high = 0, NARROW_MAX + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_narrow(middle, before) else (low, middle)
        return low

    @cached_property
    def conversion_ratio(self) -> tuple[int, int]:
        """(multiplier, divisor) of ints that turn a measured mantissa into a converted one; divisor 1: exact."""
        conversion, scales = self.profile.conversion, self.scales
        if conversion is None:
            return 1, 1
        ratio = conversion.factor if conversion.factor is not None else conversion.divisor
        numerator, denominator = (ratio or Decimal(1)).as_integer_ratio()
        if conversion.factor is None:
            numerator, denominator = denominator, numerator
        shift = scales.converted - scales.measured
        numerator, denominator = numerator * 10 ** max(shift, 0), denominator * 10 ** max(-shift, 0)
        common = gcd(numerator, denominator)
        return numerator // common, denominator // common


FEW_PRICES = 64
"""Up to so many prices a plan takes at most 100 KB, so a thousand are kept; of larger ones, a catalog has few."""


def compile_plan(profile: Profile, scales: Scales, prices: tuple[Price, ...]) -> Plan:
    """The plan of all schedules of one profile that prices have, in order; kept, since bills repeat with the same prices."""
    return (_few if len(prices) <= FEW_PRICES else _many)(profile, scales, prices)


@lru_cache(maxsize=1024)
def _few(profile: Profile, scales: Scales, prices: tuple[Price, ...]) -> Plan:
    return _compiled(profile, scales, prices)


@lru_cache(maxsize=16)
def _many(profile: Profile, scales: Scales, prices: tuple[Price, ...]) -> Plan:
    return _compiled(profile, scales, prices)


def _compiled(profile: Profile, scales: Scales, prices_of_profile: tuple[Price, ...]) -> Plan:
    alike = [
        (price, each) for price in prices_of_profile for each in analysed(price) if each.profile == profile
    ]
    prices = [price for price, each in alike for _ in each.schedules]
    schedules = [schedule for _, each in alike for schedule in each.schedules]

    def column(values: Sequence[Decimal | None], scale: int) -> Mantissas:
        return objects(scaled_int(value or Decimal(0), scale) for value in values)

    def table(rows: Sequence[Sequence[Decimal]], scale: int) -> Mantissas:
        stacked = [column([row[tier] for row in rows], scale) for tier in range(len(rows[0]))]
        return np.array(stacked, dtype=object).reshape(len(rows[0]), len(rows))

    upper = table([schedule.upper for schedule in schedules], scales.quantity)
    block_size = column([schedule.block_size for schedule in schedules], scales.quantity)
    if profile.blocks is BlockScope.TOTAL:
        upper = upper // block_size
    unit = table([schedule.unit for schedule in schedules], scales.unit)
    flat = settled_flat(profile, scales, table([schedule.flat for schedule in schedules], scales.price))
    lower, base = _accumulated(profile, scales, upper, unit, flat, block_size)
    return Plan(
        profile,
        scales,
        Tables(
            upper=upper,
            lower=lower,
            unit=unit,
            flat=flat,
            base=base,
            affine=base - unit * lower,
            allowance=column([schedule.allowance for schedule in schedules], scales.quantity),
            block_size=block_size,
            percent_kept=column([kept_share(price) for price in prices], profile.percent_scale),
            amount_off=column([price.amount_off for price in prices], scales.amount),
            maximum=column([price.maximum_amount for price in prices], scales.amount),
            minimum=column([price.minimum_amount for price in prices], scales.amount),
        ),
        np.concatenate([each.first_tier for _, each in alike]),
    )


def _accumulated(
    profile: Profile,
    scales: Scales,
    upper: Mantissas,
    unit: Mantissas,
    flat: Mantissas,
    block_size: Mantissas,
) -> tuple[Mantissas, Mantissas]:
    """`lower` and `base` of every tier: what the tiers below come to, each with its own rounding."""
    lower, base = np.zeros_like(unit), flat.copy()
    if profile.cumulative:
        for tier in range(1, profile.tiers):
            lower[tier] = upper[tier - 1]
            below = lower[tier] - lower[tier - 1]
            base[tier] += base[tier - 1] + usage_amount(profile, scales, below, unit[tier - 1], block_size)
    return lower, base
