"""The stages of a line, in their order, for one chunk of charges at a time.

Order: unit conversion, allowance, price, percent discount, amount discount, maximum, minimum, proration, rounding.
A chunk's columns stay in the processor's cache from the first stage to the last; only what is asked for is written
out. What each stage left can be asked for, so that a line can show how it came about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rating.kernels.kernels import ScheduleColumn, carried_amount, price_amount
from rating.kernels.parts import PartColumns
from rating.kernels.plan import Plan
from rating.kernels.profile import Profile
from rating.kernels.tables import Tables, pick
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import Mantissas, RoundingMode, divide_rounded

CHUNK_NARROW = 32_768
"""Charges a chunk in int64: a column of it is 256 KiB, so the handful in use stays in a core's cache."""
CHUNK_WIDE = 4_096
"""Charges a chunk of Python ints: bounds the memory of the intermediate objects."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The columns of m charges that share a plan; optional ones are None where no charge has them.

    `measured` and `carried` have the plan's measured scale, `before` its quantity scale; `started` and `final` are
    bool[m]. Where there is a `carried`, `before` is what is billable of it (`with_carried`). `proration`: the part of its
    period that each is for; None where all are whole.
    """

    measured: Mantissas
    schedule: ScheduleColumn = None
    before: Mantissas | None = None
    started: npt.NDArray[np.bool_] | None = None
    final: npt.NDArray[np.bool_] | None = None
    carried: Mantissas | None = None
    proration: PartColumns | None = None

    def part(self, rows: slice | npt.NDArray[np.int64]) -> "Inputs":
        """The same columns of some of the charges."""
        return Inputs(
            self.measured[rows],
            None if self.schedule is None else self.schedule[rows],
            None if self.before is None else self.before[rows],
            None if self.started is None else self.started[rows],
            None if self.final is None else self.final[rows],
            None if self.carried is None else self.carried[rows],
            None if self.proration is None else self.proration.take(rows),
        )

    def cast(self, dtype: npt.DTypeLike) -> "Inputs":
        """The same numbers as int64 or as Python ints; the caller has proven that they fit."""
        measured = self.measured.astype(dtype, copy=False)
        before = None if self.before is None else self.before.astype(dtype, copy=False)
        carried = None if self.carried is None else self.carried.astype(dtype, copy=False)
        return replace(self, measured=measured, before=before, carried=carried)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the stages leave for m charges: the billable quantity, the exact amount, the rounded one.

    `stages` has the exact amounts after each stage if they were to be recorded, else only after the last. `whole` is the
    exact amount before proration, of the whole period; `proration` the part that is owed, where there is one.
    """

    billable: DecimalColumn
    stages: Mapping[str, DecimalColumn]
    whole: DecimalColumn
    amount: DecimalColumn
    proration: PartColumns | None = None

    @cached_property
    def exact(self) -> DecimalColumn:
        """The exact amounts; of parts as they are shown (rating.kernels.parts)."""
        return self.whole if self.proration is None else self.proration.shown(self.whole)

    def part(self, rows: npt.NDArray[np.int64]) -> "Outcome":
        """What they leave for some of the charges."""
        stages = {name: column.take(rows) for name, column in self.stages.items()}
        proration = None if self.proration is None else self.proration.take(rows)
        return Outcome(
            self.billable.take(rows), stages, self.whole.take(rows), self.amount.take(rows), proration
        )


def run_stages(plan: Plan, tables: Tables, inputs: Inputs, *, record: bool = False) -> Outcome:
    """Rates m charges of one plan, chunk by chunk; the tables' dtype says on which path.

    The plan's bound proves every column. `record` keeps every stage's amounts; nothing is lost without it, the
    same call with it shows them again.
    """
    wide = inputs.measured.dtype == np.object_
    length, dtype, step = len(inputs.measured), inputs.measured.dtype, CHUNK_WIDE if wide else CHUNK_NARROW
    names = stage_names(plan.profile)
    columns = {name: np.empty(length, dtype) for name in (names if record else names[-1:])}
    amount = np.empty(length, dtype)
    billable = np.empty(length, dtype) if _changes_quantity(plan, inputs.measured) else None
    for start in range(0, length, step):
        rows = slice(start, start + step)
        chunk = inputs.part(rows)
        quantity = billable_quantity(plan, tables, chunk) if billable is not None else chunk.measured
        if billable is not None:
            billable[rows] = quantity
        value = priced(plan, tables, chunk, quantity)
        for name in names:
            value = _STAGES[name](value, tables, chunk) if name != "price" else value
            if name in columns:
                columns[name][rows] = value
        amount[rows] = settle(plan, value, signed=chunk.before is not None)
    scales = plan.scales
    stages = {
        name: DecimalColumn.proven(column, scales.price if name == "price" else scales.amount)
        for name, column in columns.items()
    }
    counted = inputs.measured if billable is None else billable
    outcome = Outcome(
        billable=DecimalColumn.proven(counted, scales.quantity),
        stages=stages,
        whole=stages[names[-1]],
        amount=DecimalColumn.proven(amount, plan.profile.digits),
    )
    return outcome if inputs.proration is None else _prorated(plan, outcome, inputs.proration, record=record)


def _prorated(plan: Plan, outcome: Outcome, parts: PartColumns, *, record: bool) -> Outcome:
    """Of whole periods what parts of them owe."""
    rounded = parts.rounded(outcome.whole, plan.profile.digits, plan.profile.mode)
    found = replace(outcome, amount=rounded, proration=parts)
    return replace(found, stages={**outcome.stages, "proration": found.exact}) if record else found


def stage_names(profile: Profile) -> list[str]:
    """The amount stages that a profile's charges pass, in order; those for a part of their period pass `proration` behind them."""
    passed = {
        "price": True,
        "percent_off": profile.has_percent_off,
        "amount_off": profile.has_amount_off,
        "maximum_amount": profile.has_maximum,
        "minimum_amount": profile.has_minimum,
    }
    return [name for name, applies in passed.items() if applies]


def _changes_quantity(plan: Plan, measured: Mantissas) -> bool:
    """Whether what is billed differs from what was measured; else one column serves as both."""
    profile, scales = plan.profile, plan.scales
    changes = profile.conversion is not None or profile.has_allowance or scales.quantity != scales.measured
    return changes or bool(len(measured) and measured.min() < 0)


def with_carried(plan: Plan, tables: Tables, inputs: Inputs) -> Inputs:
    """With what the counter holds, where an earlier part of the period is carried over: what is billable of it."""
    if inputs.carried is None:
        return inputs
    return replace(inputs, before=_billable(plan, tables, inputs.schedule, inputs.carried))


def billable_quantity(plan: Plan, tables: Tables, chunk: Inputs) -> Mantissas:
    """Stages 1 and 2, at the quantity scale: nothing below zero, the price's unit, less the allowance.

    On what is carried over: what is billable of all so far, less what was.
    """
    quantity = np.maximum(chunk.measured, 0)
    if chunk.carried is None or chunk.before is None:
        return _billable(plan, tables, chunk.schedule, quantity)
    so_far = _billable(plan, tables, chunk.schedule, quantity + chunk.carried)
    left: Mantissas = so_far - chunk.before
    return left


def _billable(plan: Plan, tables: Tables, schedule: ScheduleColumn, quantity: Mantissas) -> Mantissas:
    profile, scales = plan.profile, plan.scales
    if profile.conversion is not None:
        multiplier, divisor = plan.conversion_ratio
        quantity = divide_rounded(quantity * multiplier, divisor, profile.conversion.mode)
    if scales.quantity != scales.converted:
        quantity = quantity * 10 ** (scales.quantity - scales.converted)
    if profile.has_allowance:
        quantity = np.maximum(quantity - pick(tables.allowance, None, schedule), 0)
    return quantity


def priced(plan: Plan, tables: Tables, chunk: Inputs, quantity: Mantissas) -> Mantissas:
    """Stage 3, at the price scale; on a running counter, what it costs beyond what the counter cost before."""
    profile, scales = plan.profile, plan.scales
    if chunk.before is None:
        return price_amount(profile, scales, tables, chunk.schedule, quantity)
    if chunk.carried is not None:
        return carried_amount(profile, scales, tables, chunk.schedule, chunk.before, quantity)
    after = price_amount(profile, scales, tables, chunk.schedule, quantity + chunk.before)
    earlier = price_amount(profile, scales, tables, chunk.schedule, chunk.before)
    started = chunk.before > 0 if chunk.started is None else chunk.started
    amount: Mantissas = after - np.where(started, earlier, 0)
    return amount


def _percent_off(amount: Mantissas, tables: Tables, chunk: Inputs) -> Mantissas:
    kept: Mantissas = amount * pick(tables.percent_kept, None, chunk.schedule)
    return kept


def _amount_off(amount: Mantissas, tables: Tables, chunk: Inputs) -> Mantissas:
    """A discount ends at zero; an amount that a counter left negative stays as it is."""
    floor = 0 if chunk.before is None else np.minimum(amount, 0)
    off: Mantissas = np.maximum(amount - pick(tables.amount_off, None, chunk.schedule), floor)
    return off


def _maximum(amount: Mantissas, tables: Tables, chunk: Inputs) -> Mantissas:
    capped: Mantissas = np.minimum(amount, pick(tables.maximum, None, chunk.schedule))
    return capped


def _minimum(amount: Mantissas, tables: Tables, chunk: Inputs) -> Mantissas:
    raised: Mantissas = np.maximum(amount, pick(tables.minimum, None, chunk.schedule))
    return raised if chunk.final is None else np.where(chunk.final, raised, amount)


_STAGES = {
    "percent_off": _percent_off,
    "amount_off": _amount_off,
    "maximum_amount": _maximum,
    "minimum_amount": _minimum,
}


def settle(plan: Plan, amount: Mantissas, *, signed: bool) -> Mantissas:
    """The line's one rounding, to the currency's digits."""
    digits, scale = plan.profile.digits, plan.scales.amount
    if digits >= scale:
        scaled: Mantissas = amount * 10 ** (digits - scale)
        return scaled
    divisor = 10 ** (scale - digits)
    if plan.profile.mode is RoundingMode.HALF_UP and not signed:
        half_up: Mantissas = (amount + divisor // 2) // divisor
        return half_up
    return divide_rounded(amount, divisor, plan.profile.mode)
