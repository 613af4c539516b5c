"""Rated charges as columns: keys, lines, counts, and what can't be rated. An object is made for a line that is shown.

A part is the lines of one meter's charges, or of all flat prices. The parts lie in each other: a line's place says
where it comes in the order of customer, subscription, the plan's order of prices, and dimensions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.billing.charges import ChargeColumns
from engine.billing.line_item import LineItem
from engine.billing.segments import Index
from engine.usage.facts.usage_columns import UsageColumns
from rating import Charges, DecimalColumn, RatedLines, unrateable_reason

# What of a line some 200 bytes are kept is, of an event, 8.
_EVENTS_OF_LINE = 25


@dataclass(frozen=True, eq=False, slots=True)
class Flagged:
    """Lines of a part that have no amount for one reason: int64, rising."""

    rows: Index
    reason: str


@dataclass(frozen=True, eq=False)
class RatedPart:
    """m lines.

    Attributes:
        line: int64[m], the places of the lines among all, rising.
        charge: int64[m], the charge of each.
        usage: m groups, whose dimensions are those that the meter groups by.
        charges: what was to be rated.
        unrateable: int64[u], which of the m have no amount, rising.
        flagged: of these the ones whose usage is not known, by the reason.
        unfit: of each price why it can't be rated at all; empty for every other.
        lines: the other m - u, rated.
    """

    line: Index
    charge: Index
    usage: UsageColumns
    charges: Charges
    unrateable: Index
    flagged: Sequence[Flagged]
    unfit: tuple[str, ...]
    lines: RatedLines

    def __len__(self) -> int:
        return len(self.line)

    def reason(self, row: int) -> str:
        """Why a line has no amount."""
        if unfit := self.unfit[int(self.charges.price_index[row])]:
            return unfit
        for each in self.flagged:
            if row in each.rows:
                return each.reason
        return unrateable_reason(self.charges, row)

    @property
    def event_count(self) -> int:
        """How many events' values it keeps."""
        return 0 if self.charges.events is None else len(self.charges.events.amounts)

    def without_events(self) -> "RatedPart":
        """Without the values of events."""
        if self.charges.events is None:
            return self
        return replace(self, charges=replace(self.charges, events=None), lines=self.lines.without_events())

    @cached_property
    def rated(self) -> Index:
        """int64[m - u], which of the m are rated, rising."""
        is_rated = np.ones(len(self), dtype=np.bool_)
        is_rated[self.unrateable] = False
        return np.flatnonzero(is_rated)


@dataclass(frozen=True, eq=False)
class Rated:
    """n lines: of `charges` each has one or more, or none if there is nothing to say of it.

    Attributes:
        offsets: int64[charges + 1]; the lines of charge i are offsets[i]:offsets[i + 1].
        parts: the lines, meter by meter.
    """

    charges: ChargeColumns
    offsets: Index
    parts: Sequence[RatedPart]

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def size(self) -> int:
        """In lines: what it keeps of events weighs as much as so many."""
        return len(self) + sum(part.event_count for part in self.parts) // _EVENTS_OF_LINE

    def without_events(self) -> "Rated":
        """For sums: without the values of events, which only a line that is shown in full looks at again."""
        return replace(self, parts=[part.without_events() for part in self.parts])

    @cached_property
    def charge(self) -> Index:
        """int64[n], the charge of each line."""
        return np.repeat(np.arange(len(self.charges)), np.diff(self.offsets))

    @cached_property
    def amount(self) -> DecimalColumn:
        """N amounts, each with its currency's digits or more; 0 for a line that can't be rated."""
        columns = [part.lines.amount for part in self.parts]
        return DecimalColumn.scattered(columns, [part.line[part.rated] for part in self.parts], len(self))

    @cached_property
    def quantity(self) -> DecimalColumn:
        """N quantities, of lines that can't be rated, too."""
        columns = [part.charges.quantity for part in self.parts]
        return DecimalColumn.scattered(columns, [part.line for part in self.parts], len(self))

    @cached_property
    def event_count(self) -> Index:
        """int64[n]."""
        found = np.zeros(len(self), dtype=np.int64)
        for part in self.parts:
            found[part.line] = part.usage.event_count
        return found

    @cached_property
    def is_rated(self) -> npt.NDArray[np.bool_]:
        """bool[n]: False for a line without an amount."""
        found = np.ones(len(self), dtype=np.bool_)
        for part in self.parts:
            found[part.line[part.unrateable]] = False
        return found

    def unrateable_lines(self, count_max: int) -> list[LineItem]:
        """The first lines that can't be rated, at most so many."""
        return self.line_items(np.flatnonzero(~self.is_rated)[:count_max])

    def line_items(self, lines: Index) -> list[LineItem]:
        """These lines in full; `lines` rise."""
        found: dict[int, LineItem] = {}
        for part in self.parts:
            rows, here = _places(part.line, lines)
            found |= zip(lines[here].tolist(), self._in_full(part, rows), strict=True)
        return [found[line] for line in lines.tolist()]

    def _in_full(self, part: RatedPart, rows: Index) -> Iterator[LineItem]:
        rated, of_rows = _places(part.rated, rows)
        lines = dict(zip(of_rows.tolist(), part.lines.part(rated).in_full(), strict=True))
        for number, row in enumerate(rows.tolist()):
            charge = self.charges.charge(int(part.charge[row]))
            meter = charge.billed.meter
            dimensions = zip(meter.resource.group_by if meter else (), part.usage.dimensions, strict=True)
            values = ((name, column.value(row)) for name, column in dimensions)
            yield LineItem(
                charge=charge,
                dimensions={name: value for name, value in values if value is not None},
                quantity=part.charges.quantity.decimal(row),
                rated=lines.get(number),
                unrateable_reason="" if number in lines else part.reason(row),
                event_count=int(part.usage.event_count[row]),
                event_digest=part.usage.event_digest[row].as_py(),
                unreadable_event_count=int(part.usage.unreadable_event_count[row]),
                missing_value_event_count=int(part.usage.missing_value_event_count[row]),
            )


def _places(rising: Index, wanted: Index) -> tuple[Index, Index]:
    """Of the wanted numbers those that are among the rising ones: their places there, and in `wanted`."""
    places = np.searchsorted(rising, wanted)
    here = np.flatnonzero(np.append(rising, -1)[places] == wanted)
    return places[here], here
