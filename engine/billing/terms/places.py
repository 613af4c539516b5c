"""Whose billing periods are settled together: customers by number, and the places of their subscriptions' periods. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from engine.billing.charges import BillingPeriods
from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.segments import Index, spread
from engine.catalog.snapshots.snapshot import Catalog


@dataclass(frozen=True, eq=False, slots=True)
class CustomerNumbers:
    """Some customers, numbered from 0: those who have a billing period, or a subscription.

    first_row, end_row: all subscriptions of each are [first_row, end_row), by their rows in the catalog's columns; rising.
    """

    first_row: Index
    end_row: Index

    @classmethod
    def of(cls, periods: BillingPeriods) -> "CustomerNumbers":
        return cls.of_rows(periods.catalog, periods.row)

    @classmethod
    def of_rows(cls, catalog: Catalog, row: Index) -> "CustomerNumbers":
        """The customers of some subscriptions, whose rows rise."""
        if not len(row):
            return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        columns = catalog.subscription_columns
        ids = columns.customer_id
        low = columns.rows_of(ids[int(row[0])].as_py()).start
        ids = ids[low : columns.customer_end(int(row[-1]))]
        is_next = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(np.r_[True, is_next])
        ends = np.append(starts[1:], len(ids))
        has_row = np.zeros(len(starts), dtype=np.bool_)
        has_row[np.searchsorted(starts, row - low, side="right") - 1] = True
        return cls(starts[has_row] + low, ends[has_row] + low)

    def __len__(self) -> int:
        return len(self.first_row)

    def numbers(self, row: Index) -> Index:
        """The customer of each of these rows, which are theirs."""
        found: Index = np.searchsorted(self.first_row, row, side="right") - 1
        return found

    def rows(self, numbers: Index) -> Index:
        """All subscriptions of some of them."""
        first = self.first_row[numbers]
        owner, within = spread(self.end_row[numbers] - first)
        return first[owner] + within

    def halves(self) -> tuple[Index, Index] | None:
        """All subscriptions of the first half of them, and of the other one; None for a single customer."""
        middle = len(self) // 2
        return (self.rows(np.arange(middle)), self.rows(np.arange(middle, len(self)))) if middle else None


@dataclass(frozen=True, eq=False, slots=True)
class PeriodPlaces:
    """p billing periods, part by part, of a part by row: a place is that of one subscription, also where terms change in it.

    Attributes:
        row: int64[p], the subscription's row in the catalog's columns.
        start_us, end_us: int64[p].
        part: int64[p], which of the rated parts it is of; 0 are the periods that were asked for.
        of_periods: of each part the places of its rated stretches.
    """

    row: Index
    start_us: Instants
    end_us: Instants
    part: Index
    of_periods: Sequence[Index]

    @classmethod
    def of(cls, parts: Sequence[Rated]) -> "PeriodPlaces":
        found: list[Index] = []
        of_periods = []
        offset = 0
        for number, rated in enumerate(parts):
            periods = rated.charges.periods
            rows, of_period = distinct(periods.row)
            one = np.searchsorted(periods.row, rows)
            own = [rows, periods.period_start_us[one], periods.period_end_us[one], np.full(len(rows), number)]
            found.append(np.stack(own))
            of_periods.append(of_period + offset)
            offset += len(rows)
        row, start_us, end_us, part = np.concatenate(found, axis=1)
        return cls(row, start_us, end_us, part, of_periods)

    def __len__(self) -> int:
        return len(self.row)


def distinct(keys: Index) -> tuple[Index, Index]:
    """The distinct ones, rising, and the place of each among them."""
    if (np.diff(keys) < 0).any():
        found, places = np.unique(keys, return_inverse=True)
        return found, places
    is_next = np.zeros(len(keys), dtype=np.bool_)
    is_next[1:] = keys[1:] != keys[:-1]
    is_first = is_next.copy()
    is_first[:1] = True
    return keys[is_first], np.cumsum(is_next)
