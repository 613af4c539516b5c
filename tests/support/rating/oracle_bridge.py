"""Asks the rating core what a batch comes to, and tells where it differs from the oracle.

A difference is a line of text with the seed, the price and the charge as fields: enough to repeat it alone.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rating import (
    Charges,
    DecimalColumn,
    Dimension,
    EventAmounts,
    Part,
    PartColumns,
    Price,
    RatedLines,
    RatedTier,
    rate,
)
from tests.support.rating.oracle import Line, exactly, rate_one
from tests.support.rating.oracle_charges import MINOR_UNITS, Batch
from tests.support.rating.oracle_formula import mistakes
from tests.support.rating.oracle_models import event_fees
from tests.support.rating.oracle_numbers import ZERO
from tests.support.rating.oracle_random import Fields

STAGES = ("price", "percent_off", "amount_off", "maximum_amount", "minimum_amount", "proration")


def charges_of(prices: Sequence[Fields], index: Sequence[int], charges: Sequence[Fields]) -> Charges:
    """The columns that the core takes, from prices and charges as fields."""
    columns: dict[str, Any] = {}
    if any("events" in charge for charge in charges):
        columns["events"] = EventAmounts.of([charge.get("events", []) for charge in charges])
    names = {name for charge in charges for name in charge.get("dimensions", ())}
    if names:
        columns["dimensions"] = {
            name: Dimension.of([charge.get("dimensions", {}).get(name) for charge in charges])
            for name in names
        }
    units = {unit for charge in charges for unit in charge.get("quantities", ())}
    if units:
        columns["quantities"] = {
            unit: DecimalColumn.of([charge.get("quantities", {}).get(unit, "0") for charge in charges])
            for unit in units
        }
    if any("consumed_before" in charge for charge in charges):
        columns["consumed_before"] = DecimalColumn.of(
            [charge.get("consumed_before", "0") for charge in charges]
        )
        columns["counter_started"] = np.array([charge.get("counter_started", False) for charge in charges])
    if any("carried" in charge for charge in charges):
        columns["carried"] = DecimalColumn.of([charge.get("carried", "0") for charge in charges])
    if any("booked" in charge for charge in charges):
        columns["booked"] = DecimalColumn.of([charge.get("booked", "0") for charge in charges])
    if any("final" in charge for charge in charges):
        columns["final"] = np.array([charge.get("final", True) for charge in charges])
    if any("proration" in charge for charge in charges):
        parts = (charge.get("proration") for charge in charges)
        columns["proration"] = PartColumns.of(None if part is None else Part(*part) for part in parts)
    return Charges(
        prices=[Price.read(fields) for fields in prices],
        price_index=np.array(index, dtype=np.int64),
        quantity=DecimalColumn.of([charge["quantity"] for charge in charges]),
        **columns,
    )


def expected_lines(batch: Batch) -> list[Line]:
    """What the oracle says, charge by charge."""
    prices = [exactly(fields) for fields in batch.prices]
    digits = [MINOR_UNITS[fields["currency"]] for fields in batch.prices]
    return [
        rate_one(prices[i], exactly(charge), digits[i])
        for i, charge in zip(batch.index, batch.charges, strict=True)
    ]


def differences(batch: Batch) -> Iterator[str]:
    """Where the core's columns of a batch differ from the oracle's lines, in any column."""
    expected = expected_lines(batch)
    lines = rate(charges_of(batch.prices, batch.index, batch.charges))
    columns = {
        "amount": (lines.amount, [line.amount for line in expected]),
        "exact_amount": (lines.exact_amount, [line.exact_amount for line in expected]),
        "billable_quantity": (lines.billable_quantity, [line.billable_quantity for line in expected]),
    }
    for place, name in enumerate(STAGES):
        columns[f"stage {name}"] = (lines.stage(name), [after(line, place) for line in expected])
    for name, (column, values) in columns.items():
        for row, (actual, value) in enumerate(zip(fractions(column), values, strict=True)):
            if actual != value:
                yield told(batch, row, name, actual, value)
    for row, (actual, line) in enumerate(zip(lines.negative_quantity.tolist(), expected, strict=True)):
        if actual != line.negative:
            yield told(batch, row, "negative_quantity", actual, line.negative)
    yield from breakdown_differences(batch, lines, expected)


def breakdown_differences(batch: Batch, lines: RatedLines, expected: Sequence[Line]) -> Iterator[str]:
    """Where tiers differ. On a running counter that prices its whole quantity at one tier, only their sum counts."""
    breakdown = lines.breakdown()
    offsets = breakdown.offsets.tolist()
    columns = (breakdown.quantity, breakdown.unit_amount, breakdown.flat_amount, breakdown.amount)
    tiers = list(zip(breakdown.tier.tolist(), *map(fractions, columns), strict=True))
    for row, line in enumerate(expected):
        actual = tiers[offsets[row] : offsets[row + 1]]
        total = sum((tier[-1] for tier in actual), ZERO)
        tiered = batch.prices[batch.index[row]]["model"].startswith("graduated")
        if total != line.stages[0][1]:
            yield told(batch, row, "sum of tiers", total, line.stages[0][1])
        elif actual != line.tiers and (tiered or not batch.charges[row].get("counter_started")):
            yield told(batch, row, "tiers", actual, line.tiers)


def line_differences(batch: Batch) -> Iterator[str]:
    """Where a line in full, its events or its formula differ from the oracle's; `differences` compares columns."""
    lines = rate(charges_of(batch.prices, batch.index, batch.charges))
    for row, expected in enumerate(expected_lines(batch)):
        price, charge = batch.prices[batch.index[row]], batch.charges[row]
        line = lines.line(row)
        digits = int(price.get("rounding", {}).get("digits", MINOR_UNITS[price["currency"]]))
        comparisons = {
            "quantity": (line.quantity, Fraction(charge["quantity"])),
            "billable_quantity": (line.billable_quantity, expected.billable_quantity),
            "exact_amount": (line.exact_amount, expected.exact_amount),
            "amount": (line.amount, expected.amount),
            "booked": (line.booked, Fraction(charge.get("booked", 0))),
            "currency and digits": ((line.currency, line.digits), (price["currency"], digits)),
            "places of the amount": (-line.amount.as_tuple().exponent, digits),
            "rounding mode": (line.rounding.mode, price.get("rounding", {}).get("mode", "half_up")),
            "negative_quantity": (line.negative_quantity, expected.negative),
            "stages": (list(line.stages), expected.stages),
            "bounds of tiers": (
                [(t.from_quantity, t.up_to) for t in line.tiers],
                bounds_of(price, line.tiers),
            ),
            "fees of events": ([event.fee for event in lines.events(row)], fees_of(price, charge)),
            "formula": (list(mistakes(line.formula, digits, line.rounding.mode)), []),
        }
        for name, (actual, value) in comparisons.items():
            if actual != value:
                yield told(batch, row, name, actual, value) + f"\n  {line.formula}"


def bounds_of(price: Fields, tiers: Sequence[RatedTier]) -> list[tuple[Fraction, Fraction | None]]:
    """Where each of the line's tiers starts and ends; a price or a cell without tiers has one without an end."""
    cells = [price] if price["model"] != "matrix" else [*price["cells"], price.get("default", {})]
    spans: list[tuple[Fraction, Fraction | None]] = []
    for cell in cells:
        ends = [tier["up_to"] for tier in cell["tiers"]] if "tiers" in cell else [None]
        if price["model"] == "capacity":
            spans += [(ZERO, None)] * len(ends)
        else:
            starts = [ZERO, *map(Fraction, ends[:-1])]
            spans += zip(starts, [*map(Fraction, ends[:-1]), None], strict=True)
    return [spans[tier.index] for tier in tiers]


def fees_of(price: Fields, charge: Fields) -> list[Fraction]:
    """The fee of each event, where the price has terms per event."""
    return list(event_fees(exactly(price), exactly(charge["events"]))) if "events" in charge else []


def after(line: Line, place: int) -> Fraction:
    """The amount after a stage, or after the last one before it that the price has."""
    return [amount for name, amount in line.stages if STAGES.index(name) <= place][-1]


def fractions(column: DecimalColumn) -> list[Fraction]:
    """A column's values as the oracle writes them."""
    unit = 10**column.scale
    return [Fraction(mantissa, unit) for mantissa in column.mantissa.tolist()]


def told(batch: Batch, row: int, what: str, actual: object, expected: object) -> str:
    """One difference, with all that it takes to repeat it."""
    price, charge = batch.prices[batch.index[row]], batch.charges[row]
    return (
        f"seed {batch.seed} row {row}: {what} is {actual}, the oracle says {expected}\n  {price}\n  {charge}"
    )
