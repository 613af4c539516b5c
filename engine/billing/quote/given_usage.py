"""Given quantities to rated lines: texts as columns in, one call of `rating.rate`, lines out.

Rules:
1. Each given quantity is a line of its own, as a meter gives one for each group: they are never added up.
2. A price that a quote gives no quantity is a line at zero, as a subscription without usage has one, or at the quantity that
   the plan says (seats); a flat price is always a line. A matrix price without a quantity has no cell to look up, and gives no
   line.
3. Everything is a column: no Python object is made for a row, unless its numbers are past 64 bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.quote.price_list import Counts, PriceList
from engine.billing.quote.quotes import Quotes
from engine.decimal_texts import Int64s, Texts, combined, decimals
from engine.errors import FieldMistake, InvalidRequestError
from rating import Charges, DecimalColumn, Dimension, EventAmounts, Model, RatingError, rate

# A line takes about 200 bytes of memory while it is rated and written, 300 with its tiers: 6 GiB.
CHARGES_MAX = 20_000_000


@dataclass(frozen=True, eq=False)
class GivenUsage:
    """k quantities of q quotes, read from n rows (of a CSV; one row for the command line's options).

    Attributes:
        names: what identifies the quotes: column -> q texts.
        quote: int64[k], price: int64[k] and row: int64[k], where each quantity belongs and comes from.
        text: k texts; of a price with terms per event the amounts, joined by `event_separator`; of a capacity
            price empty.
        dimensions: name -> n values; an empty text is not a value.
        units: unit -> n quantities as text; an empty text is zero.
        where: (row, column) -> how a message names that place.
    """

    prices: PriceList
    quotes: int
    names: Mapping[str, Texts]
    quote: Int64s
    price: Int64s
    row: Int64s
    text: Texts
    dimensions: Mapping[str, Texts]
    units: Mapping[str, Texts]
    event_separator: str
    where: Callable[[int, str], str]
    quantity_column: str | None = None
    """The column of all quantities; None: each price has one, named by its id."""

    def where_given(self, place: int) -> str:
        column = self.quantity_column or self.prices.prices[int(self.price[place])].id
        return self.where(int(self.row[place]), column)

    def counting(self, counts: Counts) -> Int64s:
        """The places of the quantities whose price counts this."""
        of_price = np.array([each.counts is counts for each in self.prices.prices], dtype=np.bool_)
        return np.flatnonzero(of_price[self.price])


def quoted(given: GivenUsage) -> Quotes:
    """Rates all that is given in one call, completed by rule 2.

    Raises:
        InvalidRequestError: one line with the place of the first quantity that can't be read or rated.
    """
    if max(given.quotes * len(given.prices), len(given.price)) > CHARGES_MAX:
        asked = f"{given.quotes:,} quotes of {len(given.prices)} prices"
        raise InvalidRequestError(
            FieldMistake(asked, f"are more than {CHARGES_MAX:,} lines: quote them in parts")
        )
    _check_dimensions(given)
    missing_quote, missing_price = _missing(given)
    charges = _charges(given, missing_price)
    try:
        lines = rate(charges)
    except RatingError as error:
        raise InvalidRequestError(_explained(given, charges, error)) from None
    return Quotes(
        prices=given.prices,
        count=given.quotes,
        names=given.names,
        quote=np.concatenate([given.quote, missing_quote]),
        is_given=np.arange(len(charges)) < len(given.price),
        lines=lines,
    )


def _missing(given: GivenUsage) -> tuple[Int64s, Int64s]:
    """(quote, price) of what no quantity was given for and yet gives a line."""
    width = len(given.prices)
    is_due = np.tile([each.price.model is not Model.MATRIX for each in given.prices.prices], given.quotes)
    is_due[given.quote * width + given.price] = False
    missing = np.flatnonzero(is_due)
    return missing // width, missing % width


def _charges(given: GivenUsage, missing_price: Int64s) -> Charges:
    count = len(given.price) + len(missing_price)
    events, event_sums = _events(given, count)
    plain = given.counting(Counts.QUANTITY)
    places = np.concatenate([plain, given.counting(Counts.EVENTS)])
    is_other = np.ones(count, dtype=np.bool_)
    is_other[places] = False
    # Those that are missing come last.
    others = np.flatnonzero(is_other)
    defaults = DecimalColumn.of([each.quantity for each in given.prices.prices])
    column = DecimalColumn.concatenate(
        [
            _quantities(given, plain),
            event_sums,
            DecimalColumn.zeros(len(others) - len(missing_price)),
            defaults.take(missing_price),
        ]
    )
    back = np.empty(count, dtype=np.int64)
    back[np.concatenate([places, others])] = np.arange(count)
    return Charges(
        prices=[each.price for each in given.prices.prices],
        price_index=np.concatenate([given.price, missing_price]),
        quantity=column.take(back),
        events=events,
        dimensions={name: _dimension(given, values, count) for name, values in given.dimensions.items()},
        quantities={unit: _unit(given, unit, count) for unit in given.prices.units},
    )


def _quantities(given: GivenUsage, places: Int64s) -> DecimalColumn:
    texts = given.text if len(places) == len(given.price) else given.text.take(pa.array(places))
    return decimals(texts, given.row[places], lambda at: given.where_given(int(places[at])))


def _events(given: GivenUsage, count: int) -> tuple[EventAmounts | None, DecimalColumn]:
    """Each event's amount of n charges (None if no price asks for them), and their sums where they are given."""
    places = given.counting(Counts.EVENTS)
    if not any(each.counts is Counts.EVENTS for each in given.prices.prices):
        return None, DecimalColumn.zeros(0)
    split = combined(pc.split_pattern(given.text.take(pa.array(places)), given.event_separator))
    counts = np.asarray(pc.list_value_length(split)).astype(np.int64)
    charge = np.repeat(np.arange(len(places)), counts)
    amounts = decimals(
        combined(pc.list_flatten(split)),
        given.row[places][charge],
        lambda at: given.where_given(int(places[charge[at]])),
    )
    per_charge = np.zeros(count, dtype=np.int64)
    per_charge[places] = counts
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(per_charge)])
    return EventAmounts(offsets, amounts), amounts.sum_by_group(charge, len(places))


def _dimension(given: GivenUsage, values: Texts, count: int) -> Dimension:
    """The dimension of n charges: what the row of each given quantity says, nothing for the others."""
    encoded = combined(pc.dictionary_encode(values))
    texts = encoded.dictionary.to_pylist()
    of_row = np.asarray(encoded.indices).astype(np.int64)
    if "" in texts:
        of_row = np.where(of_row == texts.index(""), -1, of_row)
    codes = np.full(count, -1, dtype=np.int64)
    codes[: len(given.row)] = of_row[given.row]
    return Dimension(codes, tuple(texts))


def _unit(given: GivenUsage, unit: str, count: int) -> DecimalColumn:
    if unit not in given.units:
        return DecimalColumn.zeros(count)
    texts = given.units[unit]
    filled = pc.if_else(pc.equal(texts, ""), "0", texts)
    of_row = decimals(filled, np.arange(len(texts)), lambda at: given.where(at, unit))
    return DecimalColumn.concatenate([of_row.take(given.row), DecimalColumn.zeros(count - len(given.row))])


def _check_dimensions(given: GivenUsage) -> None:
    for place, each in enumerate(given.prices.prices):
        for name in each.price.dimensions or ():
            rows = np.flatnonzero(given.price == place)
            if len(rows) and name not in given.dimensions:
                message = (
                    f"price {each.id!r} looks its amount up by {name!r}: "
                    f"give --dimension {name}=VALUE, or a column {name!r}"
                )
                raise InvalidRequestError(FieldMistake(given.where_given(int(rows[0])), message))


def _explained(given: GivenUsage, charges: Charges, error: RatingError) -> FieldMistake:
    """Which row can't be rated: `rate` judges each combination of a matrix price's dimensions by itself."""
    for place, each in enumerate(given.prices.prices):
        names = each.price.dimensions or ()
        rows = np.flatnonzero(given.price == place)
        if not names or not len(rows):
            continue
        codes = np.stack([charges.dimensions[name].codes[rows] for name in names], axis=1)
        for first in np.sort(np.unique(codes, axis=0, return_index=True)[1]).tolist():
            row = int(rows[first])
            alone = {
                name: Dimension(
                    charges.dimensions[name].codes[row : row + 1], charges.dimensions[name].values
                )
                for name in names
            }
            try:
                rate(
                    Charges(
                        prices=[each.price],
                        price_index=np.zeros(1, dtype=np.int64),
                        quantity=DecimalColumn.zeros(1),
                        dimensions=alone,
                    )
                )
            except RatingError as own:
                told = f"price {each.id!r} {str(own).removeprefix('charge 0 ')}"
                shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in told)
                return FieldMistake(given.where_given(row), shown)
    return FieldMistake("quotes", str(error))
