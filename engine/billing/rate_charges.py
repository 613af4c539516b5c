"""Charges and their usage to rated lines: columns in, columns out. Pure.

Rules:
1. A metered price without usage gives one line at quantity zero: a first tier's flat amount is due then too.
   A matrix price gives none, unless it has a minimum: then one of its first cell.
2. The groups of a charge are rounded together (rating.lines.together), those that can be rated; so are those of the
   parts of one price in one billing period.
3. A line whose price says nothing about it has no amount, and says why; every other line stands. So has the one line of
   a charge whose usage has more groups than can be told, and each line of a charge with terms per event whose events
   are not known.
4. Where tiers carry over, a part of a billing period goes on where the earlier parts of the same price of the plan stopped,
   whatever their terms were; each group of the meter's dimensions by itself.
5. A meter's lines are rated together and apart from those of other meters: columns then have as many fractional
   digits as that meter's quantities need, and stay in 64 bits although another meter's would not.
6. A part of a billing period, which is billed before its end, has no minimum: that counts in what is billed at the end.
7. A meter's conversion is of the quantity; with terms per event also of each event's value, by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engine.billing.charges import ChargeColumns
from engine.billing.rated import Flagged, Rated, RatedPart
from engine.billing.segments import Index, spread
from engine.usage.facts.usage_columns import EVENTS_MAX, GROUPS_MAX, UsageAmounts, UsageColumns
from rating import (
    Charges,
    DecimalColumn,
    Dimension,
    EventAmounts,
    Model,
    PartColumns,
    Price,
    converted_column,
    rate,
    sums_before,
    unrateable_rows,
)

_NO_METER = ""
_TOO_MANY_GROUPS = (
    f"has more than {GROUPS_MAX:,} combinations of its meter's group_by properties: "
    "have the meter group by properties with fewer values"
)
_TOO_MANY_EVENTS = (
    f"has more than {EVENTS_MAX:,} events, and its price has terms per event: bill shorter periods, or sum the events "
    "up before they are sent"
)
_EXPIRED = "has events that have expired, and its price has terms per event: what each came to is known from events only"


def rate_charges(
    charges: ChargeColumns,
    usage: Mapping[str, UsageColumns],
    amounts: Mapping[str, UsageAmounts] = MappingProxyType({}),
    *,
    is_part: bool = False,
) -> Rated:
    """One line for each charge and group of usage. `usage`: meter -> its groups, by place among the periods; `amounts`: of those
    with a price that has terms per event the values of their events. `is_part`: billed before the periods are over (rule 6).
    """
    prices_of: dict[str, list[int]] = {}
    for number, billed in enumerate(charges.prices):
        prices_of.setdefault(billed.meter.resource.id if billed.meter else _NO_METER, []).append(number)
    joined = [
        _Joined(charges, numbers, usage.get(meter_id), amounts.get(meter_id), is_part=is_part)
        for meter_id, numbers in prices_of.items()
    ]
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

    def __init__(
        self,
        charges: ChargeColumns,
        numbers: Sequence[int],
        usage: UsageColumns | None,
        amounts: UsageAmounts | None,
        *,
        is_part: bool,
    ) -> None:
        self._is_part = is_part
        self._billed = [charges.prices[number] for number in numbers]
        meter = self._billed[0].meter
        if usage is None:
            usage = UsageColumns.of_groups([], [], len(meter.resource.group_by) if meter else 0)
        self._usage, self._amounts = usage, amounts
        self._whole, self._row = charges.whole, charges.row
        row = charges.periods.row
        # Subscriptions whose billing period is cut into several stretches.
        self._cut_rows = row[1:][row[1:] == row[:-1]]
        self._meter = meter.resource if meter else None
        local = np.full(len(charges.prices), -1, dtype=np.int64)
        local[numbers] = np.arange(len(numbers))
        own = local[charges.price]
        self.charge = np.flatnonzero(own >= 0)
        self._price = own[self.charge]
        place = self._place = charges.place[self.charge]
        first = np.searchsorted(self._usage.place, place)
        found = np.searchsorted(self._usage.place, place, side="right") - first
        without = np.array([_lines_without_usage(billed.effective) for billed in self._billed])
        self._too_many = np.isin(place, self._usage.too_many)
        self.count = np.where(found > 0, found, np.where(self._too_many, 1, without[self._price]))
        self._first = np.where(found > 0, first, -1)

    def rated(self, offsets: Index) -> RatedPart:
        owner, within = spread(self.count)
        first = self._first[owner]
        group = np.where(first < 0, -1, first + within)
        usage = self._usage.taken_or_none(group)
        charge, price = self.charge[owner], self._price[owner]
        too_many = np.flatnonzero(self._too_many[owner])
        usage = self._in_first_cell(usage, price, too_many)
        quantity = self._quantity(usage, price)
        charges = Charges(
            prices=[billed.effective for billed in self._billed],
            price_index=price,
            quantity=quantity,
            events=self._events(group, price),
            dimensions=self._dimensions(usage),
            carried=self._carried(self._row[charge], price, usage, quantity),
            final=np.zeros(len(price), dtype=np.bool_) if self._is_part else None,
            proration=self._proration(price),
        )
        flagged = [Flagged(too_many, _TOO_MANY_GROUPS), *self._without_events(owner, price)]
        unfit = np.array([bool(billed.unfit) for billed in self._billed], dtype=np.bool_)
        unrateable = np.concatenate(
            [unrateable_rows(charges), np.flatnonzero(unfit[price]), *(each.rows for each in flagged)]
        )
        unrateable = np.unique(unrateable)
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
            flagged=flagged,
            unfit=tuple(billed.unfit for billed in self._billed),
            lines=rate(rateable).rounded_together(self._whole[of_charge]),
        )

    def _events(self, group: Index, price: Index) -> EventAmounts | None:
        """Of the lines whose price has terms per event what their groups' events are, in the unit of what is priced."""
        if self._amounts is None:
            return None
        events = self._amounts.taken_or_none(np.where(self._rates_events()[price], group, -1))
        return replace(events, amounts=self._converted(events.amounts))

    def _without_events(self, owner: Index, price: Index) -> list[Flagged]:
        """The lines of charges with terms per event whose events are not known (rule 3)."""
        if self._amounts is None:
            return []
        place, rates_events = self._place[owner], self._rates_events()[price]
        return [
            Flagged(np.flatnonzero(np.isin(place, places) & rates_events), reason)
            for places, reason in (
                (self._amounts.too_many, _TOO_MANY_EVENTS),
                (self._amounts.expired, _EXPIRED),
            )
        ]

    def _rates_events(self) -> npt.NDArray[np.bool_]:
        return np.array([billed.rates_events for billed in self._billed], dtype=np.bool_)

    def _converted(self, values: DecimalColumn) -> DecimalColumn:
        return converted_column(values.trimmed(), self._meter.conversion if self._meter else None)

    def _quantity(self, usage: UsageColumns, price: Index) -> DecimalColumn:
        """What is priced: the usage in the meter's unit, or a quantity that isn't metered."""
        if self._meter is not None:
            return self._converted(usage.quantity)
        return DecimalColumn.of([billed.quantity for billed in self._billed]).take(price).trimmed()

    def _proration(self, price: Index) -> PartColumns | None:
        """The parts of what prices come to that are due; None where that is all of it."""
        parts = [billed.part_of_amount for billed in self._billed]
        return PartColumns.of(parts).take(price) if any(parts) else None

    def _carried(
        self, row: Index, price: Index, usage: UsageColumns, quantity: DecimalColumn
    ) -> DecimalColumn | None:
        """What earlier parts consumed (rule 4); None where there are none, or no price carries over. `row`: the subscription
        of each.
        """
        carries = np.array([billed.carries_over for billed in self._billed], dtype=np.bool_)
        if not carries.any() or not len(self._cut_rows):
            return None
        slots = {billed.slot: number for number, billed in enumerate(self._billed)}
        slot = np.array([slots[billed.slot] for billed in self._billed], dtype=np.int64)
        rows = np.flatnonzero(np.isin(slot, slot[carries])[price] & np.isin(row, self._cut_rows))
        if not len(rows):
            return None
        keys = [row[rows], slot[price[rows]], *(each.codes[rows] for each in usage.dimensions)]
        _, counter = np.unique(np.stack(keys), axis=1, return_inverse=True)
        # A period has its lines by price and start.
        consumed = quantity.take(rows).maximum(DecimalColumn.zeros(len(rows)))
        before = sums_before(consumed, counter.ravel())
        return DecimalColumn.zeros(len(price)).replaced(
            rows, before.where(carries[price[rows]], DecimalColumn.zeros(len(rows)))
        )

    def _in_first_cell(self, usage: UsageColumns, price: Index, too_many: Index) -> UsageColumns:
        """With the dimensions of its first cell where a matrix price has a line without usage (rule 1)."""
        names = self._meter.group_by if self._meter else ()
        columns = dict(zip(names, usage.dimensions, strict=True))
        for number, billed in enumerate(self._billed):
            if cells := billed.effective.cells:
                rows = np.setdiff1d(np.flatnonzero((usage.place < 0) & (price == number)), too_many)
                for name, value in cells[0].match if len(rows) else ():
                    columns[name] = _with_value(columns[name], rows, value)
        return replace(usage, dimensions=tuple(columns[name] for name in names))

    def _dimensions(self, usage: UsageColumns) -> dict[str, Dimension]:
        names = self._meter.group_by if self._meter else ()
        found = dict(zip(names, usage.dimensions, strict=True))
        for billed in self._billed:
            for name in billed.effective.dimensions or ():
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
