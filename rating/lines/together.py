"""The groups of one charge, rounded together.

Rules:
1. A price over several groups of its meter's dimensions is one charge. Its groups keep their exact amounts; the sum of
   these is rounded once, as the price says, and the rounded total is shared out among the groups by the largest
   remainder (rating.numbers.allocate): no share is a whole unit away from its exact amount, and the shares add up to the
   total. Rounded one by one, 1,500 groups of 0.004 would come to nothing.
2. A group alone in its charge, and each group of a price with `round_each_group`, is rounded by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import Charges, RatingError
from rating.lines.formula import Together
from rating.numbers.allocate import round_to_total
from rating.numbers.decimals import NARROW_MAX, DecimalColumn, canonical
from rating.numbers.rounding import RoundingMode

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shares:
    """m lines that share the rounded total of their charge with others.

    Attributes:
        rows: int64[m], their places among all lines, rising.
        amount: the share of each, before what is booked.
        count: int64[m], how many groups the charge has.
        exact, total: of the charge: the sum of the exact amounts, and what it is rounded to.
    """

    rows: Rows
    amount: DecimalColumn
    count: Rows
    exact: DecimalColumn
    total: DecimalColumn

    def part(self, rows: Rows) -> "Shares":
        """Those of some lines, which now stand at their places in `rows`."""
        places = np.searchsorted(self.rows, rows)
        here = np.flatnonzero(np.append(self.rows, -1)[places] == rows)
        return self.taken(places[here], here)

    def of(self, row: int, digits: int) -> tuple[Decimal, Together] | None:
        """The share of one line, with so many digits, and what it is a share of; None if the line is rounded by itself."""
        place = int(np.searchsorted(self.rows, row))
        if place == len(self.rows) or self.rows[place] != row:
            return None
        charge = Together(
            int(self.count[place]),
            canonical(self.exact.decimal(place)),
            canonical(self.total.decimal(place), digits),
        )
        return canonical(self.amount.decimal(place), digits), charge

    def taken(self, places: Rows, rows: Rows) -> "Shares":
        """Those at some places, as of these lines."""
        return Shares(
            rows,
            self.amount.take(places),
            self.count[places],
            self.exact.take(places),
            self.total.take(places),
        )


def shares_of(charges: Charges, charge: Rows, exact_of: Callable[[Rows], DecimalColumn]) -> Shares | None:
    """The lines that are rounded together with others; None if there are none.

    Args:
        charges: n rated charges.
        charge: int64[n], rising: the same for the groups of one charge.
        exact_of: the exact amounts of some of the n, in order.

    Raises:
        RatingError: the groups of a charge have different prices.
    """
    goes_on = charge[1:] == charge[:-1]
    if not goes_on.any():
        return None
    if (charges.price_index[1:] != charges.price_index[:-1])[goes_on].any():
        raise RatingError("the groups of one charge must have one price")
    _, group, count = np.unique(charge, return_inverse=True, return_counts=True)
    roundings = [(price.digits, price.rounding.mode, price.round_each_group) for price in charges.prices]
    parts = []
    for rounding in dict.fromkeys(roundings):
        digits, mode, is_alone = rounding
        own = np.array([each == rounding for each in roundings], dtype=np.bool_)[charges.price_index]
        rows = np.flatnonzero(own & (count[group] > 1))
        if len(rows) and not is_alone:
            parts.append(_shared(rows, group[rows], exact_of(rows), digits, mode))
    return _joined(parts) if parts else None


def _shared(rows: Rows, group: Rows, exact: DecimalColumn, digits: int, mode: RoundingMode) -> Shares:
    """Of charges that are rounded alike."""
    _, local, count = np.unique(group, return_inverse=True, return_counts=True)
    exact = exact.rescale(max(exact.scale, digits))
    sums = exact.sum_by_group(local, len(count))
    totals = sums.round(digits, mode)
    # An exact amount is so many of these parts of the last digit that is kept.
    part = 10 ** (exact.scale - digits)
    amount = round_to_total(
        DecimalColumn(exact.mantissa, digits),
        np.full(len(count), part, dtype=object if part > NARROW_MAX else np.int64),
        local,
        totals,
    )
    return Shares(rows, amount, count[local], sums.take(local), totals.take(local))


def _joined(parts: Sequence[Shares]) -> Shares:
    rows = np.concatenate([part.rows for part in parts])
    joined = Shares(
        rows,
        DecimalColumn.concatenate([part.amount for part in parts]),
        np.concatenate([part.count for part in parts]),
        DecimalColumn.concatenate([part.exact for part in parts]),
        DecimalColumn.concatenate([part.total for part in parts]),
    )
    order = np.argsort(rows, kind="stable")
    return joined.taken(order, rows[order])
