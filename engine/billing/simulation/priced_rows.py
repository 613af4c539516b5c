"""Settled lines summed up by subscription, billing period and price: columns in, columns out. Pure.

Rules:
1. A row is all that a price comes to for a subscription in a billing period: its parts of the period and its groups of dimensions
   together. What a commitment adds is a row without a price, of the plan that the subscription has at the end of the period.
2. Sums are exact. The quantity is the sum of the lines' quantities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.segments import Index, spread
from engine.billing.terms.places import PeriodPlaces, distinct
from engine.billing.terms.settled import Settled
from engine.billing.terms.settled_amounts import AMOUNTS, settled_amounts
from engine.catalog.snapshots.snapshot import Catalog
from rating import DecimalColumn, LineKind

_INSTANT: Final = pa.timestamp("us", "UTC")
ROW_KEYS: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("customer_id", "subscription_id", "plan_id", "price_id", "kind")),
        ("currency", pa.string()),
        ("period_start", _INSTANT),
        ("period_end", _INSTANT),
    ]
)
ROW_NUMBERS: Final = ("quantity", *AMOUNTS)
_KINDS: Final = {LineKind.RATED: "charge", LineKind.OVERAGE: "overage", LineKind.TRUE_UP: "true_up"}


@dataclass(frozen=True, eq=False, slots=True)
class PricedRows:
    """n rows: ROW_KEYS, and the columns of ROW_NUMBERS; amounts are in minor units."""

    keys: pa.Table
    numbers: Mapping[str, DecimalColumn]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def empty(cls) -> "PricedRows":
        return cls(ROW_KEYS.empty_table(), {name: DecimalColumn.zeros(0) for name in ROW_NUMBERS})


def priced_rows(found: Settled, parts: Sequence[Rated], part_count: int) -> PricedRows:
    """The rows of the first `part_count` of the parts from which `found` was made: of the periods that were asked for.

    Raises:
        MeterlineError: a line doesn't add up.
    """
    lines, kind = found.settlement.lines, found.settlement.kind
    chosen = np.flatnonzero(found.part < part_count)
    currencies, prices = max(len(lines.currencies), 1), len(lines.price_ids) + 1
    # Of a place, its prices; -1, of what a commitment adds, is the first.
    key = (lines.subscription[chosen] * prices + lines.price[chosen] + 1) * len(LineKind) + kind[chosen]
    groups, group = distinct(key * currencies + lines.currency[chosen])
    rest, currency = np.divmod(groups, currencies)
    rest, kinds = np.divmod(rest, len(LineKind))
    place, price = np.divmod(rest, prices)
    columns = settled_amounts(found) | {"quantity": _quantities(found, parts)}
    numbers = {
        name: columns[name].take(chosen).sum_by_group(group, len(groups)).narrowed() for name in ROW_NUMBERS
    }
    return PricedRows(_keys(found, place, price, kinds, currency), numbers)


def _quantities(found: Settled, parts: Sequence[Rated]) -> DecimalColumn:
    """Of each settled line; 0 of what commitments add."""
    invoiced = found.invoiced
    columns, rows = [], []
    for number, rated in enumerate(parts):
        own = np.flatnonzero(invoiced.part == number)
        columns.append(rated.quantity.take(invoiced.line[own]))
        rows.append(own)
    return DecimalColumn.scattered(columns, rows, len(found.settlement.lines))


def _keys(found: Settled, place: Index, price: Index, kind: Index, currency: Index) -> pa.Table:
    places, columns = found.invoiced.places, found.catalog.subscription_columns
    names = [each.split("/") for each in found.settlement.lines.price_ids]
    is_added = pa.array(price == 0)
    of_price = pa.array(np.maximum(price - 1, 0))

    def of_names(number: int) -> pa.Array:
        # Where no line has a price there is none to take.
        texts = pa.array([each[number] for each in names] or [""], pa.string())
        return texts.take(of_price)

    plan_at_end = pa.array(columns.plans or ("",), pa.string()).take(
        pa.array(_plans_at_end(found.catalog, places, place))
    )
    row = pa.array(places.row[place])
    kinds = pa.array([_KINDS.get(each, "") for each in LineKind], pa.string())
    instants = (_instants(each[place]) for each in (places.start_us, places.end_us))
    return pa.table(
        [
            columns.customer_id.take(row),
            columns.subscription_id.take(row),
            pc.if_else(is_added, plan_at_end, of_names(0)),
            pc.if_else(is_added, "", of_names(1)),
            kinds.take(pa.array(kind)),
            pa.array(found.settlement.lines.currencies or ("",), pa.string()).take(pa.array(currency)),
            *instants,
        ],
        schema=ROW_KEYS,
    )


def _instants(instants_us: Instants) -> pa.Array:
    return pa.array(instants_us).cast(_INSTANT)


def _plans_at_end(catalog: Catalog, places: PeriodPlaces, place: Index) -> Index:
    """Of each the plan at the end of the billing period, by its place among the plans."""
    columns = catalog.subscription_columns
    row, end_us = places.row[place], places.end_us[place]
    first = columns.step_offsets[row]
    owner, within = spread(columns.step_offsets[row + 1] - first)
    step = first[owner] + within
    last = first.copy()
    np.maximum.at(last, owner, np.where(columns.step_start_us[step] < end_us[owner], step, first[owner]))
    return columns.terms_plan[columns.step_terms[last]].astype(np.int64)
