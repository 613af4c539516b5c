"""One rated line in full: what a person needs to follow an amount, and a machine to replay it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rating.kernels.breakdown import TierBreakdown
from rating.kernels.charges import Charges
from rating.kernels.events import FeeSums, Terms, fee_sums, fees_of_events
from rating.kernels.segment import Segment
from rating.lines.formula import Due, Together, formula_of
from rating.lines.together import Shares
from rating.numbers.decimals import EXACT, DecimalColumn, canonical
from rating.prices.price import Price, Rounding
from rating.prices.proration import Part
from rating.prices.schedule import tier_spans


@dataclass(frozen=True)
class RatedTier:
    """What one tier contributes to a line. `quantity` counts what `unit_amount` prices: units or whole blocks.

    `amount` is quantity x unit_amount + flat_amount, each rounded where the price rounds each tier. `index` is the tier's
    place among those of its price: those of a matrix's cells follow each other, then its default's, and a cell
    without tiers is one.
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
        exact_amount: before the line's rounding and before what is booked; of a part as it is shown (rating.kernels.parts).
        amount: rounded to `digits`, less what is booked; of a group its share of what `together` is rounded to.
        stages: (name, exact amount after it) of every amount stage the price has: price, percent_off,
            amount_off, maximum_amount, minimum_amount (in the last part of a period only), proration.
        formula: the whole calculation in one legible line.
        negative_quantity: the quantity, or an event's amount, was below zero and billed as zero.
        carried_quantity: what earlier parts of the billing period consumed of the tiers and allowances.
        fees: of a price with terms per event, what the fees are made of.
        part: of its billing period, whose share of the price's amount the line is; None where it is all of it. Tiers and
            the stages before `proration` are those of the whole.
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
    together: Together | None = None
    carried_quantity: Decimal = Decimal(0)
    fees: FeeSums | None = None
    part: Part | None = None


def lines_of(
    charges: Charges, segment: Segment, shares: Shares | None = None
) -> Iterator[tuple[int, RatedLine]]:
    """Each of a segment's lines with its place among the charges."""
    recorded = segment.recorded()
    billable = segment.billable(charges)
    tiers = segment.broken_down(charges)
    terms = tiers
    if segment.inputs.before is not None and segment.plan.profile.tier_rounding:
        # A difference of rounded amounts isn't the rounded amount of the difference: show both.
        terms = segment.broken_down(charges, merge=False)
    for place, row in enumerate(np.arange(len(charges))[segment.rows].tolist()):
        price = charges.prices[int(charges.price_index[row])]
        is_final = charges.final is None or bool(charges.final[row])
        stages = tuple(
            (name, _plain(column, place))
            for name, column in recorded.stages.items()
            if is_final or name != "minimum_amount"
        )
        share = None if shares is None else shares.of(row, price.digits)
        rounded, together = share or (recorded.amount.decimal(place), None)
        booked = canonical(
            Decimal(0) if charges.booked is None else charges.booked.decimal(row), price.digits
        )
        shown = _tiers_of(tiers, place, price)
        fees = _fees_of(charges, row, price)
        part = None if charges.proration is None else charges.proration.part(row)
        yield (
            row,
            RatedLine(
                price=price,
                quantity=_plain(charges.quantity, row),
                billable_quantity=_plain(billable, place),
                exact_amount=stages[-1][1],
                amount=canonical(EXACT.subtract(rounded, booked), price.digits),
                booked=booked,
                currency=price.currency,
                rounding=price.rounding,
                digits=price.digits,
                tiers=shown,
                stages=stages,
                formula=formula_of(
                    price,
                    shown if terms is tiers else _tiers_of(terms, place, price),
                    stages,
                    Due(rounded, booked, together),
                    fees,
                    part,
                ),
                negative_quantity=_is_negative(charges, row, price),
                together=together,
                carried_quantity=Decimal(0) if charges.carried is None else _plain(charges.carried, row),
                fees=fees,
                part=part,
            ),
        )


def events_of(charges: Charges, row: int) -> tuple[RatedEvent, ...]:
    """Each event of one charge with its fee, in order; none where the price has no terms per event."""
    price = charges.prices[int(charges.price_index[row])]
    if charges.events is None or not price.needs_events:
        return ()
    amounts = charges.events.of_charge(row)
    fees = fees_of_events(Terms.of([price]), np.zeros(1, dtype=np.int64), np.array([row]), charges.events).fee
    counted = iter(range(len(fees)))
    return tuple(
        RatedEvent(_plain(amounts, place), _plain(fees, next(counted)) if counts else Decimal(0))
        for place, counts in enumerate(amounts.mantissa >= 0)
    )


def _fees_of(charges: Charges, row: int, price: Price) -> FeeSums | None:
    return fee_sums(price, row, charges.events) if charges.events and price.needs_events else None


def _is_negative(charges: Charges, row: int, price: Price) -> bool:
    """Whether the quantity, or an event's amount that the price looks at, is below zero."""
    if charges.quantity.mantissa[row] < 0:
        return True
    if charges.events is None or not price.needs_events:
        return False
    return bool((charges.events.of_charge(row).mantissa < 0).any())


def _plain(column: DecimalColumn, row: int) -> Decimal:
    """One value without trailing zeros, so that a line reads the same whatever it was rated beside."""
    return canonical(column.decimal(row))


def _tiers_of(parts: TierBreakdown, line: int, price: Price) -> tuple[RatedTier, ...]:
    """The tiers of one line."""
    spans = tier_spans(price)
    tiers = []
    for entry in range(int(parts.offsets[line]), int(parts.offsets[line + 1])):
        index = int(parts.tier[entry])
        from_quantity, up_to = spans[index]
        tiers.append(
            RatedTier(
                index=index,
                from_quantity=from_quantity,
                up_to=up_to,
                quantity=_plain(parts.quantity, entry),
                unit_amount=_plain(parts.unit_amount, entry),
                flat_amount=_plain(parts.flat_amount, entry),
                amount=_plain(parts.amount, entry),
            )
        )
    return tuple(tiers)
