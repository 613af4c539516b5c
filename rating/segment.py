"""Charges that were rated together: one plan, one path."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rating.breakdown import TierBreakdown, break_down
from rating.charges import Charges
from rating.decimals import DecimalColumn
from rating.plan import Plan
from rating.profile import Source
from rating.stages import Inputs, Outcome, run_stages
from rating.tables import Tables

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

    def recorded(self, places: slice = EVERY) -> Outcome:
        """Some of the charges rated again, with the amounts after every stage."""
        return run_stages(self.plan, self.tables, self.inputs.part(places), record=True)

    def billable(self, charges: Charges, places: slice = EVERY) -> DecimalColumn:
        """The billable quantities of some of the charges."""
        if self.plan.profile.source is Source.QUANTITY:
            return self.outcome.billable.take(places)
        own = charges.quantity.take(self.rows).take(places)
        return own.maximum(DecimalColumn.zeros(len(own)))

    def broken_down(self, charges: Charges, places: slice = EVERY, *, merge: bool = True) -> TierBreakdown:
        """The tier entries of some of the charges."""
        by_quantity = self.plan.profile.source is Source.QUANTITY
        price = self.outcome.exact.take(places) if by_quantity else self.recorded(places).stages["price"]
        inputs = self.inputs.part(places)
        return break_down(self.plan, self.tables, inputs, self.billable(charges, places), price, merge=merge)
