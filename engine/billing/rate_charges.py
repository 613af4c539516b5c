"""Charges and their usage to rated lines: columns in, columns out. Pure.

Rules:
1. A metered price without usage gives one line at quantity zero: a first tier's flat amount is due then too.
   A matrix price gives none, unless it has a minimum: then one of its first cell.
2. The groups of a charge are rounded together (rating.lines.together), those that can be rated.
3. A line whose price says nothing about it has no amount, and says why; every other line stands. So has the one line of
   a charge whose usage has more groups than can be told.
4. A meter's lines are rated together and apart from those of other meters: columns then have as many fractional
   digits as that meter's quantities need, and stay in 64 bits although another meter's would not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine.billing.charges import ChargeColumns, Index
from engine.billing.rated import Rated, RatedPart
from engine.usage.facts.usage_columns import UsageColumns
from rating import Charges, Dimension, Model, Price, converted_column, rate, unrateable_rows

_NO_METER = ""


def rate_charges(charges: ChargeColumns, usage: Mapping[str, UsageColumns]) -> Rated:
    """One line for each charge and group of usage. `usage`: meter -> its groups, by place among the periods."""
    prices_of: dict[str, list[int]] = {}
    for number, billed in enumerate(charges.prices):
        prices_of.setdefault(billed.meter.resource.id if billed.meter else _NO_METER, []).append(number)
    joined = [_Joined(charges, numbers, usage.get(meter_id)) for meter_id, numbers in prices_of.items()]
    counts = np.zeros(len(charges), dtype=np.int64)
    for each in joined:
        counts[each.charge] = each.count
    offsets = np.zeros(len(charges) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return Rated(charges, offsets, [each.rated(offsets) for each in joined])


class _Joined:
    """The charges of one meter, each with its groups of usage.

    charge: int64[c], their places among all charges, rising; first, count: int64[c], the groups of each: so many
    from that one on, or so many lines without usage where `first` is -1.
    """

    def __init__(self, charges: ChargeColumns, numbers: Sequence[int], usage: UsageColumns | None) -> None:
        self._billed = [charges.prices[number] for number in numbers]
        meter = self._billed[0].meter
        if usage is None:
            usage = UsageColumns.of_groups([], [], len(meter.resource.group_by) if meter else 0)
        self._usage = usage
        self._meter = meter.resource if meter else None
        local = np.full(len(charges.prices), -1, dtype=np.int64)
        local[numbers] = np.arange(len(numbers))
        own = local[charges.price]
        self.charge = np.flatnonzero(own >= 0)
        self._price = own[self.charge]
        place = charges.place[self.charge]
        first = np.searchsorted(self._usage.place, place)
        found = np.searchsorted(self._usage.place, place, side="right") - first
        without = np.array([_lines_without_usage(billed.price.price) for billed in self._billed])
        self._too_many = np.isin(place, self._usage.too_many)
        self.count = np.where(found > 0, found, np.where(self._too_many, 1, without[self._price]))
        self._first = np.where(found > 0, first, -1)

    def rated(self, offsets: Index) -> RatedPart:
        owner = np.repeat(np.arange(len(self.charge)), self.count)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        first = self._first[owner]
        usage = self._usage.taken_or_none(np.where(first < 0, -1, first + within))
        charge, price = self.charge[owner], self._price[owner]
        too_many = np.flatnonzero(self._too_many[owner])
        usage = self._in_first_cell(usage, price, too_many)
        charges = Charges(
            prices=[billed.price.price for billed in self._billed],
            price_index=price,
            quantity=converted_column(
                usage.quantity.trimmed(), self._meter.conversion if self._meter else None
            ),
            dimensions=self._dimensions(usage),
        )
        unrateable = np.union1d(unrateable_rows(charges), too_many)
        rateable, of_charge = charges, charge
        if len(unrateable):
            rateable = charges.part(np.delete(np.arange(len(charges)), unrateable))
            of_charge = np.delete(charge, unrateable)
        return RatedPart(
            line=offsets[charge] + within,
            charge=charge,
            usage=usage,
            charges=charges,
            unrateable=unrateable,
            too_many=too_many,
            lines=rate(rateable).rounded_together(of_charge),
        )

    def _in_first_cell(self, usage: UsageColumns, price: Index, too_many: Index) -> UsageColumns:
        """With the dimensions of its first cell where a matrix price has a line without usage (rule 1)."""
        names = self._meter.group_by if self._meter else ()
        columns = dict(zip(names, usage.dimensions, strict=True))
        for number, billed in enumerate(self._billed):
            if cells := billed.price.price.cells:
                rows = np.setdiff1d(np.flatnonzero((usage.place < 0) & (price == number)), too_many)
                for name, value in cells[0].match if len(rows) else ():
                    columns[name] = _with_value(columns[name], rows, value)
        return replace(usage, dimensions=tuple(columns[name] for name in names))

    def _dimensions(self, usage: UsageColumns) -> dict[str, Dimension]:
        names = self._meter.group_by if self._meter else ()
        found = dict(zip(names, usage.dimensions, strict=True))
        for billed in self._billed:
            for name in billed.price.price.dimensions or ():
                # One that the price looks up and no event has: every charge has none of it.
                found.setdefault(name, Dimension(np.full(len(usage), -1), ()))
        return found


def _with_value(column: Dimension, rows: Index, value: str) -> Dimension:
    codes = column.codes.copy()
    codes[rows] = len(column.values)
    return Dimension(codes, (*column.values, value))


def _lines_without_usage(price: Price) -> int:
    if price.model is not Model.MATRIX:
        return 1
    return int(price.minimum_amount is not None and price.cells is not None)
