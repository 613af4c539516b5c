"""The rated lines of quotes, and their sums: each quote's amount of each price and its total in each currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.billing.quote.price_list import Counts, PriceList, QuotedPrice
from engine.decimal_texts import Int64s, Texts
from rating import DecimalColumn, Model, RatedLines


@dataclass(frozen=True, eq=False)
class Quotes:
    """n rated lines of q quotes. `is_given`: bool[n], whether a quantity was given for the line."""

    prices: PriceList
    count: int
    names: Mapping[str, Texts]
    quote: Int64s
    is_given: npt.NDArray[np.bool_]
    lines: RatedLines

    @property
    def price(self) -> Int64s:
        return self.lines.charges.price_index

    def price_of(self, row: int) -> QuotedPrice:
        return self.prices.prices[int(self.price[row])]

    def names_of(self, quote: int) -> dict[str, str]:
        return {column: str(texts[quote].as_py()) for column, texts in self.names.items()}

    def dimensions_of(self, row: int) -> dict[str, str]:
        """The values that tell this line from others of its price."""
        found = {}
        for name in self.price_of(row).dimensions:
            dimension = self.lines.charges.dimensions.get(name)
            if dimension is not None and (code := int(dimension.codes[row])) >= 0:
                found[name] = dimension.values[code]
        return found

    def units_of(self, row: int) -> dict[str, Decimal]:
        """What a capacity price counted; empty for another."""
        quantities = self.lines.charges.quantities
        return {unit: quantities[unit].decimal(row) for unit in self.price_of(row).units}

    def event_count_of(self, row: int) -> int:
        events = self.lines.charges.events
        return 0 if events is None else int(events.offsets[row + 1] - events.offsets[row])

    @cached_property
    def order(self) -> Int64s:
        """int64[n]: the lines by quote, then price, then as they were given."""
        return np.argsort(self.quote * len(self.prices) + self.price, kind="stable")

    @cached_property
    def amounts(self) -> DecimalColumn:
        """Q x prices sums of rounded amounts, quote by quote."""
        return self.lines.amount.sum_by_group(
            self.quote * len(self.prices) + self.price, self.count * len(self.prices)
        )

    @cached_property
    def line_counts(self) -> Int64s:
        """int64[q x prices]: how many lines each of `amounts` adds up."""
        cells = self.quote * len(self.prices) + self.price
        return np.bincount(cells, minlength=self.count * len(self.prices))

    @cached_property
    def totals(self) -> Mapping[str, DecimalColumn]:
        """Currency -> q sums of rounded amounts, with the currency's digits."""
        totals = {}
        for currency, digits in self.prices.currencies.items():
            of_price = np.array([each.price.currency == currency for each in self.prices.prices])
            rows = np.flatnonzero(of_price[self.price])
            sums = self.lines.amount.take(rows).sum_by_group(self.quote[rows], self.count)
            totals[currency] = sums.rescale(digits)
        return totals

    def remarks(self) -> list[str]:
        """For each price that quotes gave no quantity: how many, and what came of it; and what of the plan isn't in the amounts."""
        said = []
        if self.prices.terms:
            named = ", ".join(self.prices.terms)
            said.append(f"not in these amounts: {named} of the {self.prices.owner}, which an invoice has")
        for place, each in enumerate(self.prices.prices):
            if each.counts is Counts.NOTHING:
                continue
            has_none = np.ones(self.count, dtype=np.bool_)
            has_none[self.quote[(self.price == place) & self.is_given]] = False
            count = int(has_none.sum())
            if count:
                at = f"{each.quantity:f}, the plan's" if each.quantity else "zero"
                outcome = "no line" if each.price.model is Model.MATRIX else f"quoted at {at}"
                of = f" in {count:,} of {self.count:,} quotes" if self.count > 1 else ""
                said.append(f"{each.id}: no quantity given{of}: {outcome}")
        return said
