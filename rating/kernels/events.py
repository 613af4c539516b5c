"""Percentage prices with terms per event: the fee of each event, and their sum for each charge.

Rules:
1. Events are taken in order. The allowance lasts while fewer than `free_events` were taken and less than
   `free_amount` was used up, whichever ends first; a limit that isn't given doesn't end it, and without any
   limit there is no allowance.
2. An event within the allowance is free. The one that goes beyond `free_amount` pays percent of the part beyond,
   and its fixed fee in full.
3. Fee of a paying event = percent of its amount + fixed fee, at most and at least what the price says per event.
4. A negative amount bills as zero: no fee, and no part in the allowance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import EventAmounts
from rating.numbers.decimals import EXACT, NARROW_MAX, DecimalColumn, canonical
from rating.prices.price import Price

ZERO = Decimal(0)
CHUNK_CHARGES = 8_192
"""Charges a chunk: with a handful of events each, the columns in use stay in a core's cache."""

Index = npt.NDArray[np.int64]


def sum_event_fees(
    prices: Sequence[Price], price_index: Index, rows: Index, events: EventAmounts
) -> DecimalColumn:
    """The sum of the fees of each charge.

    Args:
        prices: the distinct prices.
        price_index: int64[m], the price of each charge.
        rows: int64[m], the charge's place in `events`.
        events: the amounts.

    Returns:
        m exact sums in the currency.
    """
    terms = Terms.of(prices)
    chunks = [slice(start, start + CHUNK_CHARGES) for start in range(0, len(rows), CHUNK_CHARGES)]
    sums = []
    for chunk in chunks:
        fees = fees_of_events(terms, price_index[chunk], rows[chunk], events)
        sums.append(fees.fee.sum_by_group(fees.charge, len(rows[chunk])))
    return DecimalColumn.concatenate(sums)


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of P prices as columns [P]; None where no price has the term."""

    share: DecimalColumn
    fixed: DecimalColumn | None
    maximum: DecimalColumn | None
    has_maximum: npt.NDArray[np.bool_]
    minimum: DecimalColumn | None
    free_amount: DecimalColumn | None
    has_free_amount: npt.NDArray[np.bool_]
    free_events: Index
    has_free_events: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, prices: Sequence[Price]) -> "Terms":
        def column(values: Sequence[Decimal | None]) -> DecimalColumn | None:
            return (
                DecimalColumn.of(value or ZERO for value in values)
                if any(v is not None for v in values)
                else None
            )

        return cls(
            share=DecimalColumn.of(EXACT.scaleb(one.percent or ZERO, -2) for one in prices),
            fixed=column([one.fixed_amount_per_event for one in prices]),
            maximum=column([one.maximum_per_event for one in prices]),
            has_maximum=np.array([one.maximum_per_event is not None for one in prices]),
            minimum=column([one.minimum_per_event for one in prices]),
            free_amount=column([one.free_amount for one in prices]),
            has_free_amount=np.array([one.free_amount is not None for one in prices]),
            free_events=np.array([one.free_events or 0 for one in prices], dtype=np.int64),
            has_free_events=np.array([one.free_events is not None for one in prices]),
        )


@dataclass(frozen=True, eq=False)
class EventFees:
    """What the counted events of some charges pay, in order: `charge` is the place of each event's charge."""

    charge: Index
    fee: DecimalColumn


def fees_of_events(terms: Terms, price_index: Index, rows: Index, events: EventAmounts) -> EventFees:
    """The fee of each event; `rows` rise strictly. A negative event counts for nothing and isn't among them."""
    steps = _steps(terms, price_index, rows, events)
    fee = steps.bounded
    if steps.is_free is not None:
        fee = DecimalColumn(np.where(steps.is_free, 0, fee.mantissa), fee.scale)
    return EventFees(steps.charge, fee)


@dataclass(frozen=True)
class FeeSums:
    """What the fees of one charge's events are made of: percent_amount + fixed_amount - above_maximum + below_minimum is
    their sum.

    Attributes:
        free_event_count: events that cost nothing by the allowance.
        charged_event_count, charged_amount: the events that pay, and their amounts beyond the allowance.
        percent_amount, fixed_amount: percent of these amounts, and the fixed fees.
        above_maximum, below_minimum: what the bounds of an event's fee take off, and add, in all.
    """

    free_event_count: int
    charged_event_count: int
    charged_amount: Decimal
    percent_amount: Decimal
    fixed_amount: Decimal
    above_maximum: Decimal
    below_minimum: Decimal

    @property
    def amount(self) -> Decimal:
        """Their sum."""
        fees = EXACT.add(self.percent_amount, self.fixed_amount)
        return EXACT.add(EXACT.subtract(fees, self.above_maximum), self.below_minimum)


def fee_sums(price: Price, row: int, events: EventAmounts) -> FeeSums:
    """Those of the charge at a row of `events`, without trailing zeros: the same whatever it is rated beside."""
    terms = Terms.of([price])
    steps = _steps(terms, np.zeros(1, dtype=np.int64), np.array([row]), events)
    count = len(steps.charge)
    pays = np.ones(count, dtype=np.bool_) if steps.is_free is None else ~steps.is_free
    charged = int(pays.sum())
    charged_amount = steps.beyond.take(pays).total()
    above = steps.plain.subtract(steps.capped).take(pays)
    below = steps.bounded.subtract(steps.capped).take(pays)
    return FeeSums(
        free_event_count=count - charged,
        charged_event_count=charged,
        charged_amount=canonical(charged_amount),
        percent_amount=canonical(EXACT.multiply(charged_amount, terms.share.decimal(0))),
        fixed_amount=canonical(EXACT.multiply(Decimal(charged), price.fixed_amount_per_event or ZERO)),
        above_maximum=canonical(above.total()),
        below_minimum=canonical(below.total()),
    )


@dataclass(frozen=True, eq=False)
class _Steps:
    """The fees of counted events, step by step; of free ones they say nothing.

    plain: percent and fixed fee; capped: at most the maximum; bounded: and at least the minimum.
    """

    charge: Index
    beyond: DecimalColumn
    is_free: npt.NDArray[np.bool_] | None
    plain: DecimalColumn
    capped: DecimalColumn
    bounded: DecimalColumn


def _steps(terms: Terms, price_index: Index, rows: Index, events: EventAmounts) -> _Steps:
    charge, counts, amounts = _flattened(rows, events)
    price = price_index.take(charge)
    beyond, is_free = _beyond_allowance(terms, price, counts, amounts)
    plain = beyond.multiply(_spread(terms.share, price))
    if terms.fixed is not None:
        plain = plain.add(_spread(terms.fixed, price))
    capped = plain
    if terms.maximum is not None:
        capped = plain.minimum(_spread(terms.maximum, price))
        capped = capped if terms.has_maximum.all() else capped.where(terms.has_maximum.take(price), plain)
    bounded = capped if terms.minimum is None else capped.maximum(_spread(terms.minimum, price))
    return _Steps(charge, beyond, is_free, plain, capped, bounded)


def _spread(term: DecimalColumn, price: Index) -> DecimalColumn:
    """The term of each event's price; a single price's without gathering it."""
    if len(term) == 1:
        return DecimalColumn(np.broadcast_to(term.mantissa, price.shape), term.scale)
    return term.take(price)


def _flattened(rows: Index, events: EventAmounts) -> tuple[Index, Index, DecimalColumn]:
    """(charge of each event, number of events of each charge, amount of each event), in order, no negative ones.

    `rows` rise strictly.
    """
    starts, ends = events.offsets[rows], events.offsets[rows + 1]
    counts = ends - starts
    charge = np.repeat(np.arange(len(rows)), counts)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        amounts = events.amounts.take(slice(int(starts[0]), int(ends[-1])))
    else:
        shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
        amounts = events.amounts.take(np.arange(len(charge)) + shift)
    is_counted = np.asarray(amounts.mantissa >= 0, dtype=np.bool_)
    if not is_counted.all():
        charge, amounts = charge[is_counted], amounts.take(is_counted)
        counts = np.bincount(charge, minlength=len(rows))
    return charge, counts, amounts


def _beyond_allowance(
    terms: Terms, price: Index, counts: Index, amounts: DecimalColumn
) -> tuple[DecimalColumn, npt.NDArray[np.bool_] | None]:
    """(amount beyond the allowance, whether the event is free) of each event; None where no price has an allowance."""
    if not terms.has_free_events.any() and terms.free_amount is None:
        return amounts, None
    first = np.repeat(np.cumsum(counts) - counts, counts)
    taken = np.arange(len(amounts)) - first
    if terms.free_amount is None:
        free_events = np.where(terms.has_free_events, terms.free_events, 0)
        return amounts, taken < (free_events[0] if len(free_events) == 1 else free_events.take(price))
    by_events, by_amount = terms.has_free_events.take(price), terms.has_free_amount.take(price)
    lasts = (by_events | by_amount) & (~by_events | (taken < terms.free_events.take(price)))
    zero = DecimalColumn.zeros(len(amounts))
    left = terms.free_amount.take(price).subtract(_used_before(amounts, first))
    lasts &= ~by_amount | (left.compare(zero) > 0)
    beyond = amounts.subtract(left).maximum(zero).where(by_amount, zero).where(lasts, amounts)
    return beyond, lasts & (beyond.compare(zero) == 0)


def _used_before(amounts: DecimalColumn, first: Index) -> DecimalColumn:
    """The sum of the earlier events of the same charge; `first` is the place of the charge's first event.

    Exact in int64 while (events) x (largest amount) <= NARROW_MAX.
    """
    bounded = amounts if len(amounts) * amounts.magnitude_max() <= NARROW_MAX else amounts.widened()
    earlier = np.cumsum(bounded.mantissa) - bounded.mantissa
    return DecimalColumn(earlier - earlier[first], amounts.scale)
