"""Two tables of priced rows beside each other: what a catalog makes of usage, and what another one does. Pure.

Rules:
1. Rows of the same subscription, billing period, plan, price, kind and currency are one; where only one side has it the other has 0.
2. Amounts are in units of their currencies, decimal128(38, 4): no currency has more digits. Quantities have 12.
3. Customers whose usage one of the sides can't rate are left out on both: half a bill is none.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.segments import Index
from engine.billing.simulation.priced_rows import ROW_KEYS, ROW_NUMBERS, PricedRows
from engine.decimal_texts import combined, decimal128_array
from engine.errors import MeterlineError
from rating import DecimalColumn, minor_unit_digits

MONEY_DIGITS: Final = 4
QUANTITY_DIGITS: Final = 12
SIDES: Final = ("before", "after")
NUMBER_NAMES: Final = tuple(name.removesuffix("_minor") for name in ROW_NUMBERS)
COMPARED_ROWS: Final = pa.schema(
    [
        *ROW_KEYS,
        *(
            (f"{name}_{side}", pa.decimal128(38, QUANTITY_DIGITS if name == "quantity" else MONEY_DIGITS))
            for name in NUMBER_NAMES
            for side in SIDES
        ),
    ]
)


def side_by_side(before: PricedRows, after: PricedRows, left_out: Collection[str]) -> pa.Table:
    """The rows of both (COMPARED_ROWS), by customer, subscription, period and plan; without some customers (rule 3).

    Raises:
        MeterlineError: a number has more digits than a row holds.
    """
    keys = pa.concat_tables([before.keys, after.keys]).combine_chunks()
    group, first = _groups(keys)
    is_after = np.arange(len(keys)) >= len(before)
    rows = keys.take(pa.array(first))
    columns = {name: rows[name] for name in ROW_KEYS.names}
    for name, short in zip(ROW_NUMBERS, NUMBER_NAMES, strict=True):
        for side, of_side, own in zip(SIDES, (before, after), (~is_after, is_after), strict=True):
            sums = of_side.numbers[name].sum_by_group(group[own], len(first))
            columns[f"{short}_{side}"] = (
                _fixed(sums, QUANTITY_DIGITS) if short == "quantity" else _in_units(sums, rows["currency"])
            )
    found = pa.table([columns[name] for name in COMPARED_ROWS.names], schema=COMPARED_ROWS)
    if left_out:
        is_out = pc.is_in(found["customer_id"], value_set=pa.array(sorted(left_out), pa.string()))
        found = found.filter(pc.invert(is_out))
    order = ("customer_id", "subscription_id", "period_start", "plan_id", "kind", "price_id", "currency")
    return found.sort_by([(name, "ascending") for name in order])


def _groups(keys: pa.Table) -> tuple[Index, Index]:
    """Of each row the number of its key, and of each key one of its rows."""
    group = np.zeros(len(keys), dtype=np.int64)
    for name in ROW_KEYS.names:
        encoded = combined(keys[name]).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        # Never more keys than rows: the product stays small.
        _, group = np.unique(group * max(len(encoded.dictionary), 1) + codes, return_inverse=True)
    _, first = np.unique(group, return_index=True)
    return group, first


def _in_units(minor: DecimalColumn, currency: pa.ChunkedArray) -> pa.Array:
    encoded = combined(currency).dictionary_encode()
    digits = np.array([minor_unit_digits(each) for each in encoded.dictionary.to_pylist()], dtype=np.int64)
    of_row = digits[encoded.indices.to_numpy(zero_copy_only=False)]
    rows = [np.flatnonzero(of_row == each) for each in np.unique(of_row).tolist()]
    parts = [DecimalColumn(minor.mantissa[own], int(of_row[own[0]])) for own in rows]
    return _fixed(DecimalColumn.scattered(parts, rows, len(minor)), MONEY_DIGITS)


def _fixed(column: DecimalColumn, digits: int) -> pa.Array:
    try:
        return decimal128_array(column.rescale(digits))
    except ValueError as error:
        raise MeterlineError(f"a simulated row can't be shown: {error}") from None
