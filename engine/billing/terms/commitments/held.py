"""Which commitments hold in which billing periods. Pure.

Rules:
1. What holds when is said in known.py. Commitments of one slot are one in a period; it is as it is last.
2. One that does not renew holds for its first term alone: for so many billing periods from the one on in which it comes to hold.
3. Of those in one currency there count in a period the ones that hold last in it, and of the others none: a line would count twice,
   or nowhere. So whatever holds across the end of a period counts in it, and a term has each of its periods once.
4. Where the last stretch is a pause, those count besides that held last before one, but for any that has a price with one of rule 3
   in common, or is for all prices, as one of those is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.billing.periods import Instants
from engine.billing.segments import Index, period_numbers
from engine.billing.terms.commitments.known import KnownCommitments
from engine.billing.terms.commitments.runs import Runs
from engine.billing.terms.invoices import Flags
from engine.billing.terms.places import PeriodPlaces
from engine.billing.terms.stretches import Stretches, listed, stretches_of
from engine.catalog.snapshots.snapshot import Catalog

_ALL_PRICES: Final = ""
"""In place of the id of a price."""


@dataclass(frozen=True, eq=False, slots=True)
class HeldCommitments:
    """K commitments, each of one billing period, by place and slot.

    Attributes:
        place, slot: int64[K].
        terms: int64[K], which commitment it is last in the period.
        start_us, end_us: int64[K], of the last stretch of the period in which it holds.
        stretches: m stretches; of_stretch: int64[e], one that an entry is of; owner: int64[e], which of the K it belongs to;
            entry_terms: int64[e], which commitment it is there.
    """

    place: Index
    slot: Index
    terms: Index
    start_us: Instants
    end_us: Instants
    stretches: Stretches
    of_stretch: Index
    owner: Index
    entry_terms: Index


def held_commitments(
    catalog: Catalog, places: PeriodPlaces, chosen: Index, known: KnownCommitments
) -> HeldCommitments:
    """Those of these places, which rise."""
    stretches = stretches_of(catalog, places, chosen)
    used, number = stretches.distinct_terms()
    found = known.numbered(catalog, used)
    stretch, entry = listed([len(each) for each in found], number)
    flat = np.array([each for own in found for each in own], dtype=np.int64).reshape(-1, 3)
    counts = _not_over(catalog, places, stretches, stretch, flat[entry][:, 1], known)
    stretch, (terms, slot, paused) = stretch[counts], flat[entry][counts].T
    size = max(len(known.slots), 1)
    keys, owner = np.unique(stretches.place[stretch] * size + slot, return_inverse=True)
    end_us = stretches.end_us[stretch]
    # Of each the last stretch: later ones overwrite.
    by_end = np.argsort(end_us, kind="stable")
    last = np.zeros(len(keys), dtype=np.int64)
    last[owner[by_end]] = by_end
    place, slots = keys // size, keys % size
    active_us = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(active_us, owner, np.where(paused, 0, end_us))
    kept = np.flatnonzero(_counting(_in_currency(place, slots, known), slots, end_us[last], active_us, known))
    renumbered = np.full(len(keys), -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    own = np.flatnonzero(renumbered[owner] >= 0)
    return HeldCommitments(
        place=place[kept],
        slot=slots[kept],
        terms=terms[last[kept]],
        start_us=stretches.start_us[stretch[last[kept]]],
        end_us=end_us[last[kept]],
        stretches=stretches,
        of_stretch=stretch[own],
        owner=renumbered[owner[own]],
        entry_terms=terms[own],
    )


def _not_over(
    catalog: Catalog,
    places: PeriodPlaces,
    stretches: Stretches,
    stretch: Index,
    slot: Index,
    known: KnownCommitments,
) -> Flags:
    """Which entries of stretches are of a commitment that renews, or of its first term (rule 2)."""
    found = np.ones(len(slot), dtype=np.bool_)
    ending = np.flatnonzero(~known.renews[slot]) if len(slot) else slot
    if len(ending):
        place, own = stretches.place[stretch[ending]], slot[ending]
        row = places.row[place]
        runs = Runs.of(catalog, np.unique(row), known)
        begun_us = runs.start_us[runs.at(row, own, stretches.start_us[stretch[ending]])]
        number = period_numbers(catalog, row, places.start_us[place]) - period_numbers(catalog, row, begun_us)
        found[ending] = number < known.periods[own]
    return found


def _counting(
    key: Index, slot: Index, end_us: Instants, active_us: Instants, known: KnownCommitments
) -> Flags:
    """Which rows count (rules 3 and 4). key: one of each place and currency; end_us: when each holds last; active_us: when it does
    so outside of pauses, 0 for never.
    """
    found: Flags = end_us == _latest_of_each(key, end_us)
    beside = ~found & (active_us > 0) & (active_us == _latest_of_each(key, active_us))
    if beside.any():
        scopes = [sorted(prices) or [_ALL_PRICES] for prices, *_ in known.slots]
        numbers = {name: number for number, name in enumerate({each for scope in scopes for each in scope})}
        row, entry = listed([len(scope) for scope in scopes], slot)
        price = np.array([numbers[each] for scope in scopes for each in scope], dtype=np.int64)[entry]
        line = key[row] * len(numbers) + price
        beside[row[np.isin(line, line[found[row]])]] = False
    found |= beside
    return found


def _in_currency(place: Index, slot: Index, known: KnownCommitments) -> Index:
    """A key of each place and currency."""
    currencies = {
        name: number for number, name in enumerate(dict.fromkeys(each for _, each, *_ in known.slots))
    }
    currency_of = np.array([currencies[each] for _, each, *_ in known.slots], dtype=np.int64)
    return place * max(len(currencies), 1) + currency_of[slot]


def _latest_of_each(key: Index, end_us: Index) -> Index:
    """For each row the latest end among those with its key."""
    keys, group = np.unique(key, return_inverse=True)
    latest = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(latest, group, end_us)
    found: Index = latest[group]
    return found
