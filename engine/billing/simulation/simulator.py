"""Some customers at a time, rated and settled twice from one watermark: by the catalog as it is, and by another one.

Rules:
1. Simulated are the billing periods that end in the span, as a close would take them, and those before them in which credit was
   drawn. Everything comes from the usage; what was billed is not looked at.
2. A step has whole customers, those of both catalogs. It goes on with the customer that comes next in their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.billing.segments import Index
from engine.billing.simulation.priced_rows import PricedRows, priced_rows
from engine.billing.simulation.side_by_side import side_by_side
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.history import RateAt, ended_before, ended_between
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.reach import reached_back
from engine.billing.terms.settled import settled_invoices
from engine.billing.terms.unrateable import unrateable_customers
from engine.catalog.snapshots.snapshot import Catalog

SUBSCRIPTIONS_AT_ONCE: Final = 10_000
"""Of one step and side: some hundred MB of columns."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is compared: the snapshot's catalog and another one, over the billing periods that end in (from_us, until_us]."""

    snapshot: Snapshot
    after: Catalog
    from_us: int
    until_us: int

    @property
    def catalogs(self) -> tuple[Catalog, Catalog]:
        return self.snapshot.catalog, self.after


@dataclass(frozen=True, eq=False, slots=True)
class Simulated:
    """A step. rows: COMPARED_ROWS. unrateable: one line of each customer that a catalog can't rate, by the catalog as it is and by the
    other; they are in no row. next_customer: with whom the next step begins; empty behind the last.
    """

    rows: pa.Table
    unrateable_before: Mapping[str, LineItem]
    unrateable_after: Mapping[str, LineItem]
    subscription_count: int
    next_customer: str


class Simulator:
    """Compares catalogs over past usage; changes nothing."""

    def __init__(self, rater: Rater) -> None:
        self._rater = rater

    def step(
        self, of: Simulation, first_customer: str, subscriptions: int = SUBSCRIPTIONS_AT_ONCE
    ) -> Simulated:
        """The customers from one on, with about so many subscriptions. `first_customer`: empty for the first step."""
        next_customer = _next_customer(of.catalogs, first_customer, subscriptions)
        sides: list[tuple[PricedRows, Mapping[str, LineItem], Index]] = []
        for catalog in of.catalogs:
            if sides and catalog is of.snapshot.catalog:
                # One catalog beside itself is rated once.
                sides.append(sides[0])
                continue
            columns = catalog.subscription_columns
            last = columns.row_from(next_customer) if next_customer else len(columns)
            rows = np.arange(columns.row_from(first_customer), last)
            sides.append(self._side(of, catalog, rows))
        (before, unrateable_before, rows), (after, unrateable_after, _) = sides
        left_out = {*unrateable_before, *unrateable_after}
        return Simulated(
            side_by_side(before, after, left_out),
            unrateable_before,
            unrateable_after,
            len(rows),
            next_customer,
        )

    def _side(
        self, of: Simulation, catalog: Catalog, rows: Index
    ) -> tuple[PricedRows, Mapping[str, LineItem], Index]:
        if not len(rows):
            return PricedRows.empty(), {}, rows
        rate: RateAt = partial(self._rater.rate_at, replace(of.snapshot, catalog=catalog))
        in_span = [
            each.without_events() for each in ended_between(rate, catalog, rows, of.from_us, of.until_us)
        ]
        numbers = CustomerNumbers.of_rows(catalog, rows)
        grants, since_us = reached_back(catalog, numbers, *_reach(numbers, in_span))
        earlier = ended_before(rate, catalog, rows, of.from_us, since_us[numbers.numbers(rows)])
        parts = [*in_span, *(each.without_events() for each in earlier)]
        found = settled_invoices(parts, numbers, grants)
        return priced_rows(found, parts, len(in_span)), unrateable_customers(numbers, parts), rows


def _reach(numbers: CustomerNumbers, in_span: Sequence[Rated]) -> tuple[Index, Index]:
    """Of each customer the last instants of its first and last period in the span; NEVER_US and 0 without one."""
    first_us = np.full(len(numbers), NEVER_US, dtype=np.int64)
    last_us = np.zeros(len(numbers), dtype=np.int64)
    for rated in in_span:
        periods = rated.charges.periods
        number, end_us = numbers.numbers(periods.row), periods.period_end_us - 1
        np.minimum.at(first_us, number, end_us)
        np.maximum.at(last_us, number, end_us)
    return first_us, last_us


def _next_customer(catalogs: Sequence[Catalog], first: str, subscriptions: int) -> str:
    """The customer behind so many subscriptions of either catalog; empty where neither has as many more."""
    found = []
    for catalog in catalogs:
        columns = catalog.subscription_columns
        row = columns.row_from(first) + subscriptions
        if row < len(columns):
            # A customer is never parted: who has more subscriptions than a step is one alone.
            owner = columns.customer_id[row].as_py()
            following = owner if owner != first else None
            if following is None and (end := columns.customer_end(row)) < len(columns):
                following = columns.customer_id[end].as_py()
            if following is not None:
                found.append(str(following))
    return min(found, default="")
