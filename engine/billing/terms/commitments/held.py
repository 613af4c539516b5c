"""Which commitments hold in which billing periods. Pure.

Rules:
1. A subscription has its own commitments, or those of its plan's version. None hold in a trial. In a pause those over several periods
   go on.
2. Commitments for the same prices, in one currency, over as many periods, that all roll over or all don't, are one; it is as it is
   last.
3. Of those in one currency there count in a period the ones that hold last in it, and of the others none: a line would count twice,
   or nowhere. So whatever holds across the end of a period counts in it, and a term has each of its periods once.
4. Where the last stretch is a pause, those count besides that held last before one, but for any that has a price with one of rule 3
   in common, or is for all prices, as one of those is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.billing.periods import Instants
from engine.billing.segments import Index
from engine.billing.terms.invoices import Flags
from engine.billing.terms.places import PeriodPlaces
from engine.billing.terms.stretches import Stretches, listed, stretches_of
from engine.catalog.kinds.commitment import SpendCommitment
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog

_ALL_PRICES: Final = ""
"""In place of the id of a price."""


@dataclass(frozen=True, slots=True)
class KnownCommitments:
    """Each distinct commitment with its currency by number, and each distinct (prices, currency, periods, whether it rolls over), a
    slot (rule 2).
    """

    terms: dict[tuple[SpendCommitment, str], int] = field(default_factory=dict)
    slots: dict[tuple[frozenset[str], str, int, bool], int] = field(default_factory=dict)

    def numbered(
        self, catalog: Catalog, used: Sequence[tuple[int, int]]
    ) -> list[list[tuple[int, int, bool]]]:
        """Of each pair (terms, version of their plan) its commitments: the number of each, its slot, and whether this is a pause."""
        found = []
        for each_terms, version in used:
            terms = SubscriptionTerms.read(catalog.subscription_columns.terms[each_terms])
            plan = catalog.plan_versions[terms.plan].versions[version].resource
            commitments = () if terms.trial else terms.commitments or plan.all_commitments
            found.append(
                [
                    (self._number(each, plan.currency), self._slot(each, plan.currency), terms.paused)
                    for each in commitments
                    if each.is_contract or not terms.paused
                ]
            )
        return found

    @property
    def periods(self) -> Index:
        """int64: of each slot over how many billing periods its commitments are."""
        return np.array([periods for _, _, periods, _ in self.slots], dtype=np.int64)

    @property
    def rolls_over(self) -> Flags:
        """bool: whether the commitments of each slot do."""
        return np.array([rolls for *_, rolls in self.slots], dtype=np.bool_)

    @property
    def follows_earlier(self) -> Flags:
        """bool: whether what those of each slot add to a period follows from earlier periods, too."""
        found: Flags = (self.periods > 1) | self.rolls_over
        return found

    def _number(self, commitment: SpendCommitment, currency: str) -> int:
        return self.terms.setdefault((commitment, currency), len(self.terms))

    def _slot(self, commitment: SpendCommitment, currency: str) -> int:
        slot = (frozenset(commitment.prices), currency, commitment.periods, commitment.rolls_over)
        return self.slots.setdefault(slot, len(self.slots))


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
    terms, slot, paused = flat[entry].T
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
