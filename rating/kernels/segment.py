"""Charges that were rated together: one plan, one path."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rating.kernels.breakdown import TierBreakdown, break_down
from rating.kernels.charges import Charges
from rating.kernels.plan import Plan
from rating.kernels.profile import Source
from rating.kernels.stages import Inputs, Outcome, run_stages
from rating.kernels.tables import Tables
from rating.numbers.decimals import DecimalColumn

Rows: TypeAlias = npt.NDArray[np.int64] | slice

EVERY = slice(None)


@dataclass(frozen=True, eq=False)
class Segment:
    """m charges of one plan on one path. `rows` are their places among all charges, rising."""

    plan: Plan
    tables: Tables
    rows: Rows
    inputs: Inputs
    outcome: Outcome

    def recorded(self) -> Outcome:
        """The charges rated again, with the amounts after every stage."""
        return run_stages(self.plan, self.tables, self.inputs, record=True)

    def billable(self, charges: Charges) -> DecimalColumn:
        """The billable quantities."""
        if self.plan.profile.source is Source.QUANTITY:
            return self.outcome.billable
        own = charges.quantity.take(self.rows)
        return own.maximum(DecimalColumn.zeros(len(own)))

    def broken_down(self, charges: Charges, *, merge: bool = True) -> TierBreakdown:
        """The tier entries."""
        by_quantity = self.plan.profile.source is Source.QUANTITY
        price = self.outcome.whole if by_quantity else self.recorded().stages["price"]
        return break_down(self.plan, self.tables, self.inputs, self.billable(charges), price, merge=merge)

    def part(self, rows: npt.NDArray[np.int64]) -> "Segment | None":
        """Those of its charges that are among these, which now stand at their places in `rows`; None without any."""
        if isinstance(self.rows, slice):
            return self._taken(rows, EVERY)
        if not len(self.rows):
            return None
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        found = np.flatnonzero(self.rows[places] == rows)
        if not len(found):
            return None
        return self._taken(places[found], EVERY if len(found) == len(rows) else found)

    def _taken(self, places: npt.NDArray[np.int64], rows: Rows) -> "Segment":
        return Segment(self.plan, self.tables, rows, self.inputs.part(places), self.outcome.part(places))
