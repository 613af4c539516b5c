"""Billing periods: which half-open stretch of time a charge is for.

Rules:
1. A subscription's periods are counted from its anchor: the anchor plus n periods of its plan, always from the anchor and
   never from the period before, so that an anchor of 31 January gives 28 February and then 31 March.
2. Anchors and periods are of the subscription's time zone: an edge is a wall clock there, turned to an instant once
   (engine.time_zones says what becomes of one that clocks skip or show twice). By default the anchor is the subscription's
   start, on its local day and time; `calendar` means local midnight where the unit begins (the 1st, a Monday, 1 January),
   and a date means local midnight of that day.
3. Periods meet without gap or overlap. The first one begins where the subscription starts, and the last one ends where it
   ends, and is still the answer until it would have ended: a job that asks at the end of the month misses no
   customer who left.
4. What is billed once (an invoice item) has one period, from its start to its end, and is no answer behind that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.catalog.kinds.plan import BillingPeriod
from engine.catalog.kinds.subscription import CALENDAR
from engine.time_zones import zone

Instants = npt.NDArray[np.int64]
"""Microseconds since 1970, int64[n]."""

DAY_US: Final = 86_400_000_000
_MONTHS: Final[Mapping[BillingPeriod, int]] = {
    BillingPeriod.MONTH: 1,
    BillingPeriod.QUARTER: 3,
    BillingPeriod.YEAR: 12,
}
_DAYS: Final[Mapping[BillingPeriod, int]] = {BillingPeriod.DAY: 1, BillingPeriod.WEEK: 7}
# The calendar's anchors: the first Monday of 1970 begins weeks, its first day everything else.
_FIRST_MONDAY: Final = 4


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """`[start, end)`; both are aware and in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PeriodSchedule:
    """What periods are counted by: so many of a unit, in a zone, from an anchor (rule 2; None: each start). `is_once`: rule 4."""

    unit: BillingPeriod
    count: int
    zone: str
    anchor: str | None
    is_once: bool = False

    @property
    def months(self) -> int:
        """How many months a period has; 0 for one of days."""
        return _MONTHS.get(self.unit, 0) * self.count

    @property
    def days(self) -> int:
        return _DAYS.get(self.unit, 0) * self.count

    def anchor_us(self, starts_us: Instants) -> Instants:
        """The anchors of subscriptions that start then, as wall clocks."""
        if self.anchor is None:
            return zone(self.zone).wall_us(starts_us)
        day = _FIRST_MONDAY if self.unit is BillingPeriod.WEEK else 0
        if self.anchor != CALENDAR:
            day = (date.fromisoformat(self.anchor) - date(1970, 1, 1)).days
        return np.full(len(starts_us), day * DAY_US, dtype=np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class PeriodColumns:
    """Of n subscriptions the periods that contain an instant; what stands where `exists` is False means nothing.

    Attributes:
        start_us, end_us: int64[n], cut at the subscription's start and end.
        whole_start_us, whole_end_us: int64[n], as the schedule has it.
        exists: bool[n].
    """

    start_us: Instants
    end_us: Instants
    whole_start_us: Instants
    whole_end_us: Instants
    exists: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, length: int) -> "PeriodColumns":
        """To `put` some into."""
        start_us, end_us, whole_start_us, whole_end_us = np.zeros((4, length), dtype=np.int64)
        exists = np.zeros(length, dtype=np.bool_)
        return cls(start_us, end_us, whole_start_us, whole_end_us, exists)

    def put(self, places: Instants, periods: "PeriodColumns") -> None:
        for name in self.__slots__:
            getattr(self, name)[places] = getattr(periods, name)

    def part(self, places: Instants) -> "PeriodColumns":
        return PeriodColumns(*(getattr(self, name)[places] for name in self.__slots__))


def periods_at(
    starts_us: Instants, ends_us: Instants, schedule: PeriodSchedule, at_us: int | Instants
) -> PeriodColumns:
    """The periods of subscriptions of one schedule. One that never ends has an end that is later than any instant."""
    local = zone(schedule.zone)
    number = numbers_at(starts_us, schedule, at_us)
    added = _adder(schedule, schedule.anchor_us(starts_us))
    whole_start_us, whole_end_us = local.instants_us(added(number)), local.instants_us(added(number + 1))
    if schedule.anchor is None:
        # The first edge is the start, also where clocks show its time twice and it is the second.
        whole_start_us = np.where(number == 0, starts_us, whole_start_us)
    start_us = np.maximum(whole_start_us, starts_us)
    exists = (starts_us <= at_us) & (start_us < ends_us)
    if schedule.is_once:
        exists &= at_us < ends_us
    return PeriodColumns(start_us, np.minimum(whole_end_us, ends_us), whole_start_us, whole_end_us, exists)


def starts_before(
    starts_us: Instants, schedule: PeriodSchedule, at_us: Instants, count: Instants
) -> Instants:
    """Of subscriptions of one schedule the starts of the whole periods that come so many before those that contain these
    instants; periods are counted on before a subscription's own start.
    """
    number = numbers_at(starts_us, schedule, at_us)
    return zone(schedule.zone).instants_us(_adder(schedule, schedule.anchor_us(starts_us))(number - count))


def numbers_at(starts_us: Instants, schedule: PeriodSchedule, at_us: int | Instants) -> Instants:
    """The numbers of the periods that contain these instants, counted from the anchor."""
    local = zone(schedule.zone)
    anchor_us = schedule.anchor_us(starts_us)
    wall_us = local.wall_us(np.atleast_1d(np.asarray(at_us, dtype=np.int64)))
    added = _adder(schedule, anchor_us)
    if schedule.days:
        number = (wall_us - anchor_us) // (schedule.days * DAY_US)
    else:
        number = (_month_of(wall_us // DAY_US) - _month_of(anchor_us // DAY_US)) // schedule.months
        number = np.where(added(number) > wall_us, number - 1, number)
    # Clocks may have been turned between an edge and the instant.
    later = local.instants_us(added(number + 1)) <= at_us
    earlier = local.instants_us(added(number)) > at_us
    return number + later - earlier if later.any() or earlier.any() else number


def _adder(schedule: PeriodSchedule, anchor_us: Instants) -> Callable[[Instants], Instants]:
    """Gives the wall clocks of the edges of these numbers."""
    if schedule.days:
        return lambda number: anchor_us + number * (schedule.days * DAY_US)
    day = anchor_us // DAY_US
    time_us, month = anchor_us - day * DAY_US, _month_of(day)
    day_of_month = day - _first_day_of(month)

    def added(number: Instants) -> Instants:
        """The same day and time so many months later, or the last day of a month that has no such day."""
        first = _first_day_of(month + number * schedule.months)
        last: Instants = _first_day_of(month + number * schedule.months + 1) - 1
        edges: Instants = np.minimum(first + day_of_month, last) * DAY_US + time_us
        return edges

    return added


def _month_of(day: Instants) -> Instants:
    """The month of a day; both counted from January 1970."""
    months: Instants = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _first_day_of(month: Instants) -> Instants:
    days: Instants = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days
