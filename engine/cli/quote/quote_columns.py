"""Quotes as CSV, made from columns, a chunk of rows at a time: no Python object for a line or a tier.

amounts   a row for each quote: its names, each price's amount, the total of each currency
tiers     a row for each tier of each line: the whole working, with the line's amounts repeated
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.api.messages import decimal_text
from engine.billing.quote.quotes import Quotes
from engine.cli.terminal.csv_text import csv_line
from engine.decimal_texts import Int64s, Texts, fixed_texts, plain_texts
from rating import Dimension, tier_spans

# Rows of text made at a time: some ten MiB.
_CHUNK_ROWS = 65_536


def amounts_csv(quotes: Quotes) -> Iterator[bytes]:
    """A header and a row for each quote. A price without a line in a quote leaves its cell empty."""
    yield _header([*quotes.names, *quotes.prices.ids, *(f"total_{code}" for code in quotes.totals)])
    width = len(quotes.prices)
    for rows in _chunks(quotes.count):
        columns: list[Texts] = [_escaped(names.slice(rows.start, len(rows))) for names in _arrays(quotes)]
        for place, each in enumerate(quotes.prices.prices):
            cells = np.arange(rows.start * width + place, rows.stop * width, width)
            texts = fixed_texts(quotes.amounts.take(cells).rescale(each.price.digits))
            columns.append(pc.if_else(pa.array(quotes.line_counts[cells] > 0), texts, ""))
        columns += [fixed_texts(total.take(slice(rows.start, rows.stop))) for total in quotes.totals.values()]
        yield _lines(columns)


def tiers_csv(quotes: Quotes) -> Iterator[bytes]:
    """A header and a row for each tier that takes part in a line, in the order of quotes, prices and tiers.

    A dimension or unit is empty for a price that it doesn't belong to.
    """
    yield _header(
        [
            *("quote", *quotes.names, "price", *quotes.lines.charges.dimensions, *quotes.prices.units),
            *("quantity", "tier", "up_to", "tier_quantity", "unit_amount", "flat_amount", "tier_amount"),
            *("exact_amount", "amount", "currency"),
        ]
    )
    parts = quotes.lines.breakdown()
    bounds, first_tier = _bounds(quotes)
    for chunk in _chunks(len(quotes.order)):
        of_chunk = quotes.order[chunk.start : chunk.stop]
        counts = parts.offsets[of_chunk + 1] - parts.offsets[of_chunk]
        row = np.repeat(of_chunk, counts)
        first = np.repeat(parts.offsets[of_chunk] - (np.cumsum(counts) - counts), counts)
        entry = first + np.arange(len(row))
        tier = parts.tier[entry].astype(np.int64)
        bound = first_tier[quotes.price[row]] + tier
        columns = _line_columns(quotes, row)
        columns += [_numbers(tier), bounds.take(pa.array(bound))]
        columns += [
            plain_texts(column.take(entry))
            for column in (parts.quantity, parts.unit_amount, parts.flat_amount, parts.amount)
        ]
        yield _lines([*columns, *_amount_columns(quotes, row)])


def _line_columns(quotes: Quotes, row: Int64s) -> list[Texts]:
    """What identifies the lines of these rows, and their quantities."""
    charges, prices = quotes.lines.charges, quotes.prices.prices
    quote, price = quotes.quote[row], quotes.price[row]
    ids = pa.array([each.id for each in prices])
    columns: list[Texts] = [_numbers(quote + 1)]
    columns += [_escaped(names.take(pa.array(quote))) for names in _arrays(quotes)]
    columns.append(ids.take(pa.array(price)))
    for name, dimension in charges.dimensions.items():
        own = np.array([name in each.dimensions for each in prices])[price]
        columns.append(pc.if_else(pa.array(own), _values(dimension, row), ""))
    for unit in quotes.prices.units:
        own = np.array([unit in each.units for each in prices])[price]
        columns.append(pc.if_else(pa.array(own), plain_texts(charges.quantities[unit].take(row)), ""))
    return [*columns, plain_texts(charges.quantity.take(row))]


def _amount_columns(quotes: Quotes, row: Int64s) -> list[Texts]:
    currencies = pa.array([each.price.currency for each in quotes.prices.prices])
    exact = plain_texts(quotes.lines.exact_amount.take(row))
    return [exact, _amounts(quotes, row), currencies.take(pa.array(quotes.price[row]))]


def _chunks(rows: int) -> Iterator[range]:
    return (range(start, min(start + _CHUNK_ROWS, rows)) for start in range(0, rows, _CHUNK_ROWS))


def _header(names: Sequence[str]) -> bytes:
    return csv_line(names).encode()


def _lines(columns: Sequence[Texts]) -> bytes:
    """Rows of a CSV; the texts of an Arrow array lie one after the other, so its buffer is the text of all."""
    count = len(columns[0])
    ends = [pa.repeat(pa.scalar("\n"), count)]
    body, last = columns[:-1], columns[-1]
    joined = pc.binary_join_element_wise(*body, pc.binary_join_element_wise(last, *ends, ""), ",")
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32)
    text = joined.buffers()[2].slice(int(offsets[joined.offset]), int(offsets[joined.offset + count]))
    return bytes(text.to_pybytes())


def _arrays(quotes: Quotes) -> list[Texts]:
    return [
        names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
        for names in quotes.names.values()
    ]


def _escaped(texts: Texts) -> Texts:
    """Texts as cells: in quotes where a comma, a quote or a line break needs them."""
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(pc.match_substring_regex(texts, '[,"\r\n]'), quoted, texts)


def _numbers(values: Int64s) -> Texts:
    return pc.cast(pa.array(values), pa.string())


def _values(dimension: Dimension, rows: Int64s) -> Texts:
    """A dimension's values; empty where there is none."""
    known = pa.array([*dimension.values, ""])
    return _escaped(
        known.take(pa.array(np.where(dimension.codes < 0, len(dimension.values), dimension.codes)[rows]))
    )


def _amounts(quotes: Quotes, rows: Int64s) -> Texts:
    """Rounded amounts, each with the digits of its own price."""
    column = quotes.lines.amount.take(rows)
    texts = fixed_texts(column)
    digits = np.array([each.price.digits for each in quotes.prices.prices])
    for fewer in sorted(set(digits.tolist()) - {column.scale}):
        cut = column.scale - fewer + (0 if fewer else 1)
        shorter = pc.utf8_slice_codeunits(texts, 0, -cut)
        texts = pc.if_else(pa.array(digits[quotes.price[rows]] == fewer), shorter, texts)
    return texts


def _bounds(quotes: Quotes) -> tuple[Texts, Int64s]:
    """(up_to of every tier of every price as text, empty where it has no end; the place of each price's first)."""
    spans = [tier_spans(each.price) for each in quotes.prices.prices]
    texts = [decimal_text(up_to) for of_price in spans for _, up_to in of_price]
    return pa.array(texts, pa.string()), np.cumsum([0, *map(len, spans[:-1])], dtype=np.int64)
