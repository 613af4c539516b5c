"""Settled lines as the rows that are booked: columns in, columns out. Pure.

Rules:
1. A row is a line with what each term of money did to it, in minor units (engine.billing.terms.settled_amounts).
2. What a commitment adds is a row of its own, without a price; its id follows from the subscription, the period and the prices
   that count.
3. Every line of an invoice is a row, also one of nothing: usage that comes later is measured against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from engine.billing.line_item import line_item_id
from engine.billing.line_table import line_table
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.settled import Settled
from engine.billing.terms.settled_amounts import AMOUNTS, settled_amounts
from engine.decimal_texts import decimal128_array
from engine.times import us_datetime
from rating import LineKind

_INSTANT: Final = pa.timestamp("us", "UTC")
_MINOR: Final = pa.decimal128(38, 0)
_TEXTS: Final = (
    *("line_item_id", "subscription_id", "plan_id", "price_id", "model", "meter_id", "product"),
    *("currency", "quantity", "billable_quantity", "exact_amount", "event_digest"),
)
_VERSIONS: Final = ("plan_version", "price_version", "meter_version")
_INSTANTS: Final = ("period_start", "period_end", "service_start", "service_end")
LINE_ROWS: Final = pa.schema(
    [
        ("kind", pa.string()),
        *((name, pa.string()) for name in _TEXTS),
        *((name, pa.uint32()) for name in _VERSIONS),
        ("dimensions", pa.map_(pa.string(), pa.string())),
        *((name, _INSTANT) for name in _INSTANTS),
        ("event_count", pa.int64()),
        *((name, _MINOR) for name in AMOUNTS),
    ]
)
_KINDS: Final = {LineKind.RATED: "charge", LineKind.OVERAGE: "overage", LineKind.TRUE_UP: "true_up"}


@dataclass(frozen=True, eq=False, slots=True)
class SettledLines:
    """N settled lines.

    Attributes:
        rows: LINE_ROWS, N.
        invoice: int64[N], which of the settled invoices each is on.
    """

    rows: pa.Table
    invoice: Index


def settled_lines(found: Settled, parts: Sequence[Rated]) -> SettledLines:
    """The lines of `found`, which was made from `parts`.

    Raises:
        MeterlineError: a line doesn't add up.
    """
    amounts = settled_amounts(found)
    rated, added = _rated_rows(found, parts), _added_rows(found)
    columns = {
        name: pa.concat_arrays([rated[name], added[name]]) for name in LINE_ROWS.names if name not in AMOUNTS
    }
    columns |= {name: decimal128_array(column) for name, column in amounts.items()}
    rows = pa.Table.from_arrays([columns[name] for name in LINE_ROWS.names], schema=LINE_ROWS)
    return SettledLines(rows, found.settlement.lines.invoice)


def _rated_rows(found: Settled, parts: Sequence[Rated]) -> dict[str, pa.Array]:
    """The n rated lines, in their settled order."""
    part, line = found.invoiced.part, found.invoiced.line
    batches, places = [], []
    for number, rated in enumerate(parts):
        own = np.flatnonzero(part == number)
        own = own[np.argsort(line[own], kind="stable")]
        if len(own):
            batches.append(line_table(rated, line[own]))
            places.append(own)
    if not batches:
        return {each.name: pa.array([], each.type) for each in LINE_ROWS}
    order = np.argsort(np.concatenate(places), kind="stable")
    table = pa.concat_batches(batches).take(pa.array(order))
    columns = {
        name: _filled(table.column(name), LINE_ROWS.field(name).type) for name in (*_TEXTS, *_VERSIONS)
    }
    columns |= {name: table.column(name) for name in ("dimensions", *_INSTANTS)}
    columns["event_count"] = table.column("event_count").cast(pa.int64())
    columns["kind"] = pa.repeat(pa.scalar(_KINDS[LineKind.RATED]), len(table))
    return columns


def _filled(column: pa.Array, of: pa.DataType) -> pa.Array:
    """What a line doesn't have is empty, or 0: the booked rows have no nulls."""
    return column.fill_null(pa.scalar("" if of == pa.string() else 0, of))


def _added_rows(found: Settled) -> dict[str, pa.Array]:
    """What commitments add, behind the rated lines."""
    count = len(found.invoiced)
    kinds, owners = found.settlement.kind[count:].tolist(), found.settlement.commitment[count:].tolist()
    rows: list[dict[str, Any]] = []
    commitments, places = found.commitments, found.invoiced.places
    for kind, row in zip(kinds, owners, strict=True):
        place, terms = int(commitments.place[row]), int(commitments.terms[row])
        currency, prices = commitments.currencies[terms], commitments.commitments[terms].prices
        start, end = (us_datetime(int(each[place])) for each in (places.start_us, places.end_us))
        subscription_id, name = found.subscription_id(place), _KINDS[LineKind(kind)]
        counted = (("currency", currency), *(("price", each) for each in sorted(prices)))
        rows.append(
            dict.fromkeys(_TEXTS, "")
            | dict.fromkeys(_VERSIONS, 0)
            | dict.fromkeys(("period_start", "service_start"), start)
            | dict.fromkeys(("period_end", "service_end"), end)
            | {
                "kind": name,
                "line_item_id": line_item_id(
                    subscription_id, f"commitment {name}", counted, start.isoformat()
                ),
                "subscription_id": subscription_id,
                "currency": currency,
                "dimensions": [],
                "event_count": 0,
            }
        )
    return {
        each.name: pa.array([row[each.name] for row in rows], each.type)
        for each in LINE_ROWS
        if each.name not in AMOUNTS
    }
