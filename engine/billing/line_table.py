"""Rated lines as an Arrow table: what a billing job takes in bulk, without an object for a line.

Rules:
1. A row says what the message of its line item says (proto/meterline/v1/billing.proto), under the same names: all of its
   fields that are one value, and its dimensions. Tiers, stages and the formula explain a line that is looked at.
2. Numbers that may have any number of digits are text, exact. What a line doesn't have is null.
3. The schema follows from nothing but the version of the engine.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from engine.billing.billed_prices import BilledPrice
from engine.billing.line_item import line_item_id
from engine.billing.rated import Rated, RatedPart
from engine.billing.segments import Index
from engine.decimal_texts import fixed_texts, plain_texts
from engine.times import us_datetime
from rating import DecimalColumn, Dimension

_INSTANT = pa.timestamp("us", "UTC")
_TEXTS = pa.map_(pa.string(), pa.string())
LINE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("line_item_id", "customer_id", "subscription_id", "plan_id")),
        ("plan_version", pa.uint32()),
        ("price_id", pa.string()),
        ("price_version", pa.uint32()),
        ("model", pa.string()),
        ("meter_id", pa.string()),
        ("meter_version", pa.uint32()),
        ("dimensions", _TEXTS),
        ("period_start", _INSTANT),
        ("period_end", _INSTANT),
        *((name, pa.string()) for name in ("quantity", "exact_amount", "amount", "currency")),
        ("event_count", pa.uint64()),
        ("event_digest", pa.string()),
        ("unreadable_event_count", pa.uint64()),
        ("negative_quantity", pa.bool_()),
        ("missing_value_event_count", pa.uint64()),
        ("unrateable_reason", pa.string()),
        ("billable_quantity", pa.string()),
        ("service_start", _INSTANT),
        ("service_end", _INSTANT),
        ("product", pa.string()),
    ]
)
# What a line says of its price alone.
_OF_PRICE: dict[str, Callable[[BilledPrice], Any]] = {
    "plan_id": lambda billed: billed.plan.id,
    "plan_version": lambda billed: billed.plan_version,
    "price_id": lambda billed: billed.price.id,
    "price_version": lambda billed: billed.price_version,
    "model": lambda billed: str(billed.effective.model),
    "meter_id": lambda billed: billed.meter.resource.id if billed.meter else None,
    "meter_version": lambda billed: billed.meter.version if billed.meter else None,
    "currency": lambda billed: billed.effective.currency,
    "product": lambda billed: billed.price.product,
}


def line_table(rated: Rated, lines: Index) -> pa.RecordBatch:
    """These lines, in their order; `lines` rise. Columns: LINE_SCHEMA."""
    parts, places = [], []
    for part in rated.parts:
        row = np.searchsorted(part.line, lines)
        here = np.flatnonzero(np.append(part.line, -1)[row] == lines)
        if len(here):
            parts.append(_part_table(rated, part, row[here]))
            places.append(here)
    if len(parts) == 1:
        return parts[0]
    joined = pa.concat_batches(parts) if parts else pa.RecordBatch.from_pylist([], LINE_SCHEMA)
    order = np.argsort(np.concatenate([np.zeros(0, np.int64), *places]), kind="stable")
    return joined.take(pa.array(order))


def _part_table(rated: Rated, part: RatedPart, rows: Index) -> pa.RecordBatch:
    charge = part.charge[rows]
    prices = rated.charges.prices
    columns = {
        name: pa.array([of(billed) for billed in prices], LINE_SCHEMA.field(name).type).take(
            pa.array(rated.charges.price[charge])
        )
        for name, of in _OF_PRICE.items()
    }
    columns |= _of_subscription(rated, charge)
    columns |= _of_usage(part, rows)
    columns |= _of_amounts(part, rows)
    columns |= _of_group(rated, part, rows, columns)
    return pa.RecordBatch.from_arrays([columns[name] for name in LINE_SCHEMA.names], schema=LINE_SCHEMA)


def _of_subscription(rated: Rated, charge: Index) -> dict[str, pa.Array]:
    periods = rated.charges.periods
    place = rated.charges.place[charge]
    row = pa.array(periods.row[place])
    catalog = periods.catalog.subscription_columns
    return {
        "customer_id": catalog.customer_id.take(row),
        "subscription_id": catalog.subscription_id.take(row),
        "period_start": pa.array(periods.period_start_us[place]).cast(_INSTANT),
        "period_end": pa.array(periods.period_end_us[place]).cast(_INSTANT),
        "service_start": pa.array(periods.start_us[place]).cast(_INSTANT),
        "service_end": pa.array(periods.end_us[place]).cast(_INSTANT),
    }


def _of_usage(part: RatedPart, rows: Index) -> dict[str, pa.Array]:
    usage, quantity = part.usage, part.charges.quantity.take(rows)
    counts = ("event_count", "unreadable_event_count", "missing_value_event_count")
    return {
        "quantity": plain_texts(quantity),
        "event_digest": usage.event_digest.take(pa.array(rows)),
        **{name: pa.array(getattr(usage, name)[rows].astype(np.uint64)) for name in counts},
    }


def _of_amounts(part: RatedPart, rows: Index) -> dict[str, pa.Array]:
    """Null for the lines that can't be rated; a reason for these alone."""
    place = np.searchsorted(part.rated, rows)
    is_rated = np.append(part.rated, -1)[place] == rows
    lines = part.lines.part(place[is_rated])
    negative = np.asarray(part.charges.quantity.take(rows).mantissa < 0, dtype=np.bool_)
    negative[is_rated] |= lines.negative_quantity
    digits = np.array([price.digits for price in part.charges.prices])[part.charges.price_index[rows]]
    # Where in the rated ones a row is; null for another.
    where = pa.array(np.cumsum(is_rated) - 1, mask=~is_rated)
    reasons = [None if rated else part.reason(row) for row, rated in _with(rows, is_rated)]
    return {
        "exact_amount": plain_texts(lines.exact_amount).take(where),
        "amount": _money_texts(lines.amount, digits[is_rated]).take(where),
        "negative_quantity": pa.array(negative),
        "billable_quantity": plain_texts(lines.billable_quantity).take(where),
        "unrateable_reason": pa.array(reasons, pa.string()),
    }


def _with(rows: Index, flags: Index) -> Iterable[tuple[int, bool]]:
    return zip(rows.tolist(), flags.tolist(), strict=True)


def _money_texts(amounts: DecimalColumn, digits: Index) -> pa.StringArray:
    """Each with its own number of fractional digits."""
    texts, places = [], []
    for each in np.unique(digits).tolist():
        rows = np.flatnonzero(digits == each)
        texts.append(fixed_texts(amounts.take(rows).rescale(each)))
        places.append(rows)
    if len(texts) == 1:
        return texts[0]
    order = np.argsort(np.concatenate([np.zeros(0, np.int64), *places]), kind="stable")
    return pa.concat_arrays([pa.array([], pa.string()), *texts]).take(pa.array(order))


def _of_group(
    rated: Rated, part: RatedPart, rows: Index, columns: Mapping[str, pa.Array]
) -> dict[str, pa.Array]:
    """The dimensions, by the order of their names, one without a value left out; and the id, which they are part of."""
    meter = rated.charges.prices[int(rated.charges.price[part.charge[rows[0]]])].meter
    names = meter.resource.group_by if meter else ()
    pairs: list[tuple[tuple[str, str], ...]] = [()] * len(rows)
    if names:
        texts = [_values(column, rows) for column in part.usage.dimensions]
        pairs = [
            tuple((name, value) for name, value in zip(names, values, strict=True) if value is not None)
            for values in zip(*texts, strict=True)
        ]
    starts = {
        start: us_datetime(start).isoformat()
        for start in np.unique(_micros(columns["service_start"])).tolist()
    }
    ids = map(
        line_item_id,
        columns["subscription_id"].to_pylist(),
        columns["price_id"].to_pylist(),
        pairs,
        (starts[start] for start in _micros(columns["service_start"]).tolist()),
    )
    return {
        "dimensions": pa.array([sorted(each) for each in pairs] if names else pairs, _TEXTS),
        "line_item_id": pa.array(list(ids), pa.string()),
    }


def _values(column: Dimension, rows: Index) -> list[str | None]:
    # The code -1, of no value, is the last of the list.
    values = (*column.values, None)
    return [values[code] for code in column.codes[rows].tolist()]


def _micros(instants: pa.Array) -> Index:
    found: Index = instants.cast(pa.int64()).to_numpy()
    return found
