"""Billing periods in the past, rated anew at one watermark: those that end in a span of time, as a close and a simulation rate
them, and those before, in which credit may have been drawn. Pure.

A period belongs to the span in which it ends: after its start, up to its end, which is included.

Credit balances are derived, never kept: so an answer costs one more rating of a customer for each period since its credit
began. All customers' periods of one step back are rated together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.billing.segments import Index, periods_of_rows
from engine.billing.terms.grants import NEVER_US
from engine.catalog.snapshots.snapshot import Catalog

RateAt: TypeAlias = Callable[[Index, Instants], Iterator[Rated]]
"""Rates subscriptions, whose rows rise, each in the billing period that contains an instant of its own."""


@dataclass(frozen=True, slots=True)
class History:
    """What came before the periods that contain `at_us`."""

    at_us: int
    rate: RateAt

    @classmethod
    def of(cls, rater: Rater, snapshot: Snapshot) -> "History":
        """That of an answer."""
        return cls(snapshot.at_us, partial(rater.rate_at, snapshot))

    def before(self, catalog: Catalog, rows: Index, since_us: Instants) -> Iterator[Rated]:
        """The lines of these subscriptions' earlier periods that end after instants of their own, step by step back."""
        columns = catalog.subscription_columns
        current = periods_of_rows(catalog, rows, self.at_us)
        last_us = np.minimum(self.at_us, columns.end_us[rows] - 1)
        at_us = np.where(current.exists, current.start_us - 1, last_us)
        yield from earlier_periods(self.rate, catalog, rows, at_us, since_us)


def earlier_periods(
    rate: RateAt, catalog: Catalog, rows: Index, at_us: Instants, since_us: Instants
) -> Iterator[Rated]:
    """The lines of subscriptions' periods that end after `since_us`: those that contain `at_us`, those before them, and so on."""
    while len(rows):
        periods = periods_of_rows(catalog, rows, at_us)
        kept = np.flatnonzero(periods.exists & (periods.end_us > since_us))
        rows, at_us, since_us = rows[kept], at_us[kept], since_us[kept]
        if len(rows):
            yield from rate(rows, at_us)
        at_us = periods.start_us[kept] - 1


def ended_between(
    rate: RateAt, catalog: Catalog, rows: Index, from_us: int, until_us: int
) -> Iterator[Rated]:
    """All periods of these subscriptions, whose rows rise, that end in the span; at least one part, be it empty."""
    columns = catalog.subscription_columns
    at_us = np.maximum(from_us, columns.start_us[rows])
    is_first = True
    while is_first or len(rows):
        periods = periods_of_rows(catalog, rows, at_us)
        ends = (from_us < periods.end_us) & (periods.end_us <= until_us)
        kept = np.flatnonzero(periods.exists & ends)
        rows, at_us = rows[kept], periods.end_us[kept]
        if is_first or len(rows):
            yield from rate(rows, at_us - 1)
        goes_on = np.flatnonzero(at_us < columns.end_us[rows])
        rows, at_us, is_first = rows[goes_on], at_us[goes_on], False


def ended_before(
    rate: RateAt, catalog: Catalog, rows: Index, from_us: int, since_us: Instants
) -> Iterator[Rated]:
    """Periods that ended before the span, and after instants of their own; of NEVER_US none."""
    columns = catalog.subscription_columns
    first = periods_of_rows(catalog, rows, np.maximum(from_us, columns.start_us[rows]))
    goes_on = first.exists & (first.end_us > from_us)
    behind_us = np.minimum(from_us, columns.end_us[rows])
    at_us = np.where(goes_on, first.start_us, behind_us) - 1
    wanted = np.flatnonzero(since_us < NEVER_US)
    return earlier_periods(rate, catalog, rows[wanted], at_us[wanted], since_us[wanted])
