"""Spend: sums of rated lines by customer and currency, in columns. Pure.

Sums are exact: in 64 bits where that is proven to hold them, else in Python integers (rating.numbers.decimals).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.history import History
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.settled import Settled, SettledSums, settled
from engine.catalog.snapshots.snapshot import Catalog
from rating import DecimalColumn


@dataclass(frozen=True, slots=True)
class SettledSpend:
    """What a sum of lines comes to (engine.billing.terms.settled)."""

    discounts: Decimal
    after_discounts: Decimal
    commitments: Decimal
    credits: Decimal
    included_tax: Decimal
    tax: Decimal
    due: Decimal


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
    settled: SettledSpend


@dataclass(frozen=True, eq=False, slots=True)
class SpendColumns:
    """n sums, one for each customer and currency with a line, by customer.

    Attributes:
        row: int64[n], a subscription of the customer, by its row in the catalog's columns.
        currencies: those of the catalog's plans, in alphabetical order; `currency`: int64[n], a place in them.
        amount: n sums of rounded amounts; `digits`: int64[n], with how many fractional digits each is written.
        line_item_count, event_count, unrateable_count: int64[n]; the last is of lines without an amount, which are
            in nothing else.
        settled: what the n sums come to; None where no customer has terms of money, and amounts are due as they are.
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
    settled: SettledSums | None

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
            line_item_count=summed_by_group(self.line_item_count, self.currency, groups),
            event_count=summed_by_group(self.event_count, self.currency, groups),
            unrateable_count=summed_by_group(self.unrateable_count, self.currency, groups),
            settled=self.settled and self.settled.sum_by_group(self.currency, groups),
        )
        return [totals.spend(each, None) for each in np.unique(self.currency).tolist()]

    def spend(self, place: int, customer_id: str | None) -> Spend:
        """One sum, for who shows it, and whose it is called."""
        digits = int(self.digits[place])

        def one(column: DecimalColumn) -> Decimal:
            return column.take(slice(place, place + 1)).rescale(digits).decimal(0)

        sums = self.settled or SettledSums.without_terms(self.amount)
        return Spend(
            customer_id,
            self.currencies[int(self.currency[place])],
            one(self.amount),
            int(self.line_item_count[place]),
            int(self.event_count[place]),
            incomplete=bool(self.unrateable_count[place]),
            settled=SettledSpend(**{name: one(column) for name, column in sums.columns().items()}),
        )

    def _customer_id(self, place: int) -> str:
        return str(self.catalog.subscription_columns.customer_id[int(self.row[place])].as_py())


def spend_of(rated: Rated, history: History | None = None) -> SpendColumns:
    """The sums of some whole customers' lines, and what they come to. `history`: needed where customers have credit."""
    return sums_of(rated, settled(rated, history))


def sums_of(rated: Rated, terms: Settled | None) -> SpendColumns:
    """The sums of some customers' lines. `terms`: what these lines were settled to."""
    charges, catalog = rated.charges, rated.charges.periods.catalog
    currencies = catalog.currencies
    places = {currency: place for place, currency in enumerate(currencies)}
    currency_of = np.array([places[billed.effective.currency] for billed in charges.prices], dtype=np.int64)
    digits_of = np.array([billed.effective.digits for billed in charges.prices], dtype=np.int64)
    customers = CustomerNumbers.of(charges.periods)
    price = charges.price[rated.charge]
    customer = customers.numbers(charges.periods.row)
    group = customer[charges.place[rated.charge]] * len(currencies) + currency_of[price]
    groups = len(customers) * len(currencies)
    digits = np.zeros(groups, dtype=np.int64)
    np.maximum.at(digits, group, digits_of[price])
    has_lines = np.bincount(group, minlength=groups) > 0
    settled_group = np.zeros(0, dtype=np.int64)
    if terms is not None:
        own = np.array([places[currency] for currency in terms.currencies], dtype=np.int64)
        settled_group = terms.customer * len(currencies) + own[terms.currency]
        has_lines[settled_group] = True
        digits[settled_group] = np.maximum(digits[settled_group], terms.digits)
    found = np.flatnonzero(has_lines)
    amount = rated.amount.sum_by_group(group, groups).take(found)
    sums = None
    if terms is not None:
        place = np.searchsorted(found, settled_group)
        untouched = SettledSums.without_terms(amount).columns()
        replaced = {
            name: untouched[name].replaced(place, column) for name, column in terms.sums.columns().items()
        }
        sums = SettledSums(**replaced)
    unrateable = summed_by_group((~rated.is_rated).astype(np.int64), group, groups)[found]
    if terms is not None:
        unrateable += np.isin(found // max(len(currencies), 1), terms.uncertain)
    return SpendColumns(
        catalog=catalog,
        currencies=currencies,
        row=customers.first_row[found // max(len(currencies), 1)],
        currency=found % max(len(currencies), 1),
        amount=amount,
        digits=digits[found],
        line_item_count=summed_by_group(rated.is_rated.astype(np.int64), group, groups)[found],
        event_count=summed_by_group(np.where(rated.is_rated, rated.event_count, 0), group, groups)[found],
        unrateable_count=unrateable,
        settled=sums,
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
        settled=_joined_sums(parts),
    )


def _joined_sums(parts: Sequence[SpendColumns]) -> SettledSums | None:
    if all(part.settled is None for part in parts):
        return None
    sums = [(part.settled or SettledSums.without_terms(part.amount)).columns() for part in parts]
    return SettledSums(**{name: DecimalColumn.concatenate([each[name] for each in sums]) for name in sums[0]})


def summed_by_group(values: npt.NDArray[np.int64], group: Index, groups: int) -> Index:
    sums = np.zeros(groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums
