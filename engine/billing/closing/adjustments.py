"""What periods come to now, less what is booked of them: signed lines. Pure.

Rules:
1. A line is known again by its id and currency. What it comes to now, less all that is booked of it on invoices that stand, is what
   is still to be billed or given back: of amounts, discounts, credits and taxes alike. So the documents of a period always add up
   to what one close at the end would have given.
2. A line that is there no more is given back; one that is new is billed.
3. A line without a difference of any amount is no adjustment. Its quantity then waits for the next one.
4. What is left of a period of which parts are billed is the same difference; there every line that is there now has one, also one
   of nothing.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.closing.settled_lines import LINE_ROWS
from engine.billing.segments import Index
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.decimal_texts import combined, decimal128_array, decimal128_column, plain_texts
from rating import DecimalColumn

_QUANTITIES: Final = ("quantity", "billable_quantity", "exact_amount")


def adjustments(now: pa.Table, booked: pa.Table) -> pa.Table:
    """The differences (LINE_ROWS), by period, subscription and id.

    Args:
        now: what the lines of closed periods come to (LINE_ROWS).
        booked: all rows that are booked of the same periods (LINE_ROWS).
    """
    found, _ = _less_booked(now, booked, keeps_all=False)
    return found.sort_by(
        [(name, "ascending") for name in ("period_start", "subscription_id", "line_item_id")]
    )


def rest(now: pa.Table, booked: pa.Table) -> tuple[pa.Table, Index]:
    """What is left of periods of which parts are billed (LINE_ROWS): the lines of `now` in their order, then what is given back; and
    the place of each among the rows of `booked` and, behind them, `now`. Both as of `adjustments`.
    """
    found, place = _less_booked(now, booked, keeps_all=True)
    order = np.argsort(np.where(place < len(booked), place + len(now) + len(booked), place), kind="stable")
    return found.take(pa.array(order)), place[order]


def _less_booked(now: pa.Table, booked: pa.Table, *, keeps_all: bool) -> tuple[pa.Table, Index]:
    """The differences, and the row of each that says what it is of, among those of `booked` and `now`."""
    both = pa.concat_tables([booked.select(LINE_ROWS.names), now.select(LINE_ROWS.names)])
    if not len(both):
        return LINE_ROWS.empty_table(), np.zeros(0, dtype=np.int64)
    # No id and no currency has a blank.
    keys = combined(pc.binary_join_element_wise(both["line_item_id"], both["currency"], " "))
    encoded = keys.dictionary_encode()
    group = encoded.indices.to_numpy().astype(np.int64)
    groups = len(encoded.dictionary)
    sign = np.where(np.arange(len(both)) < len(booked), -1, 1)
    amounts = {name: _sums(both[name], sign, group, groups) for name in AMOUNTS}
    differs = np.zeros(groups, dtype=np.bool_)
    for column in amounts.values():
        differs |= np.asarray(column.mantissa != 0, dtype=np.bool_)
    # Of each the last row says what it is of: the one of now, if there is one.
    last = np.zeros(groups, dtype=np.int64)
    last[group] = np.arange(len(group))
    chosen = np.flatnonzero(differs | (last >= len(booked)) if keeps_all else differs)
    rows = both.take(pa.array(last[chosen]))
    columns: dict[str, Any] = {name: rows[name] for name in LINE_ROWS.names}
    columns |= {name: decimal128_array(column.take(chosen)) for name, column in amounts.items()}
    columns |= _differences(both, sign, group, chosen)
    return pa.table([columns[name] for name in LINE_ROWS.names], schema=LINE_ROWS), last[chosen]


def _sums(column: Any, sign: Index, group: Index, groups: int) -> DecimalColumn:  # noqa: ANN401 - pyarrow
    values = decimal128_column(combined(column), 0)
    signed = values.multiply(DecimalColumn(sign.astype(np.int64), 0))
    return signed.sum_by_group(group, groups).narrowed()


def _differences(both: pa.Table, sign: Index, group: Index, chosen: Index) -> dict[str, Any]:
    """Counts and quantities of the lines that differ, which are few."""
    place = np.full(int(group.max(initial=0)) + 1, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(place[group] >= 0)
    own, signs = place[group[rows]], DecimalColumn(sign[rows].astype(np.int64), 0)
    taken = both.take(pa.array(rows))

    def sums(values: DecimalColumn) -> DecimalColumn:
        return values.multiply(signs).sum_by_group(own, len(chosen)).narrowed()

    counts = sums(DecimalColumn(np.asarray(combined(taken["event_count"])).astype(np.int64), 0))
    found: dict[str, Any] = {"event_count": pa.array(counts.mantissa.astype(np.int64))}
    for name in _QUANTITIES:
        values = DecimalColumn.of([each or "0" for each in taken[name].to_pylist()])
        found[name] = plain_texts(sums(values))
    return found
