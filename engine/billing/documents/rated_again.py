"""Booked lines rated again by themselves: what of them is at which price. Pure.

Rules:
1. A line's quantity is rated at its price, as the catalog has that version of its plan.
2. It counts only where its tiers add up, exactly, to the line's amount before it was rounded: not of a line whose price was another
   one (a subscription's own), which is a part of a period, or which has discounts or bounds of its price's own.
3. A line that corrects is a difference, and terms per event need the events: neither is rated again.
"""

from collections.abc import Mapping, Sequence
from decimal import MAX_PREC, Context, Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from engine.billing.documents.catalog_names import CatalogNames
from engine.catalog.kinds.plan import PlanPrice
from engine.times import datetime_us
from rating import Charges, DecimalColumn, Dimension, Model, Price, RatedLine, rate, unrateable_rows

_EXACT: Final = Context(prec=MAX_PREC)
MODELS: Final = frozenset(Model) - {Model.FLAT, Model.CAPACITY}
"""Those of one quantity."""


class _PricedLine(NamedTuple):
    """Where it stands among the lines, its price, its quantity in the meter's unit, its dimensions, and its exact amount."""

    place: int
    price: Price
    quantity: Decimal
    dimensions: Mapping[str, str]
    exact_amount: Decimal


def rated_again(
    rows: Sequence[Mapping[str, Any]], own_us: tuple[int, int], names: CatalogNames, models: frozenset[Model]
) -> dict[int, RatedLine]:
    """Of booked lines (INVOICE_LINE_ROWS as mappings) of these models, those that rule 2 lets count, by their places.

    `own_us`: the invoice's own period.
    """
    lines = _priced(rows, own_us, names, models)
    if not lines:
        return {}
    charges = _charges(lines)
    if len(unrateable := unrateable_rows(charges)):
        # Of another price than that of the line, which could be rated.
        left = np.setdiff1d(np.arange(len(lines)), unrateable)
        lines = [lines[place] for place in left.tolist()]
        charges = charges.part(left)
    found = zip(lines, rate(charges).in_full(), strict=True)
    return {line.place: rated for line, rated in found if _adds_up(rated, line.exact_amount)}


def _priced(
    rows: Sequence[Mapping[str, Any]], own_us: tuple[int, int], names: CatalogNames, models: frozenset[Model]
) -> list[_PricedLine]:
    found = []
    prices: dict[tuple[str, int, str, str], PlanPrice | None] = {}
    for place, row in enumerate(rows):
        period = (datetime_us(row["period_start"]), datetime_us(row["period_end"]))
        if not row["price_id"] or period != own_us or not row["exact_amount"]:
            continue
        version = (row["plan_id"], row["plan_version"], row["price_id"], row["currency"])
        if version not in prices:
            prices[version] = names.price(*version)
        if (of_plan := prices[version]) is None:
            continue
        price = of_plan.price
        if price.model != row["model"] or price.model not in models or price.needs_events:
            continue
        quantity = Decimal(row["quantity"] or 0)
        amount = Decimal(row["exact_amount"])
        found.append(_PricedLine(place, price, quantity, dict(row["dimensions"]), amount))
    return found


def _charges(lines: Sequence[_PricedLine]) -> Charges:
    prices = list({id(each.price): each.price for each in lines}.values())
    number_of = {id(price): number for number, price in enumerate(prices)}
    dimensions = {name for price in prices for name in price.dimensions or ()}
    return Charges(
        prices=prices,
        price_index=np.array([number_of[id(each.price)] for each in lines], dtype=np.int64),
        quantity=DecimalColumn.of([each.quantity for each in lines]),
        dimensions={
            name: Dimension.of([each.dimensions.get(name) for each in lines]) for name in sorted(dimensions)
        },
    )


def _adds_up(rated: RatedLine, exact_amount: Decimal) -> bool:
    total = Decimal(0)
    for tier in rated.tiers:
        total = _EXACT.add(total, tier.amount)
    return bool(rated.tiers) and total == exact_amount
