"""Charges and their usage to line items: columns in, columns rated, lines out. Pure.

Rules:
1. A metered price without usage gives one line at quantity zero: a first tier's flat amount is due then too.
   A matrix price gives none, unless it has a minimum: then one of its first cell.
2. A customer with a charge that can't be rated gets no lines at all, and is named with the reason: a total
   without that charge would be a wrong one, and the other customers' lines are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain

import numpy as np

from engine.billing.line_item import Charge, LineItem
from engine.billing.periods import Period
from rating import Charges, DecimalColumn, Dimension, Model, Price, RatingError, rate


@dataclass(frozen=True, slots=True)
class Usage:
    """A meter's quantity for one customer, period and group of dimensions."""

    dimensions: tuple[tuple[str, str], ...]
    quantity: Decimal
    event_count: int
    event_digest: str
    unreadable_event_count: int
    missing_value_event_count: int


_NO_USAGE = Usage((), Decimal(0), 0, "0" * 32, 0, 0)
UsageKey = tuple[str, Period, str]
Row = tuple[Charge, Usage]


@dataclass(frozen=True, slots=True)
class Rated:
    """Line items in the order of their charges; and for each customer who can't be rated, why."""

    line_items: list[LineItem]
    unrateable: dict[str, str]


def rate_charges(charges: Sequence[Charge], usage: Mapping[UsageKey, Sequence[Usage]]) -> Rated:
    """One line for each charge and group of usage."""
    rows: list[Row] = []
    for charge in charges:
        found = _without_usage(charge.price.price)
        if charge.meter is not None:
            found = usage.get((charge.meter.resource.id, charge.period, charge.subscription.customer), found)
        rows.extend((charge, each) for each in found)
    unrateable: dict[str, str] = {}
    try:
        lines = rate(_columns(rows))
    except RatingError:
        unrateable = dict(_faults(rows))
        rows = [row for row in rows if row[0].subscription.customer not in unrateable]
        lines = rate(_columns(rows))
    items = [
        LineItem(
            charge,
            dict(each.dimensions),
            lines.line(i),
            each.event_count,
            each.event_digest,
            each.unreadable_event_count,
            each.missing_value_event_count,
        )
        for i, (charge, each) in enumerate(rows)
    ]
    return Rated(items, unrateable)


def _without_usage(price: Price) -> Sequence[Usage]:
    if price.model is not Model.MATRIX:
        return [_NO_USAGE]
    if price.minimum_amount is None or price.cells is None:
        return []
    return [replace(_NO_USAGE, dimensions=price.cells[0].match)]


def _faults(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Each customer with a charge that can't be rated, and why: by halves, until a charge stands alone."""
    try:
        rate(_columns(rows))
    except RatingError as error:
        if len(rows) > 1:
            yield from _faults(rows[: len(rows) // 2])
            yield from _faults(rows[len(rows) // 2 :])
        else:
            charge = rows[0][0]
            yield (
                charge.subscription.customer,
                f"subscription {charge.subscription.id}, price {charge.price.id}: {error}",
            )


def _columns(rows: Sequence[Row]) -> Charges:
    prices = {charge.price.price: None for charge, _ in rows}
    index = {price: i for i, price in enumerate(prices)}
    dimensions = [dict(each.dimensions) for _, each in rows]
    # Also those that a price looks up and no event has: then every charge has none of it.
    names = sorted(
        {*chain.from_iterable(dimensions), *chain.from_iterable(p.dimensions or () for p in prices)}
    )
    return Charges(
        prices=tuple(prices),
        price_index=np.array([index[charge.price.price] for charge, _ in rows], dtype=np.int64),
        quantity=DecimalColumn.of([each.quantity for _, each in rows]),
        dimensions={name: Dimension.of([row.get(name) for row in dimensions]) for name in names},
    )
