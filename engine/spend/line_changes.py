"""What differs between two ratings of the same charges: found in columns, shown for the largest changes only. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.line_item import LineItem
from engine.billing.rated import Rated, RatedPart
from rating import EXACT

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line before and after; None where there is none."""

    before: LineItem | None
    after: LineItem | None

    @property
    def line(self) -> LineItem:
        """Whichever there is."""
        line = self.before or self.after
        if line is None:
            raise ValueError("a change without a line")
        return line


@dataclass(frozen=True, slots=True)
class _Line:
    """What is compared of a line: where it is, and what it says."""

    rated: Rated
    number: int
    digest: str
    event_count: int
    # None where the price can't rate it.
    amount: Decimal | None
    quantity: Decimal

    @property
    def content(self) -> tuple[object, ...]:
        return self.digest, self.event_count, self.amount, self.quantity

    @property
    def period(self) -> tuple[int, int]:
        """The subscription's place in the order of customers, and when its service starts."""
        charges = self.rated.charges
        charge = int(self.rated.charge[self.number])
        return int(charges.row[charge]), int(charges.periods.start_us[int(charges.place[charge])])

    @property
    def says_something(self) -> bool:
        """A metered price without usage has a line too, which says nothing."""
        return self.event_count > 0 or self.amount != 0


_Pair = tuple[_Line | None, _Line | None]


def changed_lines(ratings: Iterable[tuple[Rated, Rated]], shown_max: int) -> tuple[list[LineChange], int]:
    """The largest changes of lines, at most so many, the largest first; and how many changes there are.

    ratings: of some charges without and with what changes them; each charge once.
    """
    pairs = [pair for before, after in ratings for pair in _differing(before, after)]
    pairs.sort(key=_order)
    shown = [LineChange(_in_full(before), _in_full(after)) for before, after in pairs[:shown_max]]
    return shown, len(pairs)


def _differing(before: Rated, after: Rated) -> Iterator[_Pair]:
    lines = [dict(_lines(rated)) for rated in (before, after)]
    for key in sorted({*lines[0], *lines[1]}):
        one, other = (each.get(key) for each in lines)
        if one is None or other is None:
            if any(each is not None and each.says_something for each in (one, other)):
                yield one, other
        elif one.content != other.content:
            yield one, other


def _lines(rated: Rated) -> Iterator[tuple[tuple[object, ...], _Line]]:
    """Each line by its charge and its dimensions."""
    for part in rated.parts:
        columns = zip(
            part.line.tolist(),
            part.charge.tolist(),
            part.usage.event_count.tolist(),
            part.usage.event_digest.to_pylist(),
            _amounts(part),
            part.charges.quantity.to_decimals(),
            _dimensions(part),
            strict=True,
        )
        for line, charge, event_count, digest, amount, quantity, dimensions in columns:
            yield (charge, dimensions), _Line(rated, line, digest, event_count, amount, quantity)


def _amounts(part: RatedPart) -> Sequence[Decimal | None]:
    amounts: list[Decimal | None] = [None] * len(part)
    for row, amount in zip(part.rated.tolist(), part.lines.amount.to_decimals(), strict=True):
        amounts[row] = amount
    return amounts


def _dimensions(part: RatedPart) -> Iterable[tuple[tuple[bool, str], ...]]:
    """The values of each line's dimensions, in a form that has an order."""
    if not part.usage.dimensions:
        return [()] * len(part)
    columns = [
        [(code < 0, column.values[code] if code >= 0 else "") for code in column.codes.tolist()]
        for column in part.usage.dimensions
    ]
    return zip(*columns, strict=True)


def _order(pair: _Pair) -> tuple[Decimal, Decimal, int, int]:
    """The largest change of the amount first, then of the quantity, then by subscription and period; what is equal
    stays in the order of lines.
    """
    amounts = [each.amount or _NOTHING if each else _NOTHING for each in pair]
    quantities = [each.quantity if each else _NOTHING for each in pair]
    line = pair[0] or pair[1]
    row, start_us = line.period if line is not None else (0, 0)
    return -abs(EXACT.subtract(*amounts)), -abs(EXACT.subtract(*quantities)), row, start_us


def _in_full(line: _Line | None) -> LineItem | None:
    return None if line is None else line.rated.line_items(np.array([line.number]))[0]
