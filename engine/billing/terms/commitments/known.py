"""The commitments of subscriptions' terms, each distinct one by a number. Pure.

Rules:
1. A subscription has its own commitments, or those of its plan's version. None hold in a trial. In a pause those over several periods
   go on.
2. Commitments of one slot are one, which changes: those for the same prices, in one currency, over as many periods, that all roll over
   or all don't, and that all renew or all don't.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from engine.billing.segments import Index
from engine.billing.terms.invoices import Flags
from engine.catalog.kinds.commitment import RolloverOrder, SpendCommitment
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog

ALL_EARLIER: Final = 2**31
"""More billing periods than any subscription has."""
# By how many periods what is left lasts.
_ROLLED_FROM: Final = (0, 1, 3)


class Slot(NamedTuple):
    """Rule 2."""

    prices: frozenset[str]
    currency: str
    periods: int
    rolls_over: bool
    renews: bool


@dataclass(frozen=True, slots=True)
class KnownCommitments:
    """Each distinct commitment with its currency by number, and each distinct slot."""

    terms: dict[tuple[SpendCommitment, str], int] = field(default_factory=dict)
    slots: dict[Slot, int] = field(default_factory=dict)

    def numbered(
        self, catalog: Catalog, used: Sequence[tuple[int, int]]
    ) -> list[list[tuple[int, int, bool]]]:
        """Of each pair (terms, version of their plan) its commitments: the number of each, its slot, and whether this is a pause."""
        found = []
        for each_terms, version in used:
            terms = SubscriptionTerms.read(catalog.subscription_columns.terms[each_terms])
            plan = catalog.plan_held(terms, version)
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
        return np.array([each.periods for each in self.slots], dtype=np.int64)

    @property
    def rolls_over(self) -> Flags:
        """bool: whether the commitments of each slot do."""
        return np.array([each.rolls_over for each in self.slots], dtype=np.bool_)

    @property
    def renews(self) -> Flags:
        """bool: whether a term of those of each slot follows another."""
        return np.array([each.renews for each in self.slots], dtype=np.bool_)

    @property
    def follows_earlier(self) -> Flags:
        """bool: whether what those of each slot add to a period follows from earlier periods, too."""
        found: Flags = (self.periods > 1) | self.rolls_over
        return found

    @property
    def rolled_from(self) -> Index:
        """int64: of each slot that rolls over how many earlier billing periods decide on what a period may use, ALL_EARLIER where that
        isn't bounded.

        Spend uses what was rolled over last, so a period that is above its commitment leaves nothing, and one below it uses nothing;
        what a period leaves is its own affair alone. Of period p:

        - It lasts for one period: p may use what p - 1 left, which nobody else could use. One earlier period decides.
        - For two: what p - 1 left, wholly, and what it has not used of what p - 2 left. If p - 2 left something, it has itself used
          nothing of what p - 3 left: that stands wholly before p - 1, which takes it first. Three decide. If p - 2 left nothing,
          only p - 1 matters.
        - For three or more, or used first, one period's rest may keep another's from use for ever.
        """
        lasts = np.zeros(len(self.slots), dtype=np.int64)
        for commitment, currency in self.terms:
            is_last = commitment.rollover_order is RolloverOrder.LAST
            slot = self.slots[_slot(commitment, currency)]
            lasts[slot] = max(lasts[slot], commitment.rollover_periods if is_last else len(_ROLLED_FROM))
        return np.array([*_ROLLED_FROM, ALL_EARLIER], dtype=np.int64)[np.minimum(lasts, len(_ROLLED_FROM))]

    def _number(self, commitment: SpendCommitment, currency: str) -> int:
        return self.terms.setdefault((commitment, currency), len(self.terms))

    def _slot(self, commitment: SpendCommitment, currency: str) -> int:
        return self.slots.setdefault(_slot(commitment, currency), len(self.slots))


def _slot(commitment: SpendCommitment, currency: str) -> Slot:
    return Slot(
        frozenset(commitment.prices),
        currency,
        commitment.periods,
        commitment.rolls_over,
        commitment.renews is not False,
    )
