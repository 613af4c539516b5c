"""What every tier contributes to every line, as ragged columns.

Rules:
1. A cumulative schedule has an entry for each tier entered; every other schedule has one entry.
2. Tiers below the one reached are full: their quantities and amounts are looked up in the tables. Only the tier
   reached is computed, with the same kernel as the line's amount; so entries add up to the price stage exactly.
3. On a running counter a tier's entry is what it has after this charge less what it had before. Where the whole
   quantity is priced at one tier, what the counter cost before comes off as an entry of its own, negated.
4. On what is carried over from an earlier part of the period, that is priced in the tier of the whole, so one entry
   is enough there, too; the flat amount of a line's first entry is due in each part, and stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rating.kernels.kernels import ScheduleColumn, counted_units, tier_index, usage_amount, whole_blocks
from rating.kernels.plan import Plan
from rating.kernels.profile import Source
from rating.kernels.stages import CHUNK_NARROW, Inputs
from rating.kernels.tables import Tables, pick
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import Mantissas
from rating.prices.models import BlockScope

Offsets = npt.NDArray[np.int64]
_INT16_MAX = 32_767
Tiers = npt.NDArray[np.int16] | npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class TierBreakdown:
    """k tier entries of n lines: those of line i are offsets[i]:offsets[i + 1] of every column.

    Attributes:
        offsets: int64[n + 1].
        tier: int16[k] (int32 of a matrix of very many tiers), the tier's place among those of its price: of a matrix
            the tiers of its cells, then of its default, follow each other, and a cell without tiers is one.
        quantity: k quantities inside the tier, counted in what unit_amount prices (units or whole blocks).
        unit_amount: k unit amounts.
        flat_amount: k flat amounts due, rounded where the price rounds each tier.
        amount: k amounts, quantity x unit_amount + flat_amount, rounded where the price rounds each tier.
            Summed over a line they are its price stage.
    """

    offsets: Offsets
    tier: Tiers
    quantity: DecimalColumn
    unit_amount: DecimalColumn
    flat_amount: DecimalColumn
    amount: DecimalColumn


@dataclass(frozen=True, eq=False)
class _Entries:
    """Ragged mantissas at a plan's scales."""

    offsets: Offsets
    tier: Tiers
    quantity: Mantissas
    unit: Mantissas
    flat: Mantissas
    amount: Mantissas


def break_down(
    plan: Plan,
    tables: Tables,
    inputs: Inputs,
    billable: DecimalColumn,
    price: DecimalColumn,
    *,
    merge: bool = True,
) -> TierBreakdown:
    """The entries of the m charges of one plan.

    Args:
        plan: the plan.
        tables: its tables on the path of the charges.
        inputs: what was rated.
        billable: m quantities after conversion and allowance.
        price: m amounts of the price stage.
        merge: whether a tier on a running counter has one entry, the difference; else what the counter cost
            before comes off as entries of its own under every schedule.
    """
    if plan.profile.source is not Source.QUANTITY:
        return _single_entries(plan, inputs, billable, price)
    entries = _entries_on_counter(plan, tables, inputs, billable.mantissa, merge=merge)
    return TierBreakdown(
        offsets=entries.offsets,
        tier=entries.tier,
        quantity=DecimalColumn(entries.quantity, plan.scales.priced),
        unit_amount=DecimalColumn(entries.unit, plan.scales.unit),
        flat_amount=DecimalColumn(entries.flat, plan.scales.price),
        amount=DecimalColumn(entries.amount, plan.scales.price),
    )


def _single_entries(
    plan: Plan, inputs: Inputs, billable: DecimalColumn, price: DecimalColumn
) -> TierBreakdown:
    """One entry a charge: the fees of its events, or the flat amount of the capacity tier reached."""
    length = len(price)
    is_capacity = plan.profile.source is Source.UNITS
    return TierBreakdown(
        offsets=np.arange(length + 1),
        tier=inputs.measured.astype(np.int16) if is_capacity else np.zeros(length, dtype=np.int16),
        quantity=billable,
        unit_amount=DecimalColumn.zeros(length),
        flat_amount=price,
        amount=price,
    )


def _entries_on_counter(
    plan: Plan, tables: Tables, inputs: Inputs, billable: Mantissas, *, merge: bool
) -> _Entries:
    if inputs.before is None:
        return _entries(plan, tables, inputs.schedule, billable)
    is_carried = inputs.carried is not None
    started = inputs.before > 0 if inputs.started is None else inputs.started
    so_far = billable + inputs.before
    after = _entries(plan, tables, inputs.schedule, so_far)
    rows = np.flatnonzero(started)
    schedule = None if inputs.schedule is None else inputs.schedule[rows]
    tiers_of = so_far if is_carried and not plan.profile.cumulative else inputs.before
    before = _entries(plan, tables, schedule, inputs.before[rows], tiers_of[rows])
    if is_carried:
        first = before.offsets[:-1]
        before.amount[first] -= before.flat[first]
        before.flat[first] = 0
    counts = np.diff(before.offsets)
    nth = np.arange(len(before.tier)) - np.repeat(before.offsets[:-1], counts)
    if (plan.profile.cumulative or is_carried) and merge:
        place = np.repeat(after.offsets[rows], counts) + nth
        for column, earlier in (
            (after.quantity, before.quantity),
            (after.flat, before.flat),
            (after.amount, before.amount),
        ):
            column[place] -= earlier
        return after
    return _interleaved(
        after, replace(before, quantity=-before.quantity, flat=-before.flat, amount=-before.amount), rows
    )


def _interleaved(first: _Entries, second: _Entries, rows: npt.NDArray[np.int64]) -> _Entries:
    """The entries of `first` for every line, each followed by those of `second` for the lines `rows`."""
    length = len(first.offsets) - 1
    own = np.repeat(np.arange(length), np.diff(first.offsets))
    lines = np.concatenate([own, np.repeat(rows, np.diff(second.offsets))])
    order = np.argsort(lines, kind="stable")
    counts = np.bincount(lines, minlength=length)

    def merged(name: str) -> Mantissas:
        both: Mantissas = np.concatenate([getattr(first, name), getattr(second, name)])[order]
        return both

    offsets = np.concatenate([[0], np.cumsum(counts)])
    return _Entries(offsets, *(merged(name) for name in ("tier", "quantity", "unit", "flat", "amount")))


def _entries(
    plan: Plan,
    tables: Tables,
    schedule: ScheduleColumn,
    quantity: Mantissas,
    tiers_of: Mantissas | None = None,
) -> _Entries:
    """The entries of quantities counted from zero, filled chunk by chunk. `tiers_of`: in whose tiers they are; None: their own."""
    length, dtype = len(quantity), quantity.dtype
    tiers_of = quantity if tiers_of is None else tiers_of
    reached = np.zeros(length, dtype=np.int8)
    chunks = [slice(start, start + CHUNK_NARROW) for start in range(0, length, CHUNK_NARROW)]
    for rows in chunks:
        counted = counted_units(plan.profile, tables, _part(schedule, rows), tiers_of[rows])
        tier = tier_index(
            tables, _part(schedule, rows), counted, lower_inclusive=plan.profile.lower_inclusive
        )
        reached[rows] = 0 if tier is None else tier
    counts = reached.astype(np.int64) + 1 if plan.profile.cumulative else np.ones(length, dtype=np.int64)
    offsets = np.zeros(length + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    last_tier = int(plan.first_tier.max()) + plan.profile.tiers - 1
    tiers: Tiers = np.empty(total, np.int16) if last_tier <= _INT16_MAX else np.empty(total, np.int32)
    entries = _Entries(offsets, tiers, *(np.empty(total, dtype) for _ in range(4)))
    full = _full_tiers(plan, tables)
    for rows in chunks:
        _fill(entries, plan, tables, rows, (_part(schedule, rows), quantity[rows], reached[rows]), full)
    return entries


def _part(schedule: ScheduleColumn, rows: slice) -> ScheduleColumn:
    return None if schedule is None else schedule[rows]


@dataclass(frozen=True, eq=False)
class _FullTiers:
    """What every tier has when it is full, raveled [T x R]; the last tier never is."""

    quantity: Mantissas
    unit: Mantissas
    flat: Mantissas
    amount: Mantissas


def _full_tiers(plan: Plan, tables: Tables) -> _FullTiers:
    width = np.zeros_like(tables.unit)
    width[:-1] = tables.upper - tables.lower[:-1]
    usage = np.zeros_like(tables.unit)
    for tier in range(len(width) - 1):
        usage[tier] = usage_amount(
            plan.profile, plan.scales, width[tier], tables.unit[tier], tables.block_size
        )
        if plan.profile.blocks is BlockScope.TIER:
            width[tier] = whole_blocks(width[tier], tables.block_size, plan.profile.block_rounding)
    columns = (width, tables.unit, tables.flat, usage + tables.flat)
    return _FullTiers(*(np.ascontiguousarray(column).ravel() for column in columns))


def _fill(
    entries: _Entries,
    plan: Plan,
    tables: Tables,
    rows: slice,
    chunk: tuple[ScheduleColumn, Mantissas, npt.NDArray[np.int8]],
    full: _FullTiers,
) -> None:
    """Writes the entries of one chunk of lines: (schedule, quantity, tier reached) of each."""
    schedule, quantity, reached = chunk
    profile, schedules = plan.profile, tables.unit.shape[1]
    offsets = entries.offsets[rows.start : rows.stop + 1]
    own = slice(int(offsets[0]), int(offsets[-1]))
    top = reached.astype(np.intp)
    tier, of_entry = top, schedule
    if profile.cumulative:
        counts = np.diff(offsets)
        tier = np.arange(own.start, own.stop) - np.repeat(offsets[:-1], counts)
        of_entry = None if schedule is None else np.repeat(schedule, counts)
    code = _code(tier, of_entry, schedules)
    for name in ("quantity", "unit", "flat", "amount"):
        np.take(getattr(full, name), code, out=getattr(entries, name)[own], mode="clip")
    first = plan.first_tier[0 if of_entry is None else of_entry]
    entries.tier[own] = tier if of_entry is None and not first else tier + first
    code = _code(top, schedule, schedules)
    size = pick(tables.block_size, None, schedule)
    inside = counted_units(profile, tables, schedule, quantity) - tables.lower.ravel().take(code)
    usage = usage_amount(profile, plan.scales, inside, full.unit.take(code), size)
    if profile.blocks is BlockScope.TIER:
        inside = whole_blocks(inside, size, profile.block_rounding)
    last = offsets[1:] - 1
    entries.quantity[last] = inside
    entries.amount[last] = usage + full.flat.take(code)


def _code(tier: npt.NDArray[np.intp], schedule: ScheduleColumn, schedules: int) -> npt.NDArray[np.intp]:
    """Where a tier of a schedule is in a raveled [T, R] table."""
    return tier if schedule is None else tier * schedules + schedule


def joined(
    parts: Sequence[TierBreakdown], rows: Sequence[npt.NDArray[np.int64] | slice], length: int
) -> TierBreakdown:
    """The breakdowns of segments as one, in the order of the lines."""
    counts = np.zeros(length, dtype=np.int64)
    for places, part in zip(rows, parts, strict=True):
        counts[places] = np.diff(part.offsets)
    offsets = np.zeros(length + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    places_of = [
        np.arange(len(part.tier)) + np.repeat(offsets[:-1][places] - part.offsets[:-1], np.diff(part.offsets))
        for places, part in zip(rows, parts, strict=True)
    ]
    total = int(offsets[-1])
    tier = np.zeros(total, dtype=np.result_type(np.int16, *(part.tier for part in parts)))
    for places, part in zip(places_of, parts, strict=True):
        tier[places] = part.tier

    def column(name: str) -> DecimalColumn:
        return DecimalColumn.scattered([getattr(part, name) for part in parts], places_of, total)

    return TierBreakdown(
        offsets, tier, column("quantity"), column("unit_amount"), column("flat_amount"), column("amount")
    )
