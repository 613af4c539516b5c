"""A CSV of quantities, in one of two forms, as columns; every mistake at its file, line and column.

Wide: a column for each price, named by its id; a row is a quote. An empty cell gives no quantity.

    customer,input,requests
    acme,1482229,1272

Long: columns `price` and `quantity`, a row is a line. All rows are one quote, or with --by those of equal names.

    customer,price,quantity,region
    acme,compute,12.5,eu

Both: columns of dimensions and units, named as they are, and the columns that --by names. Any other column is a
mistake, so that no quantity is lost by a spelling. The amounts of a price with terms per event are joined by ";".
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.quote.given_usage import GivenUsage
from engine.billing.quote.price_list import Counts, PriceList, near
from engine.cli.quote.quote_csv_file import CsvTable, read_csv_table
from engine.cli.quote.quote_options import OptionUsage
from engine.cli.terminal.connection import CommandError
from engine.decimal_texts import Int64s, Texts

_EVENT_SEPARATOR = ";"
_PRICE, _QUANTITY = "price", "quantity"


def read_csv_usage(
    name: str, data: bytes, prices: PriceList, by: Sequence[str], for_all: OptionUsage
) -> GivenUsage:
    """The usage of a CSV file.

    Args:
        name: the file's name in messages.
        data: its bytes.
        prices: what is quoted.
        by: the columns that name a quote.
        for_all: the options' dimensions and units, which hold for every row.

    Raises:
        CommandError: one line with the first mistake.
    """
    table = read_csv_table(name, data)
    is_long = _PRICE in table.columns and _QUANTITY in table.columns
    _check_header(table, prices, by, for_all, is_long=is_long)
    return (_long if is_long else _wide)(table, prices, by, for_all)


def _check_header(
    table: CsvTable, prices: PriceList, by: Sequence[str], for_all: OptionUsage, *, is_long: bool
) -> None:
    """Every column has one meaning, and what --by names is there."""
    place = f"{table.file_name}:1"
    for column in by:
        if column not in table.columns:
            raise CommandError(
                f"{place}: --by {column}: there is no such column{near(column, table.columns)}"
            )
    for column in (*for_all.dimensions, *for_all.units):
        if column in table.columns:
            raise CommandError(f"{place}: {column!r} is a column and an option: remove one of them")
    quantities = (_PRICE, _QUANTITY) if is_long else tuple(prices.ids)
    for column in table.columns:
        meanings = [group for group in (quantities, prices.dimensions, prices.units, by) if column in group]
        if len(meanings) > 1:
            raise CommandError(
                f"{place}: the column {column!r} could mean several things: rename one of them"
            )
        if not meanings:
            known = [*quantities, *prices.dimensions, *prices.units]
            raise CommandError(
                f"{place}: {column!r} is not a price, dimension or unit of {prices.owner}{near(column, known)}"
                f"; name it with --by if it tells quotes apart"
            )
        if not is_long and column in prices.ids:
            _check_counted(f"{place}: {column}", prices, prices.ids[column])


def _check_counted(where: str, prices: PriceList, place: int) -> None:
    """Refuses a quantity for a price that takes none."""
    price = prices.prices[place]
    if price.counts is Counts.NOTHING:
        raise CommandError(f"{where}: is a flat price, which takes no quantity: it is always included")
    if price.counts is Counts.UNITS:
        raise CommandError(f"{where}: counts {', '.join(price.units)}: give a column for each of these")


def _wide(table: CsvTable, prices: PriceList, by: Sequence[str], for_all: OptionUsage) -> GivenUsage:
    """Each cell that isn't empty is a quantity; a row with units gives those of its capacity prices."""
    texts: list[Texts] = []
    rows: list[Int64s] = []
    places: list[Int64s] = []
    everywhere = np.arange(table.rows, dtype=np.int64)
    for place, price in enumerate(prices.prices):
        if price.counts is Counts.UNITS and any(
            unit in table.columns or unit in for_all.units for unit in price.units
        ):
            texts.append(pa.repeat(pa.scalar("", pa.string()), table.rows))
            rows.append(everywhere)
        elif price.id in table.columns:
            column = table.columns[price.id]
            filled = np.asarray(pc.not_equal(pc.utf8_trim_whitespace(column), "")).astype(np.bool_)
            texts.append(column if filled.all() else column.filter(pa.array(filled)))
            rows.append(everywhere if filled.all() else np.flatnonzero(filled))
        else:
            continue
        places.append(np.full(len(rows[-1]), place, dtype=np.int64))
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    return _given(
        table,
        prices,
        for_all,
        quotes=table.rows,
        names={column: table.columns[column] for column in by},
        quote=row,
        price=np.concatenate([np.zeros(0, dtype=np.int64), *places]),
        row=row,
        text=_joined(texts),
    )


def _long(table: CsvTable, prices: PriceList, by: Sequence[str], for_all: OptionUsage) -> GivenUsage:
    price = _named_prices(table, prices)
    of_row = table.columns[_QUANTITY]
    takes_none = np.array([each.counts is Counts.UNITS for each in prices.prices])[price]
    empty = np.asarray(pc.equal(pc.utf8_trim_whitespace(of_row), "")).astype(np.bool_)
    if len(wrong := np.flatnonzero(takes_none & ~empty)):
        counted = prices.prices[int(price[wrong[0]])]
        raise CommandError(
            f"{table.where(int(wrong[0]), _QUANTITY)}: price {counted.id!r} counts {', '.join(counted.units)}: "
            "give a column for each of these and leave the quantity empty"
        )
    quote, first_rows = _quotes_by(table, by)
    return _given(
        table,
        prices,
        for_all,
        quotes=len(first_rows),
        names={column: table.columns[column].take(pa.array(first_rows)) for column in by},
        quote=quote,
        price=price,
        row=np.arange(table.rows, dtype=np.int64),
        text=_joined([of_row]),
        quantity_column=_QUANTITY,
    )


def _named_prices(table: CsvTable, prices: PriceList) -> Int64s:
    """The price of each row."""
    encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(table.columns[_PRICE])).combine_chunks()
    code = np.asarray(encoded.indices).astype(np.int64)
    place_of_code = np.zeros(len(encoded.dictionary), dtype=np.int64)
    for this, price_id in enumerate(encoded.dictionary.to_pylist()):
        first = partial(_first_where, table, code, this)
        try:
            place_of_code[this] = prices.place_of(price_id)
        except ValueError as error:
            raise CommandError(f"{first()}: {error}") from None
        if prices.prices[int(place_of_code[this])].counts is Counts.NOTHING:
            raise CommandError(
                f"{first()}: {price_id!r} is a flat price, which is always included: remove the row"
            )
    return place_of_code[code]


def _first_where(table: CsvTable, code: Int64s, wanted: int) -> str:
    return table.where(int(np.argmax(code == wanted)), _PRICE)


def _quotes_by(table: CsvTable, by: Sequence[str]) -> tuple[Int64s, Int64s]:
    """(quote of each row, first row of each quote): rows of equal names are one quote, in order of appearance."""
    group = np.zeros(table.rows, dtype=np.int64)
    for column in by:
        encoded = pc.dictionary_encode(table.columns[column]).combine_chunks()
        code = np.asarray(encoded.indices).astype(np.int64)
        # Both factors are at most the number of rows, so the product fits int64.
        group = np.unique(group * len(encoded.dictionary) + code, return_inverse=True)[1]
    _, first_rows, inverse = np.unique(group, return_index=True, return_inverse=True)
    by_appearance = np.argsort(first_rows)
    rank = np.empty_like(by_appearance)
    rank[by_appearance] = np.arange(len(rank))
    return rank[inverse].astype(np.int64), first_rows[by_appearance].astype(np.int64)


def _given(
    table: CsvTable,
    prices: PriceList,
    for_all: OptionUsage,
    **usage: Any,  # noqa: ANN401 - the fields that differ between the forms
) -> GivenUsage:
    def columns(names: Sequence[str], constants: Mapping[str, str]) -> dict[str, Texts]:
        of_all = {
            name: pa.repeat(pa.scalar(value, pa.string()), table.rows) for name, value in constants.items()
        }
        return of_all | {name: table.columns[name] for name in names if name in table.columns}

    return GivenUsage(
        prices=prices,
        dimensions=columns(prices.dimensions, for_all.dimensions),
        units=columns(prices.units, for_all.units),
        event_separator=_EVENT_SEPARATOR,
        where=table.where,
        **usage,
    )


def _joined(columns: Sequence[Texts]) -> Texts:
    chunks = [chunk for column in columns for chunk in getattr(column, "chunks", [column])]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()
