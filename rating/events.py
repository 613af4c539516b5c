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
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from rating.charges import EventAmounts
from rating.decimals import EXACT, NARROW_MAX, DecimalColumn
from rating.price import Price

ZERO = Decimal(0)


def event_fees(
    prices: Sequence[Price],
    price_index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    events: EventAmounts,
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
    charge, amounts = _flattened(rows, events)
    price = price_index[charge]

    def term(values: Sequence[Decimal | int | None]) -> DecimalColumn:
        return DecimalColumn.of(ZERO if value is None else value for value in values).take(price)

    beyond, is_free = _beyond_allowance(prices, price, charge, amounts)
    fee = beyond.multiply(term([EXACT.scaleb(one.percent or ZERO, -2) for one in prices]))
    fee = fee.add(term([one.fixed_amount_per_event for one in prices]))
    capped = np.array([one.maximum_per_event is not None for one in prices])[price]
    fee = fee.where(~capped, fee.minimum(term([one.maximum_per_event for one in prices])))
    fee = fee.maximum(term([one.minimum_per_event for one in prices]))
    fee = fee.where(~is_free, DecimalColumn.zeros(len(fee)))
    return fee.sum_by_group(charge, len(rows))


def _flattened(
    rows: npt.NDArray[np.int64], events: EventAmounts
) -> tuple[npt.NDArray[np.int64], DecimalColumn]:
    """(place in `rows`, amount) of every event that isn't negative, in order."""
    starts, counts = events.offsets[rows], np.diff(events.offsets)[rows]
    charge = np.repeat(np.arange(len(rows)), counts)
    ends = np.cumsum(counts)
    position = np.arange(len(charge)) + np.repeat(starts - (ends - counts), counts)
    amounts = events.amounts.take(position)
    counted = np.flatnonzero(amounts.mantissa >= 0)
    return charge[counted], amounts.take(counted)


def _beyond_allowance(
    prices: Sequence[Price],
    price: npt.NDArray[np.int64],
    charge: npt.NDArray[np.int64],
    amounts: DecimalColumn,
) -> tuple[DecimalColumn, npt.NDArray[np.bool_]]:
    """(amount beyond the allowance, whether the event is free) of each event; `charge` rises."""
    by_events = np.array([one.free_events is not None for one in prices])[price]
    by_amount = np.array([one.free_amount is not None for one in prices])[price]
    first = np.searchsorted(charge, charge)
    taken = np.arange(len(charge)) - first
    free_events = np.array([one.free_events or 0 for one in prices], dtype=np.int64)[price]
    free_amount = DecimalColumn.of(one.free_amount or ZERO for one in prices).take(price)
    left = free_amount.subtract(_used_before(amounts, first))
    zero = DecimalColumn.zeros(len(amounts))
    lasts = (
        (by_events | by_amount)
        & (~by_events | (taken < free_events))
        & (~by_amount | (left.compare(zero) > 0))
    )
    beyond = amounts.subtract(left).maximum(zero).where(by_amount, zero).where(lasts, amounts)
    return beyond, lasts & (beyond.compare(zero) == 0)


def _used_before(amounts: DecimalColumn, first: npt.NDArray[np.int64]) -> DecimalColumn:
    """The sum of the earlier events of the same charge; `first` is the place of the charge's first event.

    Exact in int64 while (events) x (largest amount) <= NARROW_MAX.
    """
    bounded = amounts if len(amounts) * amounts.magnitude_max() <= NARROW_MAX else amounts.widened()
    earlier = np.cumsum(bounded.mantissa) - bounded.mantissa
    return DecimalColumn(earlier - earlier[first], amounts.scale)
