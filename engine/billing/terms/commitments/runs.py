"""Since when commitments hold without a break. Pure."""

from dataclasses import dataclass

import numpy as np

from engine.billing.periods import Instants
from engine.billing.segments import Index, steps_of_rows, versions_held
from engine.billing.terms.commitments.known import KnownCommitments
from engine.billing.terms.stretches import distinct_terms, listed
from engine.catalog.snapshots.snapshot import Catalog
from rating import InconsistentTermsError


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """r stretches of time, whatever the billing periods, in which some commitment of a slot holds without a break: int64[r], by row,
    slot and start.
    """

    row: Index
    slot: Index
    start_us: Instants

    @classmethod
    def of(cls, catalog: Catalog, rows: Index, known: KnownCommitments) -> "Runs":
        """All of these subscriptions, which rise, that follow from earlier periods."""
        columns = catalog.subscription_columns
        owner, step = steps_of_rows(columns, rows)
        terms = columns.step_terms[step].astype(np.int64)
        used, number = distinct_terms(terms, versions_held(catalog, terms, columns.step_since_us[step]))
        found = known.numbered(catalog, used)
        place, entry = listed([len(each) for each in found], number)
        flat = np.array([slot for own in found for _, slot, _ in own], dtype=np.int64)
        slot = flat[entry]
        follows = known.follows_earlier[slot]
        place, slot = place[follows], slot[follows]
        order = np.lexsort((step[place], slot, owner[place]))
        place, slot = place[order], slot[order]
        begins = np.ones(len(place), dtype=np.bool_)
        goes_on = (owner[place][1:] == owner[place][:-1]) & (slot[1:] == slot[:-1])
        begins[1:] = ~(goes_on & (step[place][1:] == step[place][:-1] + 1))
        place = place[begins]
        return cls(rows[owner[place]], slot[begins], columns.step_start_us[step[place]])

    def at(self, row: Index, slot: Index, at_us: Instants) -> Index:
        """The run of each row and slot that contains an instant, at which one does. Raises InconsistentTermsError where none does."""
        count = len(self.row)
        keys = [np.concatenate(pair) for pair in ((self.row, row), (self.slot, slot), (self.start_us, at_us))]
        is_asked = np.arange(count + len(row)) >= count
        order = np.lexsort((is_asked, keys[2], keys[1], keys[0]))
        found = np.empty(len(order), dtype=np.int64)
        found[order] = np.maximum.accumulate(np.where(is_asked[order], -1, order))
        run: Index = found[count:]
        if (run < 0).any() or (self.row[run] != row).any() or (self.slot[run] != slot).any():
            raise InconsistentTermsError("a commitment holds that begins nowhere")
        return run
