"""The one rating function: charges in, rated lines out.

Theory of operation:
1. Prices are grouped by profile; the charges of one group share a plan and are rated together.
2. What the tiers count is measured first: the quantity, the fees of events, or the tier that units reach.
3. Within a group, charges whose quantity is proven to fit (`Plan.narrow_max`) go through the stages in int64;
   the others go through the same stages as Python ints. Nothing is rated twice and nothing can wrap.
4. A group and path makes one segment; `RatedLines` joins segments into columns when asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import Charges, RatingError
from rating.kernels.events import sum_event_fees
from rating.kernels.lookups import capacity_tiers, matrix_cells, no_cell, rows_without_cell
from rating.kernels.plan import Plan, compile_plan
from rating.kernels.profile import Profile, Source, analysed, scales_of
from rating.kernels.segment import Rows, Segment
from rating.kernels.stages import Inputs, run_stages
from rating.lines.lines import RatedLines
from rating.numbers.decimals import DecimalColumn
from rating.prices.models import Model


def rate(charges: Charges) -> RatedLines:
    """Rates every charge: exact up to the line, then one named rounding.

    Stages in order: unit conversion, allowance, price, percent discount, amount discount, maximum, minimum,
    rounding, and less what is booked. Pure: equal charges give equal lines.

    Raises:
        RatingError: a charge whose price needs columns that aren't there, or a matrix without a cell for it.
    """
    segments: list[Segment] = []
    for group in _groups(charges):
        segments += _rated(charges, group)
    return RatedLines(charges, tuple(segments))


def unrateable_rows(charges: Charges) -> npt.NDArray[np.int64]:
    """The charges that their prices say nothing about, rising: those of a matrix price without a cell for them.

    `rate` raises for them; `unrateable_reason` says why.
    """
    found = [
        rows_without_cell(price, np.flatnonzero(charges.price_index == place), charges.dimensions)
        for place, price in enumerate(charges.prices)
        if price.model is Model.MATRIX and price.default is None
    ]
    return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def unrateable_reason(charges: Charges, row: int) -> str:
    """Why one of `unrateable_rows` can't be rated, to stand behind its name: it names the dimensions' values."""
    return no_cell(charges.prices[int(charges.price_index[row])], row, charges.dimensions)


@dataclass
class _Group:
    """The prices of one profile, how many schedules they have, and the rows of their charges."""

    profile: Profile
    number: int
    prices: list[int] = field(default_factory=list)
    schedules: int = 0
    rows: Rows = field(default_factory=lambda: slice(None))
    schedule: npt.NDArray[np.int64] | None = None


def _groups(charges: Charges) -> Iterator[_Group]:
    """The charges grouped by the profile of their price, each with its schedule in the group's tables."""
    prices, index = charges.prices, charges.price_index
    groups: dict[Profile, _Group] = {}
    group_of = np.zeros(len(prices), dtype=np.int32)
    first_schedule = np.zeros(len(prices), dtype=np.int64)
    for place in _used_prices(index, len(prices)):
        profile, schedules = analysed(prices[place])
        group = groups.setdefault(profile, _Group(profile, len(groups)))
        group_of[place] = group.number
        first_schedule[place] = group.schedules
        group.prices.append(place)
        group.schedules += len(schedules)
    for group, rows in zip(groups.values(), _rows_by_group(group_of, index, len(groups)), strict=True):
        group.rows = rows
        if group.schedules > 1 or prices[group.prices[0]].model is Model.MATRIX:
            group.schedule = first_schedule[index[rows]]
            _add_cells(charges, group)
        yield group


def _used_prices(index: npt.NDArray[np.int64], prices: int) -> list[int]:
    """The prices that any charge has, rising."""
    if prices <= 1:
        return list(range(min(prices, len(index))))
    used: list[int] = np.flatnonzero(np.bincount(index, minlength=prices)).tolist()
    return used


def _rows_by_group(group_of: npt.NDArray[np.int32], index: npt.NDArray[np.int64], groups: int) -> list[Rows]:
    """The rows of each group in order; all of them as one slice where there is one group."""
    if groups <= 1:
        return [slice(None)] * groups
    small = np.int16 if groups < 2**15 else np.int32  # NumPy sorts 16 bits by radix
    group = group_of.astype(small)[index]
    order = np.argsort(group, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(group, minlength=groups))[:-1]))


def _add_cells(charges: Charges, group: _Group) -> None:
    """Moves the charges of matrix prices to the schedules of their cells."""
    matrices = [place for place in group.prices if charges.prices[place].model is Model.MATRIX]
    if not matrices or group.schedule is None:
        return
    rows = _as_array(group.rows, len(charges))
    if len(group.prices) == 1:
        group.schedule += matrix_cells(charges.prices[matrices[0]], rows, charges.dimensions)
        return
    for place in matrices:
        own = np.flatnonzero(charges.price_index[rows] == place)
        group.schedule[own] += matrix_cells(charges.prices[place], rows[own], charges.dimensions)


def _as_array(rows: Rows, length: int) -> npt.NDArray[np.int64]:
    return np.arange(length)[rows] if isinstance(rows, slice) else rows


def _rated(charges: Charges, group: _Group) -> Iterator[Segment]:
    """The segments of one group: what int64 can hold, and the rest."""
    measured = _measured(charges, group).trimmed()
    before = None if charges.consumed_before is None else charges.consumed_before.take(group.rows).trimmed()
    scales = scales_of(group.profile, measured.scale, 0 if before is None else before.scale)
    plan = compile_plan(group.profile, scales, tuple(charges.prices[place] for place in group.prices))
    before = None if before is None else before.rescale(scales.quantity)
    inputs = Inputs(
        measured.mantissa,
        group.schedule,
        None if before is None else before.mantissa,
        None if charges.counter_started is None else charges.counter_started[group.rows],
        None if charges.final is None else charges.final[group.rows],
    )
    for rows, is_wide in _paths(plan, measured, before):
        part = inputs if isinstance(rows, slice) else inputs.part(rows)
        tables = plan.wide if is_wide or plan.narrow is None else plan.narrow
        part = part.cast(np.dtype(object) if is_wide else np.dtype(np.int64))
        place = group.rows if isinstance(rows, slice) else _as_array(group.rows, len(charges))[rows]
        yield Segment(plan, tables, place, part, run_stages(plan, tables, part))


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


def _paths(plan: Plan, measured: DecimalColumn, before: DecimalColumn | None) -> list[tuple[Rows, bool]]:
    """(rows, whether they need Python ints) of a group's charges."""
    counter_max = 0 if before is None else before.magnitude_max()
    if plan.is_narrow(measured.magnitude_max(), counter_max):
        return [(slice(None), False)]
    largest = plan.narrow_max(counter_max)
    if largest < 0:
        return [(slice(None), True)]
    fits = np.asarray((measured.mantissa <= largest) & (measured.mantissa >= -largest), dtype=np.bool_)
    paths: list[tuple[Rows, bool]] = [(np.flatnonzero(fits), False), (np.flatnonzero(~fits), True)]
    return [(rows, is_wide) for rows, is_wide in paths if not isinstance(rows, slice) and len(rows)]
