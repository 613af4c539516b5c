"""Commitments that follow from earlier billing periods, over terms of several or as they roll over: which period of which term each
is, and how far back that reaches. Pure.

Rules:
1. A term begins with the billing period in which its commitment comes to hold, and is so many periods long; then the next one
   begins, unless it does not renew (held.py). Other terms of the subscription that keep the slot go on with it, under their amounts.
2. It ends early with the last period in which its commitment counts.
3. What is left of a commitment is derived, never kept: from all earlier periods of its term, which are rated again.
4. A commitment that rolls over is one term for as long as it holds without a break, of which each period is made up for by itself.
   What a period may use follows from those before it, all or a bounded number (known.py): of periods that are asked for they are
   there, of those before them nobody asks, and so the term begins with the earliest that is there.
"""

from dataclasses import dataclass

import numpy as np

from engine.billing.periods import Instants
from engine.billing.segments import (
    Index,
    period_numbers,
    period_starts_before,
    periods_of_rows,
)
from engine.billing.terms.commitments.held import HeldCommitments, held_commitments
from engine.billing.terms.commitments.known import ALL_EARLIER, KnownCommitments
from engine.billing.terms.commitments.runs import Runs
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.invoices import Flags
from engine.billing.terms.places import CustomerNumbers, PeriodPlaces
from engine.catalog.snapshots.snapshot import Catalog


@dataclass(frozen=True, eq=False, slots=True)
class ContractPeriods:
    """K periods of terms.

    Attributes:
        term: int64[K], alike for those of one term.
        position: int64[K], which of its periods each is, from 0; of rule 4, of those that are there.
        is_last: bool[K], whether it is the term's last one, or made up for by itself.
        start_us: int64[K], when what is committed begins; end_us: when its last period would end.
        since_us: int64[K], behind which earlier periods are needed.
        rolls_over: bool[K].
    """

    term: Index
    position: Index
    is_last: Flags
    start_us: Instants
    end_us: Instants
    since_us: Instants
    rolls_over: Flags


def contract_periods(
    catalog: Catalog, places: PeriodPlaces, held: HeldCommitments, known: KnownCommitments
) -> ContractPeriods:
    """Of commitments that all follow from earlier periods."""
    rows = places.row[held.place]
    runs = Runs.of(catalog, np.unique(rows), known)
    run = runs.at(rows, held.slot, held.start_us)
    rolls = known.rolls_over[held.slot]
    begun_us = places.start_us[held.place]
    number = period_numbers(catalog, rows, begun_us) - period_numbers(catalog, rows, runs.start_us[run])
    # What rolls over has one term, however long.
    periods = np.where(rolls, number + 1, known.periods[held.slot])
    position = number % periods
    starts_us = catalog.subscription_columns.start_us[rows]
    _, term = np.unique(run * (1 + int(number.max(initial=0))) + number // periods, return_inverse=True)
    needed = np.where(rolls, np.minimum(position, known.rolled_from[held.slot]), position)
    since_us = np.maximum(period_starts_before(catalog, rows, begun_us, needed), starts_us)
    behind_us = period_starts_before(catalog, rows, begun_us, position - periods)
    ends = (position == periods - 1) | ~_goes_on(catalog, places, held, known, runs, run)
    return ContractPeriods(
        term=term,
        position=np.where(rolls, position - _first_of_each(term, position), position),
        is_last=ends | rolls,
        start_us=np.where(rolls, begun_us, since_us),
        end_us=np.where(rolls, places.end_us[held.place], behind_us),
        since_us=since_us,
        rolls_over=rolls,
    )


def _first_of_each(term: Index, position: Index) -> Index:
    """For each row the first position among those of its term."""
    first = np.full(1 + int(term.max(initial=0)), ALL_EARLIER, dtype=np.int64)
    np.minimum.at(first, term, position)
    found: Index = first[term]
    return found


def contracts_since(catalog: Catalog, customers: CustomerNumbers, at_us: Instants) -> Instants:
    """Of each customer since when all terms of commitments run that reach into its billing periods from an instant on; NEVER_US
    without any, and for customers whose instant is.
    """
    since_us = np.full(len(customers), NEVER_US, dtype=np.int64)
    if not catalog.contracting_terms.any():
        return since_us
    rows = customers.rows(np.flatnonzero(at_us < NEVER_US))
    columns = catalog.subscription_columns
    rows = rows[columns.step_counts(rows, catalog.contracting_terms[columns.step_terms]) > 0]
    reached_us = at_us.copy()
    is_first = True
    while len(rows):
        owner = customers.numbers(rows)
        periods = periods_of_rows(catalog, rows, np.maximum(reached_us[owner], columns.start_us[rows]))
        found = np.flatnonzero(periods.exists)
        here = periods.part(found)
        places = PeriodPlaces(rows[found], here.start_us, here.end_us, np.zeros(len(found), np.int64), ())
        known = KnownCommitments()
        held = following_only(held_commitments(catalog, places, np.arange(len(found)), known), known)
        terms = contract_periods(catalog, places, held, known)
        before_us = since_us.copy()
        # What rolls over is asked of the periods from the instant on, of which this look is the first: rule 4.
        reaching = np.flatnonzero(~terms.rolls_over | is_first)
        is_first = False
        owners = customers.numbers(places.row[held.place[reaching]])
        np.minimum.at(since_us, owners, terms.since_us[reaching])
        reached_us = np.minimum(reached_us, since_us)
        rows = rows[(since_us < before_us)[owner]]
    return since_us


def following_only(held: HeldCommitments, known: KnownCommitments) -> HeldCommitments:
    """Those that follow from earlier periods, without their entries."""
    rows = np.flatnonzero(known.follows_earlier[held.slot])
    nothing = np.zeros(0, dtype=np.int64)
    return HeldCommitments(
        place=held.place[rows],
        slot=held.slot[rows],
        terms=held.terms[rows],
        start_us=held.start_us[rows],
        end_us=held.end_us[rows],
        stretches=held.stretches,
        of_stretch=nothing,
        owner=nothing,
        entry_terms=nothing,
    )


def _goes_on(
    catalog: Catalog,
    places: PeriodPlaces,
    held: HeldCommitments,
    known: KnownCommitments,
    runs: Runs,
    run: Index,
) -> Flags:
    """Whether each run counts in the billing period behind, too (rule 2)."""
    own = np.unique(held.place)
    own = own[places.end_us[own] < catalog.subscription_columns.end_us[places.row[own]]]
    end_us = places.end_us[own]
    behind = PeriodPlaces(places.row[own], end_us, end_us, places.part[own], ())
    following = following_only(held_commitments(catalog, behind, np.arange(len(own)), known), known)
    next_run = runs.at(behind.row[following.place], following.slot, following.start_us)
    size = max(len(runs.row), 1)
    goes_on: Flags = np.isin(held.place * size + run, own[following.place] * size + next_run)
    return goes_on
