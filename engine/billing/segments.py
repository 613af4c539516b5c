"""Segments: a billing period cut where a subscription's terms change. Pure.

Rules:
1. The segments of a period tile it: they meet without gap or overlap, and each has one set of terms.
2. A price has the version of its plan that is effective since the subscription came to that plan
   (engine.catalog.snapshots.plan_versions), or the version that the terms name.
3. A segment that changes nothing for a price is no cut for it: its tiers go on, and it is one charge.
4. A price that is billed once is billed in the segment that begins when the subscription comes to its plan.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.billing.periods import (
    Instants,
    PeriodColumns,
    PeriodSchedule,
    numbers_at,
    periods_at,
    starts_before,
)
from engine.catalog.kinds.items.invoice_item import named_item
from engine.catalog.snapshots.plan_versions import NO_VERSION
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.subscription_columns import SubscriptionColumns
from engine.errors import MeterlineError

Index = npt.NDArray[np.int64]
"""Places or numbers, int64[n]."""
_NEVER_US = -1


@dataclass(frozen=True, eq=False, slots=True)
class SegmentColumns:
    """m segments of n periods, by period and start.

    Attributes:
        row: int64[n], the subscription's row in the catalog's columns, rising.
        periods: n billing periods.
        period: int64[m], the period of each segment, rising.
        start_us, end_us: int64[m].
        terms: int64[m], the place of its terms in the catalog's columns.
        version: int64[m], the place of the plan's version among its versions.
        since_us: int64[m], when the subscription came to the plan.
    """

    row: Index
    periods: PeriodColumns
    period: Index
    start_us: Instants
    end_us: Instants
    terms: Index
    version: Index
    since_us: Instants

    @property
    def are_whole(self) -> bool:
        """Whether each period is one segment."""
        return len(self.period) == len(self.row)


@dataclass(frozen=True, slots=True)
class NthPeriod:
    """Of each subscription one of its billing periods that start in [start, end), by number from 0."""

    start_us: int
    end_us: int
    number: int

    def instants_us(self, catalog: Catalog, rows: Index) -> Instants:
        """When it starts; before any subscription where there is none."""
        starts_us = catalog.subscription_columns.start_us[rows]
        periods = periods_of_rows(catalog, rows, np.maximum(self.start_us, starts_us))
        at_us = np.where(periods.start_us >= self.start_us, periods.start_us, periods.whole_end_us)
        if self.number:
            at_us = period_starts_before(catalog, rows, at_us, np.full(len(rows), -self.number))
        return np.where(at_us < self.end_us, at_us, _NEVER_US)

    def is_last(self, catalog: Catalog, rows: Index) -> bool:
        """Whether none of these has one with a later number."""
        following = NthPeriod(self.start_us, self.end_us, self.number + 1)
        return not periods_of_rows(catalog, rows, following.instants_us(catalog, rows)).exists.any()


def segments_at(catalog: Catalog, rows: Index, at_us: int | Instants) -> SegmentColumns:
    """The segments of these subscriptions' billing periods that contain an instant, or each one of its own. `rows` rise."""
    columns = catalog.subscription_columns
    periods = periods_of_rows(catalog, rows, at_us)
    found = np.flatnonzero(periods.exists)
    row, periods = rows[found], periods.part(found)
    period, step = steps_of_rows(columns, row)
    following = np.append(columns.step_start_us, 0)[step + 1]
    is_last = step + 1 == columns.step_offsets[row[period] + 1]
    start_us = np.maximum(columns.step_start_us[step], periods.start_us[period])
    end_us = np.minimum(np.where(is_last, periods.end_us[period], following), periods.end_us[period])
    here = np.flatnonzero(start_us < end_us)
    step = step[here]
    terms = columns.step_terms[step].astype(np.int64)
    since_us = columns.step_since_us[step]
    version = versions_held(catalog, terms, since_us)
    return SegmentColumns(row, periods, period[here], start_us[here], end_us[here], terms, version, since_us)


def steps_of_rows(columns: SubscriptionColumns, row: Index) -> tuple[Index, Index]:
    """Every step of these rows: which of them, and the step."""
    first = columns.step_offsets[row]
    counts = columns.step_offsets[row + 1] - first
    owner, within = spread(counts)
    return owner, first[owner] + within


def versions_held(catalog: Catalog, terms: Index, since_us: Instants) -> Index:
    """The place of the version that each has of its terms' plan (rule 2)."""
    columns = catalog.subscription_columns
    found = np.zeros(len(terms), dtype=np.int64)
    version = columns.terms_version[terms]
    for number, own in _groups(columns.terms_plan[terms].astype(np.int64)):
        plan = columns.plans[number]
        found[own] = catalog.billed_plans[plan].places_held(version[own], since_us[own])
        missing = own[found[own] == NO_VERSION]
        if len(missing):
            raise MeterlineError(
                f"a subscription has version {version[missing[0]]} of the plan {plan!r}, which has none"
            )
    return found


def periods_of_rows(catalog: Catalog, rows: Index, at_us: int | Instants) -> PeriodColumns:
    """The billing periods of subscriptions that contain an instant, or each an instant of its own, each by its own schedule."""
    columns = catalog.subscription_columns
    start_us, end_us = columns.start_us[rows], columns.end_us[rows]
    schedules = _schedules(catalog, rows)
    if len(schedules) == 1:
        return periods_at(start_us, end_us, schedules[0][0], at_us)
    joined = PeriodColumns.empty(len(rows))
    for schedule, own in schedules:
        at = at_us if isinstance(at_us, int) else at_us[own]
        joined.put(own, periods_at(start_us[own], end_us[own], schedule, at))
    return joined


def period_starts_before(catalog: Catalog, rows: Index, at_us: Instants, count: Index) -> Instants:
    """Of each subscription the start of the whole billing period that comes so many before the one that contains an instant."""
    found = np.zeros(len(rows), dtype=np.int64)
    starts_us = catalog.subscription_columns.start_us[rows]
    for schedule, own in _schedules(catalog, rows):
        found[own] = starts_before(starts_us[own], schedule, at_us[own], count[own])
    return found


def period_numbers(catalog: Catalog, rows: Index, at_us: Instants) -> Index:
    """Of each subscription the number of its billing period that contains an instant, counted from its anchor."""
    found = np.zeros(len(rows), dtype=np.int64)
    starts_us = catalog.subscription_columns.start_us[rows]
    for schedule, own in _schedules(catalog, rows):
        found[own] = numbers_at(starts_us[own], schedule, at_us[own])
    return found


def _schedules(catalog: Catalog, rows: Index) -> list[tuple[PeriodSchedule, Index]]:
    """Each schedule of periods that any of these has, with the places of those that have it."""
    columns = catalog.subscription_columns
    plan = columns.terms_plan[columns.step_terms[columns.step_offsets[rows]]].astype(np.int64)
    zones, zone = catalog.zones_of(rows)
    anchor = columns.anchor[rows].astype(np.int64)
    found: dict[PeriodSchedule, list[Index]] = {}
    key = (plan * (len(zones) + 1) + zone) * (len(columns.anchors) + 1) + anchor + 1
    for _, own in _groups(key):
        one = own[0]
        name = columns.plans[int(plan[one])]
        length = catalog.billed_plans[name].newest.resource.period_length
        own_anchor = None if anchor[one] < 0 else columns.anchors[int(anchor[one])]
        is_once = named_item(name) is not None
        schedule = PeriodSchedule(*length, zones[int(zone[one])], own_anchor, is_once)
        found.setdefault(schedule, []).append(own)
    return [(schedule, np.concatenate(each)) for schedule, each in found.items()]


def _groups(key: Index) -> list[tuple[int, Index]]:
    """Each value that there is, with its places, rising."""
    if not len(key):
        return []
    if key.min() == key.max():
        return [(int(key[0]), np.arange(len(key)))]
    order = np.argsort(key, kind="stable")
    values, first = np.unique(key[order], return_index=True)
    return list(zip(values.tolist(), np.split(order, first[1:]), strict=True))


def spread(counts: Index) -> tuple[Index, Index]:
    """Of `counts[i]` things of owner i, owner after owner: each one's owner, and its number among the owner's, from 0."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
