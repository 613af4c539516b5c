"""Prices of segments to charges: what goes on is one charge, and what holds for a part of the period is prorated. Pure.

Rules:
1. A price that is the same in adjoining segments is one charge over both.
2. The parts of one price in one billing period stand together, at the place of the first, and are rounded together if they
   are rounded alike: prorated parts that are not changed between add up to the whole.
3. What counts in full has the terms that are last in the period; for the highest quantity, if the price says so, of its parts.
4. A part is counted in seconds from the start of the whole period (what is finer is cut off), or in local days.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.billing.billed_prices import BilledPrices
from engine.billing.periods import DAY_US, Instants
from engine.billing.segments import Index, SegmentColumns, spread
from engine.catalog.snapshots.snapshot import Catalog
from engine.time_zones import zone
from rating import Part

_SECOND_US = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """n charges.

    Attributes:
        period: int64[n], a place among the periods, rising.
        start_us, end_us: int64[n], where in it.
        price: int64[n], a place in the list of prices.
        whole: int64[n], rising; the same for what is rounded together.
        in_full: bool[n], whether the price counts once in the period, in full: only the last of its parts may.
    """

    period: Index
    start_us: Instants
    end_us: Instants
    price: Index
    whole: Index
    in_full: npt.NDArray[np.bool_]

    def taken(self, rows: Index) -> "Parts":
        return Parts(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, eq=False, slots=True)
class Spans:
    """The distinct stretches of charges, by period and start: int64[k] each, and `of_charge` int64[n]."""

    period: Index
    start_us: Instants
    end_us: Instants
    of_charge: Index


def spans_of(parts: Parts, segments: SegmentColumns) -> Spans:
    """Where charges lie; every period has one, also without a charge."""
    if segments.are_whole:
        return Spans(segments.period, segments.start_us, segments.end_us, parts.period)
    keys = np.stack([parts.period, parts.start_us, parts.end_us])
    periods = segments.periods
    without = np.setdiff1d(np.arange(len(segments.row)), parts.period)
    of_all = np.stack([without, periods.start_us[without], periods.end_us[without]])
    keys = np.concatenate([keys, of_all], axis=1)
    order = np.lexsort(keys[::-1])
    key = keys[:, order]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    of_charge = np.empty(len(order), dtype=np.int64)
    of_charge[order] = np.cumsum(is_new) - 1
    period, start_us, end_us = key[:, is_new]
    return Spans(period, start_us, end_us, of_charge[: len(parts.period)])


def charge_parts(catalog: Catalog, segments: SegmentColumns, prices: BilledPrices) -> Parts:
    """The charges of these segments, each with its price."""
    segment, within = spread(prices.counts)
    price = prices.places[prices.first[segment] + within]
    if (due := prices.due(segments, segment, price)) is not None:
        segment, price = segment[due], price[due]
    parts = Parts(
        segments.period[segment],
        segments.start_us[segment],
        segments.end_us[segment],
        price,
        np.arange(len(segment)),
        prices.flags("is_collapsed")[price],
    )
    # Paused subscriptions may have segments, and no charge.
    if len(segment) and not segments.are_whole:
        parts = _joined(parts, prices)
    return _prorated(catalog, segments, prices, parts)


def _joined(parts: Parts, prices: BilledPrices) -> Parts:
    """Rules 1 and 2."""
    slot = prices.numbered("slot")[parts.price]
    key = parts.period * (len(prices.prices) + 1) + slot
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    together = first[inverse]
    order = np.argsort(together, kind="stable")
    together, parts = together[order], parts.taken(order)
    identity = prices.numbered("identity")[parts.price]
    rounding = prices.numbered("rounding")[parts.price]
    follows = together[1:] == together[:-1]
    goes_on = follows & (identity[1:] == identity[:-1]) & (parts.start_us[1:] == parts.end_us[:-1])
    is_last = np.append(~follows, True)
    # What is last in full counts in place of every part before.
    last = np.flatnonzero(is_last)
    takes_all = np.repeat(parts.in_full[last], np.diff(np.append(-1, last)))
    goes_on |= follows & takes_all[1:]
    begins = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    ends = np.append(begins[1:], len(together)) - 1
    is_alike = follows & (rounding[1:] == rounding[:-1])
    whole = np.cumsum(np.concatenate([[True], ~is_alike])) - 1
    return Parts(
        parts.period[begins],
        parts.start_us[begins],
        parts.end_us[ends],
        _at_highest(prices, parts.price, begins, parts.price[ends]),
        whole[ends],
        parts.in_full[ends] & is_last[ends],
    )


def _at_highest(prices: BilledPrices, price: Index, begins: Index, last: Index) -> Index:
    """Rule 3: the prices of charges that are last in theirs, each of the parts from `begins` on."""
    takes_highest = prices.flags("takes_highest")
    if not takes_highest[last].any():
        return last
    rising = sorted({each.quantity for each in prices.prices})
    ranks = {quantity: rank for rank, quantity in enumerate(rising)}
    rank = np.array([ranks[each.quantity] for each in prices.prices], dtype=np.int64)
    highest = np.maximum.reduceat(np.where(takes_highest, rank, -1)[price], begins)
    rows = np.flatnonzero(takes_highest[last])
    distinct, inverse = np.unique(np.stack([last[rows], highest[rows]]), axis=1, return_inverse=True)
    places = [prices.of_quantity(number, rising[place]) for number, place in distinct.T.tolist()]
    found = last.copy()
    found[rows] = np.array(places, dtype=np.int64)[inverse.ravel()]
    return found


def _prorated(catalog: Catalog, segments: SegmentColumns, prices: BilledPrices, parts: Parts) -> Parts:
    """Rule 4: the same charges, those of a part of their period with the price for it."""
    periods = segments.periods
    start_us, end_us = periods.whole_start_us[parts.period], periods.whole_end_us[parts.period]
    is_part = (parts.start_us != start_us) | (parts.end_us != end_us)
    is_part &= ~parts.in_full
    rows = np.flatnonzero(is_part)
    if not len(rows):
        return parts
    instants = np.stack([start_us, parts.start_us, parts.end_us, end_us])[:, rows]
    counted = (instants - instants[0]) // _SECOND_US
    by_day = prices.flags("by_day")[parts.price[rows]]
    if by_day.any():
        own = np.flatnonzero(by_day)
        days = _local_days(catalog, segments.row[parts.period[rows[own]]], instants[:, own])
        counted[:, own] = days - days[0]
    key = np.stack([parts.price[rows], *counted[1:]])
    distinct, inverse = np.unique(key, axis=1, return_inverse=True)
    found = [prices.in_part(number, Part(*part)) for number, *part in distinct.T.tolist()]
    price = parts.price.copy()
    price[rows] = np.array(found, dtype=np.int64)[inverse.ravel()]
    return Parts(parts.period, parts.start_us, parts.end_us, price, parts.whole, parts.in_full)


def _local_days(catalog: Catalog, rows: Index, instants_us: Instants) -> npt.NDArray[np.int64]:
    """The local days of instants [.., n] of n subscriptions, counted from 1970."""
    names, own = catalog.zones_of(rows)
    days = np.empty_like(instants_us)
    for each in np.unique(own).tolist():
        places = np.flatnonzero(own == each)
        days[:, places] = zone(names[each]).wall_us(instants_us[:, places]) // DAY_US
    return days
