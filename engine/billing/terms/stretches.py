"""The stretches of billing periods in which terms hold, and how much of the period each is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.billing.periods import Instants
from engine.billing.segments import Index, segments_at, spread
from engine.billing.terms.places import PeriodPlaces
from engine.catalog.snapshots.snapshot import Catalog

_SECOND_US = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class Stretches:
    """m stretches of places in which terms hold: int64[m] each, and of each place its whole period."""

    place: Index
    start_us: Instants
    end_us: Instants
    terms: Index
    version: Index
    whole_start_us: Instants
    whole_end_us: Instants

    def seconds(self) -> Index:
        """How much of its whole period each is."""
        begun = (self.start_us - self.whole_start_us) // _SECOND_US
        found: Index = (self.end_us - self.whole_start_us) // _SECOND_US - begun
        return found

    def whole_seconds(self) -> Index:
        found: Index = (self.whole_end_us - self.whole_start_us) // _SECOND_US
        return found

    def distinct_terms(self) -> tuple[list[tuple[int, int]], Index]:
        """The distinct pairs (terms, version of their plan), and which of them each stretch has."""
        return distinct_terms(self.terms, self.version)


def distinct_terms(terms: Index, version: Index) -> tuple[list[tuple[int, int]], Index]:
    """The distinct pairs of terms and the version of their plan, and which of them each row has."""
    versions_max = 1 + int(version.max(initial=0))
    used, number = np.unique(terms * versions_max + version, return_inverse=True)
    return [divmod(key, versions_max) for key in used.tolist()], number


def listed(lengths: Sequence[int], number: Index) -> tuple[Index, Index]:
    """Of rows that each have one of several lists: of every entry the row, and its place in the lists one after another."""
    counts = np.array(lengths, dtype=np.int64)
    row, within = spread(counts[number])
    return row, (np.cumsum(counts) - counts)[number][row] + within


def stretches_of(catalog: Catalog, places: PeriodPlaces, chosen: Index) -> Stretches:
    """Those of some places, which rise."""
    parts: list[Index] = []
    for part in np.unique(places.part[chosen]).tolist():
        own = chosen[places.part[chosen] == part]
        segments = segments_at(catalog, places.row[own], places.start_us[own])
        periods = segments.periods.part(segments.period)
        parts.append(
            np.stack(
                [
                    own[segments.period],
                    segments.start_us,
                    segments.end_us,
                    segments.terms,
                    segments.version,
                    periods.whole_start_us,
                    periods.whole_end_us,
                ]
            )
        )
    return Stretches(*np.concatenate([np.zeros((7, 0), dtype=np.int64), *parts], axis=1))
