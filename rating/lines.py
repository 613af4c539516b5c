"""Rated lines: columns for machines, one line at a time for people."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rating.breakdown import TierBreakdown, break_down, joined
from rating.charges import Charges
from rating.decimals import EXACT, DecimalColumn, canonical
from rating.events import Terms, fees_of_events
from rating.formula import formula_of
from rating.plan import Plan
from rating.price import Price, Rounding
from rating.profile import Source
from rating.stages import Inputs, Outcome
from rating.tables import Tables

Rows: TypeAlias = npt.NDArray[np.int64] | slice


@dataclass(frozen=True, eq=False)
class Segment:
    """Charges that were rated together: one plan, one path. `rows` are their places among the charges."""

    plan: Plan
    tables: Tables
    rows: Rows
    inputs: Inputs
    outcome: Outcome


@dataclass(frozen=True)
class RatedTier:
    """What one tier contributes to a line. `quantity` counts what `unit_amount` prices: units or whole blocks.

    `amount` is quantity x unit_amount + flat_amount, each rounded where the price rounds each tier. A matrix
    cell is a tier whose `index` is the cell's place; the default comes after the last cell.
    """

    index: int
    from_quantity: Decimal
    up_to: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


@dataclass(frozen=True)
class RatedEvent:
    """One event of a percentage line with terms per event: its amount, and the exact fee for it."""

    amount: Decimal
    fee: Decimal


@dataclass(frozen=True)
class RatedLine:
    """One charge, rated. Amounts are in units of the currency.

    Attributes:
        exact_amount: before the line's rounding and before what is booked.
        amount: rounded to `digits`, less what is booked.
        stages: (name, exact amount after it) of every amount stage the price has: price, percent_off,
            amount_off, maximum_amount, minimum_amount (in the last part of a period only).
        formula: the whole calculation in one legible line.
        negative_quantity: the quantity, or an event's amount, was below zero and billed as zero.
    """

    price: Price
    quantity: Decimal
    billable_quantity: Decimal
    exact_amount: Decimal
    amount: Decimal
    booked: Decimal
    currency: str
    rounding: Rounding
    digits: int
    tiers: tuple[RatedTier, ...]
    stages: tuple[tuple[str, Decimal], ...]
    formula: str
    negative_quantity: bool


@dataclass(frozen=True, eq=False)
class RatedLines:
    """n rated lines. Columns are joined from the segments when first asked for."""

    charges: Charges
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.charges)

    @cached_property
    def amount(self) -> DecimalColumn:
        """N amounts, each rounded to its currency's digits, less what is booked; at the largest of the digits."""
        rounded = self._joined(lambda segment: segment.outcome.amount)
        return rounded if self.charges.booked is None else rounded.subtract(self.charges.booked)

    @cached_property
    def exact_amount(self) -> DecimalColumn:
        """N amounts before rounding and before what is booked."""
        return self._joined(lambda segment: list(segment.outcome.stages.values())[-1])

    @cached_property
    def billable_quantity(self) -> DecimalColumn:
        """N quantities after unit conversion and allowance; never negative."""
        return self._joined(self._billable)

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
        order = ("price", "percent_off", "amount_off", "maximum_amount", "minimum_amount")
        until = order[: order.index(name) + 1]
        return self._joined(
            lambda segment: [column for passed, column in segment.outcome.stages.items() if passed in until][
                -1
            ]
        )

    def breakdown(self) -> TierBreakdown:
        """Every tier of every line, as ragged columns; see `TierBreakdown`."""
        parts = [self._broken_down(segment, slice(None)) for segment in self.segments]
        if len(parts) == 1 and isinstance(self.segments[0].rows, slice):
            return parts[0]
        return joined(parts, [segment.rows for segment in self.segments], len(self))

    def line(self, row: int) -> RatedLine:
        """One line in full.

        Raises:
            IndexError: no such line.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"there are {len(self)} lines, asked for line {row}")
        charges = self.charges
        segment, place = self._found(row)
        price = charges.prices[int(charges.price_index[row])]
        is_final = self.charges.final is None or bool(self.charges.final[row])
        stages = tuple(
            (name, _plain(column, place))
            for name, column in segment.outcome.stages.items()
            if is_final or name != "minimum_amount"
        )
        rounded = segment.outcome.amount.decimal(place)
        booked = Decimal(0) if charges.booked is None else charges.booked.decimal(row)
        booked = canonical(booked, price.digits)
        tiers = _tiers_of(self._broken_down(segment, slice(place, place + 1)), price)
        return RatedLine(
            price=price,
            quantity=_plain(charges.quantity, row),
            billable_quantity=_plain(self._billable(segment, slice(place, place + 1)), 0),
            exact_amount=stages[-1][1],
            amount=canonical(EXACT.subtract(rounded, booked), price.digits),
            booked=booked,
            currency=price.currency,
            rounding=price.rounding,
            digits=price.digits,
            tiers=tiers,
            stages=stages,
            formula=formula_of(price, tiers, stages, rounded, booked),
            negative_quantity=bool(self.negative_quantity[row]),
        )

    def events(self, row: int) -> tuple[RatedEvent, ...]:
        """Each event of one line with its fee, in order; none where the price has no terms per event."""
        charges = self.charges
        price = charges.prices[int(charges.price_index[row])]
        if charges.events is None or not price.needs_events:
            return ()
        start, end = int(charges.events.offsets[row]), int(charges.events.offsets[row + 1])
        amounts = charges.events.amounts.take(slice(start, end))
        one = np.array([row])
        fees = fees_of_events(Terms.of([price]), np.zeros(1, dtype=np.int64), one, charges.events).fee
        counted = iter(range(len(fees)))
        return tuple(
            RatedEvent(
                _plain(amounts, place),
                _plain(fees, next(counted)) if amounts.mantissa[place] >= 0 else Decimal(0),
            )
            for place in range(len(amounts))
        )

    def _billable(self, segment: Segment, places: slice = slice(None)) -> DecimalColumn:
        """The billable quantities of some places of a segment."""
        if segment.plan.profile.source is Source.QUANTITY:
            return segment.outcome.billable.take(places)
        own = self.charges.quantity.take(segment.rows).take(places)
        return own.maximum(DecimalColumn.zeros(len(own)))

    def _broken_down(self, segment: Segment, places: slice) -> TierBreakdown:
        billable, price = self._billable(segment, places), segment.outcome.stages["price"].take(places)
        return break_down(segment.plan, segment.tables, segment.inputs.part(places), billable, price)

    def _found(self, row: int) -> tuple[Segment, int]:
        for segment in self.segments:
            if isinstance(segment.rows, slice):
                return segment, row
            place = int(np.searchsorted(segment.rows, row))
            if place < len(segment.rows) and segment.rows[place] == row:
                return segment, place
        raise IndexError(f"line {row} is in no segment")

    def _joined(self, column_of: Callable[[Segment], DecimalColumn]) -> DecimalColumn:
        columns = [column_of(segment) for segment in self.segments]
        if len(columns) == 1 and isinstance(self.segments[0].rows, slice):
            return columns[0]
        return DecimalColumn.scattered(columns, [segment.rows for segment in self.segments], len(self))


def _plain(column: DecimalColumn, row: int) -> Decimal:
    """One value without trailing zeros, so that a line reads the same whatever it was rated beside."""
    return canonical(column.decimal(row))


def _tiers_of(parts: TierBreakdown, price: Price) -> tuple[RatedTier, ...]:
    """The tiers of one line."""
    bounds = [Decimal(0)]
    bounds += [tier.up_to for tier in price.tiers or () if isinstance(tier.up_to, Decimal)]
    tiers = []
    for entry in range(len(parts.tier)):
        index = int(parts.tier[entry])
        from_quantity = bounds[index] if index < len(bounds) else bounds[0]
        tiers.append(
            RatedTier(
                index=index,
                from_quantity=from_quantity,
                up_to=bounds[index + 1] if index + 1 < len(bounds) else None,
                quantity=_plain(parts.quantity, entry),
                unit_amount=_plain(parts.unit_amount, entry),
                flat_amount=_plain(parts.flat_amount, entry),
                amount=_plain(parts.amount, entry),
            )
        )
    return tuple(tiers)
