"""The one rating function: charges in, rated lines out.

Theory of operation:
1. The schedules of prices are grouped by profile; the charges of one group share a plan and are rated together. A price has
   one schedule, a matrix one for each cell: which one a charge has is looked up first.
2. What the tiers count is measured first: the quantity, the fees of events, or the tier that units reach.
3. Within a group, charges whose quantity is proven to fit (`Plan.narrow_max`) go through the stages in int64;
   the others go through the same stages as Python ints. Nothing is rated twice and nothing can wrap.
4. Charges for a part of their billing period are apart from the whole ones of their group, which owe their stages' amounts as
   they are.
5. A group and path makes one segment; `RatedLines` joins segments into columns when asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import Charges, RatingError
from rating.kernels.events import sum_event_fees
from rating.kernels.lookups import capacity_tiers, matrix_cells, no_cell, rows_without_cell
from rating.kernels.plan import Plan, compile_plan
from rating.kernels.profile import Profile, Source, analysed, scales_of
from rating.kernels.segment import Rows, Segment
from rating.kernels.stages import Inputs, run_stages, with_carried
from rating.lines.lines import RatedLines
from rating.numbers.decimals import DecimalColumn
from rating.prices.models import Model


def rate(charges: Charges) -> RatedLines:
    """Rates every charge: exact up to the line, then one named rounding.

    Stages in order: unit conversion, allowance, price, percent discount, amount discount, maximum, minimum,
    proration, rounding, and less what is booked. Pure: equal charges give equal lines.

    Raises:
        RatingError: a charge whose price needs columns that aren't there, or a matrix without a cell for it.
    """
    segments: list[Segment] = []
    for group in _groups(charges):
        for own in _by_proration(charges, group):
            segments += _rated(charges, own)
    return RatedLines(charges, tuple(segments))


def unrateable_rows(charges: Charges) -> npt.NDArray[np.int64]:
    """The charges that their prices say nothing about, rising: those of a matrix price without a cell for them.

    `rate` raises for them; `unrateable_reason` says why.
    """
    prices = charges.prices
    partial = [each.model is Model.MATRIX and each.default is None for each in prices]
    found = [
        rows_without_cell(prices[place], rows, charges.dimensions)
        for place, rows in _rows_of_prices(charges, partial)
    ]
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def unrateable_reason(charges: Charges, row: int) -> str:
    """Why one of `unrateable_rows` can't be rated, to stand behind its name: it names the dimensions' values."""
    return no_cell(charges.prices[int(charges.price_index[row])], row, charges.dimensions)


@dataclass
class _Group:
    """Schedules of one profile: the prices that have them, how many there are, and the rows of their charges.

    is_part: whether these are for parts of their billing periods.
    """

    profile: Profile
    number: int
    prices: list[int] = field(default_factory=list)
    schedules: int = 0
    rows: Rows = field(default_factory=lambda: slice(None))
    schedule: npt.NDArray[np.int64] | None = None
    is_part: bool = False


class _Schedules:
    """The schedules of the prices that charges have, one after the other, each with its place in its group's tables.

    first: int64[prices], a price's first one. group, place: int64[schedules].
    """

    def __init__(self, charges: Charges) -> None:
        prices = charges.prices
        self.groups: dict[Profile, _Group] = {}
        self.first = np.zeros(len(prices), dtype=np.int64)
        group: list[int] = []
        place: list[int] = []
        for number in _used_prices(charges.price_index, len(prices)):
            self.first[number] = len(group)
            found = analysed(prices[number])
            own_group: list[int] = []
            own_place: list[int] = []
            for each in found:
                count = len(each.schedules)
                of = self.groups.setdefault(each.profile, _Group(each.profile, len(self.groups)))
                own_group += [of.number] * count
                own_place += range(of.schedules, of.schedules + count)
                of.prices.append(number)
                of.schedules += count
            if len(found) > 1:
                # In the order of the price's schedules again.
                order = np.argsort(np.concatenate([each.place for each in found])).tolist()
                own_group, own_place = [own_group[at] for at in order], [own_place[at] for at in order]
            group += own_group
            place += own_place
        self.group, self.place = np.array(group, dtype=np.int32), np.array(place, dtype=np.int64)


def _groups(charges: Charges) -> Iterator[_Group]:
    """The charges grouped by the profile of their schedule, each with its place in the group's tables."""
    schedules = _Schedules(charges)
    groups = list(schedules.groups.values())
    if not groups:
        return
    number, group_of, place_of = charges.price_index, schedules.group, schedules.place
    if any(each.model is Model.MATRIX for each in charges.prices):
        number = _schedule_numbers(charges, schedules.first)
    else:
        # Each price has one schedule.
        group_of, place_of = group_of[schedules.first], place_of[schedules.first]
    for group, rows in zip(groups, _rows_by_group(group_of, number, len(groups)), strict=True):
        group.rows = rows
        if group.schedules > 1:
            group.schedule = place_of[number[rows]]
        if isinstance(rows, slice) or len(rows):
            yield group


def _by_proration(charges: Charges, group: _Group) -> Iterator[_Group]:
    """The charges of a group that are whole, and those for a part of their period."""
    is_part = None if charges.proration is None else charges.proration.is_part[group.rows]
    if is_part is None or not is_part.any():
        yield group
    elif is_part.all():
        yield replace(group, is_part=True)
    else:
        rows = _as_array(group.rows, len(charges))
        for own, kind in ((np.flatnonzero(~is_part), False), (np.flatnonzero(is_part), True)):
            schedule = None if group.schedule is None else group.schedule[own]
            yield replace(group, rows=rows[own], schedule=schedule, is_part=kind)


def _schedule_numbers(charges: Charges, first: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64[n]: which schedule each charge has; under a matrix price that of its cell."""
    prices = charges.prices
    if len(prices) == 1:
        return matrix_cells(prices[0], np.arange(len(charges)), charges.dimensions)
    numbers = first[charges.price_index]
    for place, rows in _rows_of_prices(charges, [each.model is Model.MATRIX for each in prices]):
        numbers[rows] += matrix_cells(prices[place], rows, charges.dimensions)
    return numbers


def _rows_of_prices(charges: Charges, which: Sequence[bool]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Some of the prices, as far as charges have them, each with its rows, rising."""
    rows = (
        np.flatnonzero(np.array(which, dtype=np.bool_)[charges.price_index])
        if any(which)
        else np.zeros(0, np.int64)
    )
    index = charges.price_index[rows]
    order = np.argsort(index, kind="stable")
    used, first = np.unique(index[order], return_index=True)
    return zip(used.tolist(), np.split(rows[order], first[1:]), strict=False)


def _used_prices(index: npt.NDArray[np.int64], prices: int) -> list[int]:
    """The prices that any charge has, rising."""
    if prices <= 1:
        return list(range(min(prices, len(index))))
    used: list[int] = np.flatnonzero(np.bincount(index, minlength=prices)).tolist()
    return used


def _rows_by_group(group_of: npt.NDArray[np.int32], index: npt.NDArray[np.int64], groups: int) -> list[Rows]:
    """The rows of each group in order; all of them as one slice where there is one group."""
    if groups == 1:
        return [slice(None)]
    small = np.int16 if groups < 2**15 else np.int32  # NumPy sorts 16 bits by radix
    group = group_of.astype(small)[index]
    order = np.argsort(group, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(group, minlength=groups))[:-1]))


def _as_array(rows: Rows, length: int) -> npt.NDArray[np.int64]:
    return np.arange(length)[rows] if isinstance(rows, slice) else rows


def _rated(charges: Charges, group: _Group) -> Iterator[Segment]:
    """The segments of one group: what int64 can hold, and the rest."""
    measured = _measured(charges, group).trimmed()
    before = None if charges.consumed_before is None else charges.consumed_before.take(group.rows).trimmed()
    carried = _carried(charges, group)
    if carried is not None:
        scale = max(measured.scale, carried.scale)
        measured, carried = measured.rescale(scale), carried.rescale(scale)
    scales = scales_of(group.profile, measured.scale, 0 if before is None else before.scale)
    plan = compile_plan(group.profile, scales, tuple(charges.prices[place] for place in group.prices))
    before = None if before is None else before.rescale(scales.quantity)
    inputs = Inputs(
        measured.mantissa,
        group.schedule,
        None if before is None else before.mantissa,
        None if charges.counter_started is None else charges.counter_started[group.rows],
        None if charges.final is None else charges.final[group.rows],
        None if carried is None else carried.mantissa,
        charges.proration.take(group.rows) if charges.proration is not None and group.is_part else None,
    )
    for rows, is_wide in _paths(plan, measured, before, carried):
        part = inputs if isinstance(rows, slice) else inputs.part(rows)
        tables = plan.wide if is_wide or plan.narrow is None else plan.narrow
        part = with_carried(plan, tables, part.cast(np.dtype(object) if is_wide else np.dtype(np.int64)))
        place = group.rows if isinstance(rows, slice) else _as_array(group.rows, len(charges))[rows]
        yield Segment(plan, tables, place, part, run_stages(plan, tables, part))


def _carried(charges: Charges, group: _Group) -> DecimalColumn | None:
    """What earlier parts of the period consumed, if anything."""
    if charges.carried is None:
        return None
    carried = charges.carried.take(group.rows).trimmed()
    if group.profile.source is Source.QUANTITY:
        return carried
    if carried.magnitude_max():
        raise RatingError("a price of events, or of the quantities of units, carries nothing over")
    return None


def _measured(charges: Charges, group: _Group) -> DecimalColumn:
    """What the tiers of a group's prices count."""
    if group.profile.source is Source.QUANTITY:
        return charges.quantity.take(group.rows)
    rows = _as_array(group.rows, len(charges))
    prices = [charges.prices[place] for place in group.prices]
    own_index = np.searchsorted(group.prices, charges.price_index[rows])
    if group.profile.source is Source.UNITS:
        return capacity_tiers(prices, own_index, rows, charges.quantities)
    if charges.events is None:
        raise RatingError(
            "a percentage price with terms per event needs each event's amount: give Charges.events"
        )
    return sum_event_fees(prices, own_index, rows, charges.events)


def _paths(
    plan: Plan, measured: DecimalColumn, before: DecimalColumn | None, carried: DecimalColumn | None
) -> list[tuple[Rows, bool]]:
    """(rows, whether they need Python ints) of a group's charges. What is carried over is measured with the rest."""
    counter_max = 0 if before is None else before.magnitude_max()
    carried_max = 0 if carried is None else carried.magnitude_max()
    if plan.is_narrow(measured.magnitude_max() + carried_max, counter_max):
        return [(slice(None), False)]
    largest = plan.narrow_max(counter_max) - carried_max
    if largest < 0:
        return [(slice(None), True)]
    fits = np.asarray((measured.mantissa <= largest) & (measured.mantissa >= -largest), dtype=np.bool_)
    paths: list[tuple[Rows, bool]] = [(np.flatnonzero(fits), False), (np.flatnonzero(~fits), True)]
    return [(rows, is_wide) for rows, is_wide in paths if not isinstance(rows, slice) and len(rows)]
