"""The groups of one charge, rounded together.

Rules:
1. A price over several groups of its meter's dimensions is one charge, also where parts of its billing period have terms of
   their own. Its groups keep their exact amounts; the sum of
   these is rounded once, as the price says, and the rounded total is shared out among the groups by the largest
   remainder (rating.numbers.allocate): no share is a whole unit away from its exact amount, and the shares add up to the
   total. Rounded one by one, 1,500 groups of 0.004 would come to nothing.
2. What is for a part of its billing period counts as the exact fraction that it is, in the sum and in the shares.
3. A group alone in its charge, and each group of a price with `round_each_group`, is rounded by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import Charges, RatingError
from rating.kernels.parts import PartColumns, shown_quotient
from rating.lines.formula import Together
from rating.numbers.allocate import round_to_total
from rating.numbers.decimals import NARROW_MAX, DecimalColumn, canonical
from rating.numbers.rounding import Mantissas, RoundingMode, divide_rounded

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shares:
    """m lines that share the rounded total of their charge with others.

    Attributes:
        rows: int64[m], their places among all lines, rising.
        amount: the share of each, before what is booked.
        count: int64[m], how many groups the charge has.
        numerator, denominator, total: of the charge: the sum of the exact amounts, as the fraction that it is, and what it is
            rounded to.
    """

    rows: Rows
    amount: DecimalColumn
    count: Rows
    numerator: DecimalColumn
    denominator: Mantissas
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
        at = slice(place, place + 1)
        shown = shown_quotient(self.numerator.take(at), self.denominator[at])
        charge = Together(
            int(self.count[place]),
            canonical(shown.decimal(0)),
            canonical(self.total.decimal(place), digits),
        )
        return canonical(self.amount.decimal(place), digits), charge

    def taken(self, places: Rows, rows: Rows) -> "Shares":
        """Those at some places, as of these lines."""
        return Shares(
            rows,
            self.amount.take(places),
            self.count[places],
            self.numerator.take(places),
            self.denominator[places],
            self.total.take(places),
        )


def shares_of(charges: Charges, charge: Rows, whole_of: Callable[[Rows], DecimalColumn]) -> Shares | None:
    """The lines that are rounded together with others; None if there are none.

    Args:
        charges: n rated charges.
        charge: int64[n], rising: the same for the groups of one charge.
        whole_of: the exact amounts of some of the n before proration, in order.

    Raises:
        RatingError: the groups of a charge are rounded in different ways.
    """
    goes_on = charge[1:] == charge[:-1]
    if not goes_on.any():
        return None
    roundings = [(price.digits, price.rounding.mode, price.round_each_group) for price in charges.prices]
    currencies = [(price.currency, *each) for price, each in zip(charges.prices, roundings, strict=True)]
    number = {each: place for place, each in enumerate(dict.fromkeys(currencies))}
    alike = np.array([number[each] for each in currencies], dtype=np.int64)[charges.price_index]
    if (alike[1:] != alike[:-1])[goes_on].any():
        raise RatingError("the groups of one charge must have one currency and one rounding")
    _, group, count = np.unique(charge, return_inverse=True, return_counts=True)
    parts = []
    for rounding in dict.fromkeys(roundings):
        digits, mode, is_alone = rounding
        own = np.array([each == rounding for each in roundings], dtype=np.bool_)[charges.price_index]
        rows = np.flatnonzero(own & (count[group] > 1))
        for part, proration in _by_proration(charges, rows, group) if not is_alone else ():
            parts.append(_shared(part, group[part], whole_of(part), proration, digits, mode))
    return _joined(parts) if parts else None


def _by_proration(charges: Charges, rows: Rows, group: Rows) -> Iterator[tuple[Rows, PartColumns | None]]:
    """The rows of whole charges, and those of charges of which any is for a part of its period, with the parts."""
    whole, parted = rows, rows[:0]
    if charges.proration is not None and charges.proration.is_part[rows].any():
        has_part = np.zeros(int(group.max()) + 1, dtype=np.bool_)
        has_part[group[charges.proration.is_part]] = True
        whole, parted = rows[~has_part[group[rows]]], rows[has_part[group[rows]]]
        yield parted, charges.proration.take(parted)
    if len(whole):
        yield whole, None


def _shared(
    rows: Rows,
    group: Rows,
    whole: DecimalColumn,
    proration: PartColumns | None,
    digits: int,
    mode: RoundingMode,
) -> Shares:
    """Of charges that are rounded alike."""
    _, local, count = np.unique(group, return_inverse=True, return_counts=True)
    exact = whole.rescale(max(whole.scale, digits))
    # An exact amount is so many of these parts of the last digit that is kept.
    part = 10 ** (exact.scale - digits)
    if proration is None:
        common: Mantissas = np.ones(len(count), dtype=np.int64)
        sums = exact.sum_by_group(local, len(count))
        totals = sums.round(digits, mode)
    else:
        exact, common = proration.over_common(exact, local, len(count))
        sums = exact.sum_by_group(local, len(count))
        rounded = divide_rounded(sums.widened().mantissa, common.astype(object) * part, mode)
        totals = DecimalColumn(rounded, digits).narrowed()
    fits = int(common.max()) * part <= NARROW_MAX
    denominator = (common if fits else common.astype(object)) * part
    amount = round_to_total(DecimalColumn(exact.mantissa, digits), denominator, local, totals)
    return Shares(rows, amount, count[local], sums.take(local), common[local], totals.take(local))


def _joined(parts: Sequence[Shares]) -> Shares:
    rows = np.concatenate([part.rows for part in parts])
    joined = Shares(
        rows,
        DecimalColumn.concatenate([part.amount for part in parts]),
        np.concatenate([part.count for part in parts]),
        DecimalColumn.concatenate([part.numerator for part in parts]),
        np.concatenate([part.denominator for part in parts]),
        DecimalColumn.concatenate([part.total for part in parts]),
    )
    order = np.argsort(rows, kind="stable")
    return joined.taken(order, rows[order])
