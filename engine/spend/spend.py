"""Spend: sums of rated lines by customer and currency, in columns. Pure.

Sums are exact: in 64 bits where that is proven to hold them, else in Python integers (rating.numbers.decimals).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from engine.billing.charges import BillingPeriods, Index
from engine.billing.rated import Rated
from engine.catalog.snapshots.snapshot import Catalog
from rating import DecimalColumn


@dataclass(frozen=True, slots=True)
class Spend:
    """The sum of the rounded amounts of a customer's lines (customer None: of all) in one currency.

    incomplete: some line has no amount, and is neither in the sum nor in the counts.
    """

    customer_id: str | None
    currency: str
    amount: Decimal
    line_item_count: int
    event_count: int
    incomplete: bool


@dataclass(frozen=True, eq=False, slots=True)
class SpendColumns:
    """n sums, one for each customer and currency with a line, by customer.

    Attributes:
        row: int64[n], a subscription of the customer, by its row in the catalog's columns.
        currencies: those of the catalog's plans, in alphabetical order; `currency`: int64[n], a place in them.
        amount: n sums of rounded amounts; `digits`: int64[n], with how many fractional digits each is written.
        line_item_count, event_count, unrateable_count: int64[n]; the last is of lines without an amount, which are
            in nothing else.
    """

    catalog: Catalog
    currencies: tuple[str, ...]
    row: Index
    currency: Index
    amount: DecimalColumn
    digits: Index
    line_item_count: Index
    event_count: Index
    unrateable_count: Index

    def by_amount(self, limit: int) -> list[Spend]:
        """At most so many in each currency: by currency, then descending by amount, then by customer."""
        found = []
        for currency in range(len(self.currencies)):
            own = np.flatnonzero(self.currency == currency)
            # Stable: equal amounts stay in the order of customers.
            largest = own[np.argsort(-self.amount.mantissa[own], kind="stable")[:limit]]
            found += [self.spend(each, self._customer_id(each)) for each in largest.tolist()]
        return found

    def totals(self) -> list[Spend]:
        """One for each currency with a line, in alphabetical order."""
        groups = len(self.currencies)
        digits = np.zeros(groups, dtype=np.int64)
        np.maximum.at(digits, self.currency, self.digits)
        totals = replace(
            self,
            row=np.arange(groups),
            currency=np.arange(groups),
            amount=self.amount.sum_by_group(self.currency, groups),
            digits=digits,
            line_item_count=_summed(self.line_item_count, self.currency, groups),
            event_count=_summed(self.event_count, self.currency, groups),
            unrateable_count=_summed(self.unrateable_count, self.currency, groups),
        )
        return [totals.spend(each, None) for each in np.unique(self.currency).tolist()]

    def spend(self, place: int, customer_id: str | None) -> Spend:
        """One sum, for who shows it, and whose it is called."""
        return Spend(
            customer_id,
            self.currencies[int(self.currency[place])],
            self.amount.take(slice(place, place + 1)).rescale(int(self.digits[place])).decimal(0),
            int(self.line_item_count[place]),
            int(self.event_count[place]),
            incomplete=bool(self.unrateable_count[place]),
        )

    def _customer_id(self, place: int) -> str:
        return str(self.catalog.subscription_columns.customer_id[int(self.row[place])].as_py())


def spend_of(rated: Rated) -> SpendColumns:
    """The sums of some customers' lines."""
    charges, catalog = rated.charges, rated.charges.periods.catalog
    currencies = tuple(sorted({plan.resource.currency for plan in catalog.plans.values()}))
    places = {currency: place for place, currency in enumerate(currencies)}
    currency_of = np.array([places[billed.plan.currency] for billed in charges.prices], dtype=np.int64)
    digits_of = np.array([billed.price.price.digits for billed in charges.prices], dtype=np.int64)
    customer, first_row = _customers(charges.periods)
    price = charges.price[rated.charge]
    group = customer[charges.place[rated.charge]] * len(currencies) + currency_of[price]
    groups = len(first_row) * len(currencies)
    digits = np.zeros(groups, dtype=np.int64)
    np.maximum.at(digits, group, digits_of[price])
    found = np.flatnonzero(np.bincount(group, minlength=groups))
    return SpendColumns(
        catalog=catalog,
        currencies=currencies,
        row=first_row[found // max(len(currencies), 1)],
        currency=found % max(len(currencies), 1),
        amount=rated.amount.sum_by_group(group, groups).take(found),
        digits=digits[found],
        line_item_count=_summed(rated.is_rated.astype(np.int64), group, groups)[found],
        event_count=_summed(np.where(rated.is_rated, rated.event_count, 0), group, groups)[found],
        unrateable_count=_summed((~rated.is_rated).astype(np.int64), group, groups)[found],
    )


def joined(spends: Iterable[SpendColumns]) -> SpendColumns:
    """The sums of all of them; of a customer all are in one of them."""
    parts = list(spends)

    def column(name: str) -> Index:
        return np.concatenate([getattr(part, name) for part in parts])

    return SpendColumns(
        catalog=parts[0].catalog,
        currencies=parts[0].currencies,
        row=column("row"),
        currency=column("currency"),
        amount=DecimalColumn.concatenate([part.amount for part in parts]),
        digits=column("digits"),
        line_item_count=column("line_item_count"),
        event_count=column("event_count"),
        unrateable_count=column("unrateable_count"),
    )


def _customers(periods: BillingPeriods) -> tuple[Index, Index]:
    """The number of each period's customer, from 0 and rising; and a subscription's row for each of them."""
    if not len(periods):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ids = periods.catalog.subscription_columns.customer_id.take(periods.row)
    is_next = np.concatenate([[False], pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)])
    return np.cumsum(is_next), periods.row[np.flatnonzero(np.r_[True, is_next[1:]])]


def _summed(values: npt.NDArray[np.int64], group: Index, groups: int) -> Index:
    sums = np.zeros(groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums
