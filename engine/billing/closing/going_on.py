"""Whose billing goes on behind a run's span: corrections of such customers wait for their next invoice. Pure.

Rules:
1. A customer goes on in a currency if none of its billing periods in that currency ended in the span, and one of its subscriptions
   in that currency has not ended by the end of the span: an invoice will come.
2. A period in the span that makes no invoice, as of a paused subscription, is no reason to wait: one behind it may make none either.
3. The currencies of a subscription are those of the plans that it has last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog


def to_be_billed(catalog: Catalog, rows: Index, in_span: Sequence[Rated], before_us: int) -> Index:
    """Of these subscriptions, whose rows rise, all of each customer of whom a period ended in the span, or a subscription has ended
    by its end. No other customer can have an invoice of the run.
    """
    if not len(rows):
        return rows
    numbers = CustomerNumbers.of_rows(catalog, rows)
    owner = numbers.numbers(rows)
    wanted = np.zeros(len(numbers), dtype=np.bool_)
    wanted[owner[catalog.subscription_columns.end_us[rows] <= before_us]] = True
    wanted[numbers.numbers(_rows_of(in_span))] = True
    return rows[wanted[owner]]


@dataclass(frozen=True, slots=True)
class GoingOn:
    """Asked of a customer and a currency: whether an invoice will come (rule 1).

    rows: of each customer the rows of its subscriptions; in_span: the rows of those of which a period ended in the span.
    """

    catalog: Catalog
    rows: Mapping[str, range]
    in_span: frozenset[int]
    before_us: int

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        numbers: CustomerNumbers,
        ids: Sequence[str],
        in_span: Sequence[Rated],
        before_us: int,
    ) -> "GoingOn":
        """`ids`: of the customers, by number; `in_span`: their periods that ended in the span."""
        bounds = zip(ids, numbers.first_row.tolist(), numbers.end_row.tolist(), strict=True)
        rows = {customer: range(first, end) for customer, first, end in bounds}
        return cls(catalog, rows, frozenset(_rows_of(in_span).tolist()), before_us)

    def __contains__(self, whose: tuple[str, str]) -> bool:
        customer, currency = whose
        own = [row for row in self.rows[customer] if currency in self._currencies(row)]
        end_us = self.catalog.subscription_columns.end_us
        return self.in_span.isdisjoint(own) and any(end_us[row] > self.before_us for row in own)

    def _currencies(self, row: int) -> Iterator[str]:
        columns = self.catalog.subscription_columns
        last = columns.step_terms[columns.step_offsets[row + 1] - 1]
        terms = SubscriptionTerms.read(columns.terms[last])
        for plan in (terms.plan, *terms.add_ons):
            yield terms.currency or self.catalog.billed_plans[plan].newest.resource.currency


def _rows_of(parts: Sequence[Rated]) -> Index:
    """The subscriptions that have a period in some of these parts, rising."""
    return np.unique(np.concatenate([each.charges.periods.row for each in parts]))
