"""Which subscriptions have fees in advance, and since when what is due of them. Pure.

Rules:
1. A price with `timing: in_advance`, which has no meter, is due when what it is for begins: its billing period, or the terms that bring it inside one.
2. Who has such a fee is told from the terms that hold: those of a plan with one in some version, or with add-ons while some plan has
   one. Rating tells for certain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.running_periods.invoicing_thresholds import running_rows
from engine.billing.segments import Index, periods_of_rows
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.settled import Settled
from engine.catalog.snapshots.snapshot import Catalog


@dataclass(frozen=True, eq=False, slots=True)
class AdvanceFees:
    """Of n subscriptions that run at an instant, and may have a fee in advance.

    Attributes:
        rows: int64[n], rising.
        begun_us: int64[n], since when what is due of each now: its period's start, or when its terms changed inside it.
        next_us: when one of them, or one that doesn't run yet, begins something next.
    """

    rows: Index
    begun_us: Instants
    next_us: int


def advance_fees(catalog: Catalog, rows: Index, at_us: int) -> AdvanceFees:
    """Those of these subscriptions; `rows` rise."""
    columns, may_have = catalog.subscription_columns, catalog.advance_terms
    if not may_have.any():
        return AdvanceFees(rows[:0], rows[:0], NEVER_US)
    nexts = [np.array([NEVER_US])]
    start_us = columns.start_us[rows]
    nexts.append(start_us[start_us > at_us])
    rows = running_rows(catalog, rows, at_us)
    step = columns.steps_at(rows, at_us)
    later = step[step + 1 < columns.step_offsets[rows + 1]] + 1
    nexts.append(columns.step_start_us[later])
    has_fee = may_have[columns.step_terms[step]]
    rows, step = rows[has_fee], step[has_fee]
    periods = periods_of_rows(catalog, rows, at_us)
    nexts.append(periods.end_us[periods.exists])
    begun_us = np.maximum(periods.start_us, columns.step_start_us[step])
    next_us = min(int(each.min(initial=NEVER_US)) for each in nexts)
    return AdvanceFees(rows[periods.exists], begun_us[periods.exists], next_us)


def may_have_fees(catalog: Catalog, rows: Index, at_us: int) -> Index:
    """Those of these subscriptions that run at an instant, and may have a fee in advance."""
    may_have, columns = catalog.advance_terms, catalog.subscription_columns
    if not may_have.any():
        return rows[:0]
    rows = running_rows(catalog, rows, at_us)
    found: Index = rows[may_have[columns.step_terms[columns.steps_at(rows, at_us)]]]
    return found


def lines_in_advance(found: Settled, parts: Sequence[Rated]) -> npt.NDArray[np.bool_]:
    """bool[lines of `found`, which was made from `parts`]: which are of a price in advance."""
    is_in_advance = np.zeros(len(found.settlement.kind), dtype=np.bool_)
    part, line = found.invoiced.part, found.invoiced.line
    for number, rated in enumerate(parts):
        flags = np.fromiter((each.is_in_advance for each in rated.charges.prices), np.bool_)
        if not flags.any():
            continue
        own = np.flatnonzero(part == number)
        charge = np.searchsorted(rated.offsets, line[own], side="right") - 1
        is_in_advance[own] = flags[rated.charges.price[charge]]
    return is_in_advance
