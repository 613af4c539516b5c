"""Rated lines as columns; those that are shown in full, one by one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rating.kernels.breakdown import TierBreakdown, joined
from rating.kernels.charges import Charges
from rating.kernels.profile import Source
from rating.kernels.segment import Segment
from rating.lines.line import RatedEvent, RatedLine, events_of, lines_of
from rating.lines.together import Shares, shares_of
from rating.numbers.decimals import DecimalColumn


@dataclass(frozen=True, eq=False)
class RatedLines:
    """n rated lines. Columns are joined from the segments when first asked for.

    shares: of the lines that are rounded together with others of their charge.
    """

    charges: Charges
    segments: tuple[Segment, ...]
    shares: Shares | None = None

    def __len__(self) -> int:
        return len(self.charges)

    @cached_property
    def amount(self) -> DecimalColumn:
        """N amounts, each rounded to its currency's digits, less what is booked; at the largest of the digits."""
        rounded = self._joined(lambda segment: segment.outcome.amount)
        if self.shares is not None:
            rounded = rounded.replaced(self.shares.rows, self.shares.amount)
        return rounded if self.charges.booked is None else rounded.subtract(self.charges.booked)

    @cached_property
    def exact_amount(self) -> DecimalColumn:
        """N amounts before rounding and before what is booked; of parts of periods as they are shown."""
        return self._joined(lambda segment: segment.outcome.exact)

    @cached_property
    def whole_amount(self) -> DecimalColumn:
        """N exact amounts before proration: of whole billing periods."""
        return self._joined(lambda segment: segment.outcome.whole)

    @cached_property
    def billable_quantity(self) -> DecimalColumn:
        """N quantities after unit conversion and allowance; never negative."""
        return self._joined(lambda segment: segment.billable(self.charges))

    @cached_property
    def negative_quantity(self) -> npt.NDArray[np.bool_]:
        """bool[n]: the quantity, or one of the events' amounts, was below zero and billed as zero."""
        negative = np.asarray(self.charges.quantity.mantissa < 0, dtype=np.bool_)
        for segment in self.segments:
            if segment.plan.profile.source is Source.EVENTS and self.charges.events is not None:
                events = self.charges.events
                below = np.concatenate(
                    [[0], np.cumsum(np.asarray(events.amounts.mantissa < 0, dtype=np.int64))]
                )
                counts = below[events.offsets[1:]] - below[events.offsets[:-1]]
                negative[segment.rows] |= counts[segment.rows] > 0
        return negative

    def stage(self, name: str) -> DecimalColumn:
        """N exact amounts after the named stage; where a price lacks it, after the last stage before it."""
        order = ("price", "percent_off", "amount_off", "maximum_amount", "minimum_amount", "proration")
        until = order[: order.index(name) + 1]
        return self._joined(
            lambda segment: [part for passed, part in segment.recorded().stages.items() if passed in until][
                -1
            ]
        )

    def breakdown(self) -> TierBreakdown:
        """Every tier of every line, as ragged columns; see `TierBreakdown`."""
        parts = [segment.broken_down(self.charges) for segment in self.segments]
        if len(parts) == 1 and isinstance(self.segments[0].rows, slice):
            return parts[0]
        return joined(parts, [segment.rows for segment in self.segments], len(self))

    def rounded_together(self, charge: npt.NDArray[np.int64]) -> "RatedLines":
        """The same lines, as groups of charges: `charge` is int64[n], rising, the same for the groups of one charge.

        Raises:
            RatingError: the groups of a charge are rounded in different ways.
        """
        return replace(self, shares=shares_of(self.charges, charge, self.whole_amount.take))

    def part(self, rows: npt.NDArray[np.int64]) -> "RatedLines":
        """Some of the lines, in the order of `rows`: nothing is rated again."""
        segments = (segment.part(rows) for segment in self.segments)
        return RatedLines(
            self.charges.part(rows),
            tuple(each for each in segments if each is not None),
            None if self.shares is None else self.shares.part(rows),
        )

    def without_events(self) -> "RatedLines":
        """The same lines for who adds them up: without the events, which their details are worked out from."""
        return replace(self, charges=replace(self.charges, events=None))

    def in_full(self) -> list[RatedLine]:
        """Every line in full, one object each: for the few that are shown (`part`)."""
        lines = dict(
            line for segment in self.segments for line in lines_of(self.charges, segment, self.shares)
        )
        return [lines[row] for row in range(len(self))]

    def line(self, row: int) -> RatedLine:
        """One line in full.

        Raises:
            IndexError: no such line.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"there are {len(self)} lines, asked for line {row}")
        return self.part(np.array([row])).in_full()[0]

    def events(self, row: int) -> tuple[RatedEvent, ...]:
        """Each event of one line with its fee, in order; none where the price has no terms per event."""
        return events_of(self.charges, row)

    def _joined(self, column_of: Callable[[Segment], DecimalColumn]) -> DecimalColumn:
        columns = [column_of(segment) for segment in self.segments]
        if len(columns) == 1 and isinstance(self.segments[0].rows, slice):
            return columns[0]
        return DecimalColumn.scattered(columns, [segment.rows for segment in self.segments], len(self))
