"""What prices share that can be rated in one pass: shapes, flags and scales, but no amounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fields import fraction_digits
from rating.numbers.decimals import EXACT
from rating.numbers.rounding import RoundingMode
from rating.prices.conversion import Conversion
from rating.prices.models import BlockScope, Boundary, Model, Scope, Whole
from rating.prices.price import Price
from rating.prices.schedule import Schedule, schedules_of


class Source(StrEnum):
    """What the tiers of a schedule count."""

    QUANTITY = "quantity"
    EVENTS = "events"
    """The fees of a percentage price with terms per event, worked out event by event."""
    UNITS = "units"
    """The index of the highest capacity tier that any of several units reaches."""


@dataclass(frozen=True)
class Profile:
    """Shapes, flags and scales of prices; prices of equal profile share one plan.

    The scales are the fractional digits of: `bound_scale` up_to, allowance and block sizes; `unit_scale` unit
    amounts; `money_scale` all other amounts; `percent_scale` the share that a percent discount
    leaves.
    """

    source: Source
    tiers: int
    cumulative: bool
    lower_inclusive: bool
    blocks: BlockScope | None
    block_rounding: Whole
    mode: RoundingMode
    tier_rounding: bool
    digits: int
    conversion: Conversion | None
    bound_scale: int
    unit_scale: int
    money_scale: int
    percent_scale: int
    has_allowance: bool
    has_percent_off: bool
    has_amount_off: bool
    has_maximum: bool
    has_minimum: bool


@dataclass(frozen=True, eq=False)
class AlikeSchedules:
    """Those schedules of a price that have one profile.

    Attributes:
        place: int64[s], their places among the price's schedules, rising: the cells of a matrix, else 0.
        first_tier: int64[s], the place of the first tier of each among all tiers of the price.
    """

    profile: Profile
    schedules: tuple[Schedule, ...]
    place: npt.NDArray[np.int64]
    first_tier: npt.NDArray[np.int64]


@lru_cache(maxsize=16_384)  # a few KB each
def analysed(price: Price) -> tuple[AlikeSchedules, ...]:
    """The schedules of a price by profile; kept, since a catalog's prices are rated again and again.

    A price has one profile, but for a matrix whose cells have tiers: one for each number and kind of tiers.
    """
    schedules = schedules_of(price)
    tiers = [len(each.unit) for each in schedules]
    first_tier = np.cumsum([0, *tiers[:-1]], dtype=np.int64)
    by_shape: dict[tuple[int, bool], list[int]] = {}
    for place, each in enumerate(schedules):
        by_shape.setdefault((len(each.unit), each.cumulative), []).append(place)
    found = []
    for places in by_shape.values():
        own = tuple(schedules[place] for place in places)
        at = np.array(places, dtype=np.int64)
        found.append(AlikeSchedules(_the_one(profile_of(price, own)), own, at, first_tier[at]))
    return tuple(found)


@lru_cache(maxsize=4096)
def _the_one(profile: Profile) -> Profile:
    """One object for all equal profiles, so that most comparisons end at identity."""
    return profile


def profile_of(price: Price, schedules: Sequence[Schedule]) -> Profile:
    """The profile of schedules of a price that have equally many tiers, counted alike."""
    first = schedules[0]
    source = Source.QUANTITY
    if price.needs_events:
        source = Source.EVENTS
    elif price.model is Model.CAPACITY:
        source = Source.UNITS
    bounds = [value for one in schedules for value in (*one.upper, one.allowance, one.block_size)]
    money = [value for one in schedules for value in one.flat]
    return Profile(
        source=source,
        tiers=len(first.unit),
        cumulative=first.cumulative,
        lower_inclusive=price.boundary is Boundary.LOWER_INCLUSIVE and source is Source.QUANTITY,
        blocks=None if first.block_size is None else first.block_scope,
        block_rounding=first.block_rounding,
        mode=price.rounding.mode,
        tier_rounding=price.rounding.scope is Scope.TIER,
        digits=price.digits,
        conversion=price.conversion,
        bound_scale=_scale(bounds),
        unit_scale=_scale(value for one in schedules for value in one.unit),
        money_scale=_scale([*money, price.amount_off, price.maximum_amount, price.minimum_amount]),
        percent_scale=_scale([kept_share(price)]),
        has_allowance=any(one.allowance for one in schedules),
        has_percent_off=price.percent_off is not None,
        has_amount_off=price.amount_off is not None,
        has_maximum=price.maximum_amount is not None,
        has_minimum=price.minimum_amount is not None,
    )


def kept_share(price: Price) -> Decimal:
    """The share of an amount that the price's percent discount leaves: 0.9 for 10 %."""
    return EXACT.subtract(Decimal(1), (price.percent_off or Decimal(0)).scaleb(-2, EXACT))


def _scale(values: Iterable[Decimal | None]) -> int:
    return max((fraction_digits(value) for value in values if value is not None), default=0)


@dataclass(frozen=True)
class Scales:
    """Fractional digits of the mantissas along the pipeline."""

    measured: int
    """Of what arrives."""
    converted: int
    """After the unit conversion."""
    quantity: int
    """Enough for every bound and allowance besides."""
    counted: int
    """Of what the tiers count: units, or whole blocks."""
    priced: int
    """Of what a unit amount multiplies: units, or whole blocks."""
    unit: int
    """Of unit amounts."""
    price: int
    """Of the price stage's amounts."""
    amount: int
    """Of all later amounts."""


def scales_of(profile: Profile, measured: int, counter: int = 0) -> Scales:
    """The scales to rate quantities of `measured` fractional digits, on counters that have `counter` of them."""
    converted = measured
    conversion = profile.conversion
    if conversion is not None:
        converted += fraction_digits(conversion.factor) if conversion.factor is not None else 0
        converted = converted if conversion.digits is None else conversion.digits
    quantity = max(converted, profile.bound_scale, counter)
    counted = 0 if profile.blocks is BlockScope.TOTAL else quantity
    priced = 0 if profile.blocks else quantity
    if profile.tier_rounding:
        price = max(profile.digits, profile.money_scale)
        unit = max(profile.unit_scale, profile.digits - priced)
    else:
        price = max(priced + profile.unit_scale, profile.money_scale)
        unit = price - priced
    amount = price + profile.percent_scale
    return Scales(measured, converted, quantity, counted, priced, unit, price, amount)
