"""From the rows of a scan to columns of usage: quantities in exact integers, groups in their order.

Rules:
1. What a quantity is made of the integers of a state, and how it is rounded, is as in engine.usage.facts.aggregations.
2. Groups are ordered by place, then by the values of their dimensions, byte by byte; a value that is absent comes last.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.usage.facts.aggregations import QUOTIENT_DIGITS
from engine.usage.facts.period_scan import STATES, Scan
from engine.usage.facts.periods_request import Index, Periods
from engine.usage.facts.usage_columns import NO_DIGEST, UsageColumns
from engine.usage.facts.usage_request import Measure
from rating import DecimalColumn, Dimension, RoundingMode, column_of_wide

_INTEGER_BYTES = 32
_DIGEST_BYTES = 16
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_SKIPPED = 2

Bytes = npt.NDArray[np.uint8]


def usage_of_scan(
    scan: Scan, rows: pa.Table, places: Index, periods: Periods, *, digests: bool
) -> list[UsageColumns]:
    """The usage of each of the scan's meters. `places`: int64[rows]."""
    dimensions = _dimensions(rows, len(scan.group_by))
    order = _order(places, dimensions)
    ordered = rows.take(order)
    place = places[order]
    dimensions = tuple(each.part(order) for each in dimensions)
    event_count = _numbers(ordered, "event_count")
    texts = _digests(ordered) if digests else pa.repeat(pa.scalar(NO_DIGEST), len(ordered))
    skipped = _lists(ordered, "skipped").to_numpy().view(np.int64)
    skipped = skipped.reshape(len(ordered), _SKIPPED * len(scan.measures))
    width = sum(len(STATES[each.aggregation]) for each in scan.measures)
    states = _fixed_bytes(_lists(ordered, "states"), _INTEGER_BYTES).reshape(
        len(ordered), width, _INTEGER_BYTES
    )
    found, first = [], 0
    for number, measure in enumerate(scan.measures):
        last = first + len(STATES[measure.aggregation])
        quantity = _quantity(measure, event_count, states[:, first:last], (place, periods))
        unreadable, missing = (skipped[:, _SKIPPED * number + i].copy() for i in range(_SKIPPED))
        usage = UsageColumns(place, dimensions, quantity, event_count, texts, unreadable, missing)
        found.append(usage)
        first = last
    return found


def _dimensions(rows: pa.Table, count: int) -> tuple[Dimension, ...]:
    texts = _lists(rows, "dimensions")
    columns = []
    for i in range(count):
        encoded = texts.take(np.arange(i, len(texts), count)).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
        columns.append(Dimension(codes, tuple(encoded.dictionary.to_pylist())))
    return tuple(columns)


def _order(places: Index, dimensions: Sequence[Dimension]) -> Index:
    keys = [places]
    for each in dimensions:
        by_value = sorted(range(len(each.values)), key=each.values.__getitem__)
        # The last one is where -1 leads: behind all values.
        rank = np.full(len(by_value) + 1, len(by_value), dtype=np.int64)
        rank[by_value] = np.arange(len(by_value))
        keys.append(rank[each.codes])
    order: Index = np.lexsort(keys[::-1])
    return order


def _quantity(
    measure: Measure, event_count: Index, states: Bytes, at: tuple[Index, Periods]
) -> DecimalColumn:
    match measure.aggregation:
        case "count":
            return DecimalColumn(event_count, 0)
        case "unique_count":
            return column_of_wide(states[:, 0], 0)
        case "avg":
            # One that has no value is a sum of none.
            value_count = np.maximum(column_of_wide(states[:, 1], 0).mantissa, 1)
            return _quotient(column_of_wide(states[:, 0], QUOTIENT_DIGITS), value_count)
        case "time_weighted":
            place, periods = at
            ends, starts = periods.end_us[place], periods.start_us[place]
            total, moment = (column_of_wide(states[:, i], QUOTIENT_DIGITS) for i in range(2))
            area = total.multiply(DecimalColumn(ends, 0)).subtract(moment)
            return _quotient(area, ends - starts)
    return column_of_wide(states[:, 0], QUOTIENT_DIGITS)


def _quotient(dividend: DecimalColumn, divisor: Index) -> DecimalColumn:
    """Row by row, rounded half_even to QUOTIENT_DIGITS fractional digits."""
    return dividend.rescale(QUOTIENT_DIGITS).divided_by(divisor, RoundingMode.HALF_EVEN)


def _numbers(rows: pa.Table, name: str) -> Index:
    numbers: Index = rows[name].to_numpy().astype(np.uint64).view(np.int64)
    return numbers


def _lists(rows: pa.Table, name: str) -> pa.Array:
    """The elements of a column of lists, one after the other."""
    column = rows[name].combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.concat_arrays([each.flatten() for each in chunks]) if chunks else pa.array([])


def _digests(rows: pa.Table) -> pa.StringArray:
    column = rows["event_digest"].combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    numbers = np.concatenate([_fixed_bytes(each, _DIGEST_BYTES) for each in chunks])[:, ::-1]
    texts = np.empty((len(numbers), 2 * _DIGEST_BYTES), dtype=np.uint8)
    texts[:, 0::2], texts[:, 1::2] = _HEX[numbers >> 4], _HEX[numbers & 15]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (2 * _DIGEST_BYTES)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(texts.tobytes()))


def integers_of(rows: pa.Table, name: str, digits: int) -> DecimalColumn:
    """A column of Int256 that are mantissas with so many fractional digits."""
    chunks = rows[name].chunks
    wide = [_fixed_bytes(each, _INTEGER_BYTES) for each in chunks]
    return column_of_wide(np.concatenate(wide) if wide else np.zeros((0, _INTEGER_BYTES), np.uint8), digits)


def _fixed_bytes(column: pa.Array, width: int) -> Bytes:
    """The bytes of a column of equally long ones: uint8[n, width]."""
    if not len(column):
        return np.zeros((0, width), dtype=np.uint8)
    data = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return data[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)
