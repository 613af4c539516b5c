"""Which revenue splits are on which lines, and what each recipient has. Pure.

Rules:
1. A line has the split that names its price, or its whole plan, and holds at the last instant of its billing period.
2. The lines of an invoice that have one split are split together (rating.settlement.splits has the rest).
3. Only lines of the periods that were asked for are split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.invoices import InvoicedLines
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.kinds.revenue_split import RevenueSplit
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us
from rating import Split

_EVER_US = -(2**63)


@dataclass(frozen=True, eq=False, slots=True)
class RevenueSplits:
    """What lines are split by; `line_split`: of each line, int64[n], a place in `revenue_splits`, -1 for none."""

    revenue_splits: Sequence[RevenueSplit]
    line_split: Index

    @property
    def terms(self) -> Sequence[Split]:
        return [each.split for each in self.revenue_splits]


def split_customers(catalog: Catalog, rated: Rated, customers: CustomerNumbers) -> Index:
    """The numbers of those who have a charge of a price that is ever split, rising."""
    if not catalog.revenue_splits_of:
        return np.zeros(0, dtype=np.int64)
    charges = rated.charges
    has_split = [bool(_of_price(catalog, each.plan.id, each.price.id)) for each in charges.prices]
    own = np.flatnonzero(np.array(has_split, dtype=np.bool_)[charges.price])
    return np.unique(customers.numbers(charges.row[own]))


def revenue_splits(catalog: Catalog, invoiced: InvoicedLines) -> RevenueSplits:
    """The split of each line (rules 1 and 3)."""
    lines = invoiced.lines
    line_split = np.full(len(lines), -1, dtype=np.int64)
    if not catalog.revenue_splits_of:
        return RevenueSplits((), line_split)
    found: dict[str, int] = {}
    splits: list[RevenueSplit] = []
    of_price = [_of_price(catalog, *name.split("/")) for name in lines.price_ids]
    for own in of_price:
        for each in own:
            if found.setdefault(each.id, len(splits)) == len(splits):
                splits.append(each)
    start_us = np.array([_us(each.start, _EVER_US) for each in splits], dtype=np.int64)
    end_us = np.array([_us(each.end, NEVER_US) for each in splits], dtype=np.int64)
    for turn in range(max(map(len, of_price), default=0)):
        # Of each price its split of this turn, and -1 behind the last one, for lines without a price.
        chosen = [found[own[turn].id] if turn < len(own) else -1 for own in of_price]
        split = np.array([*chosen, -1], dtype=np.int64)[lines.price]
        holds = (split >= 0) & (start_us[split] <= lines.at_us) & (lines.at_us < end_us[split])
        line_split = np.where(holds & (invoiced.part == 0), split, line_split)
    return RevenueSplits(splits, line_split)


def _of_price(catalog: Catalog, plan: str, price: str) -> Sequence[RevenueSplit]:
    """The splits of a price, at whatever time."""
    of_plan = catalog.revenue_splits_of.get(plan, ())
    return [each for each in of_plan if not each.prices or price in each.prices]


def _us(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else datetime_us(at)
