"""Booked lines rated again by themselves: what of them is at which price. Pure.

Rules:
1. A line's quantity is rated at its price, as the catalog has that version of its plan, and at what the subscription's own terms
   make of it, now or in a phase.
2. It counts only where its tiers add up, exactly, to the line's amount before it was rounded: not of a line which is a part of a
   period, or which has discounts or bounds of its price's own. Of two prices that come to the same, neither does: at nothing used all
   come to the same.
3. A line that corrects is a difference, and terms per event need the events: neither is rated again.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import added_up
from engine.catalog.kinds.plan import PlanPrice
from engine.times import datetime_us
from rating import Charges, DecimalColumn, Dimension, Model, Price, RatedLine, rate, unrateable_rows

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
    found: dict[int, RatedLine | None] = {}
    for line, rated in zip(lines, rate(charges).in_full(), strict=True):
        if _adds_up(rated, line.exact_amount):
            found[line.place] = None if line.place in found else rated
    return {place: rated for place, rated in found.items() if rated is not None}


def _priced(
    rows: Sequence[Mapping[str, Any]], own_us: tuple[int, int], names: CatalogNames, models: frozenset[Model]
) -> list[_PricedLine]:
    found = []
    prices: dict[tuple[str, int, str, str, str], list[Price]] = {}
    for place, row in enumerate(rows):
        period = (datetime_us(row["period_start"]), datetime_us(row["period_end"]))
        if not row["price_id"] or period != own_us or not row["exact_amount"]:
            continue
        version = (row["plan_id"], row["plan_version"], row["price_id"], row["currency"])
        on_terms = (row["subscription_id"], *version)
        if on_terms not in prices:
            prices[on_terms] = _prices(names, row["subscription_id"], names.price(*version), models)
        quantity, amount = Decimal(row["quantity"] or 0), Decimal(row["exact_amount"])
        found += [
            _PricedLine(place, each, quantity, dict(row["dimensions"]), amount)
            for each in prices[on_terms]
            if each.model == row["model"]
        ]
    return found


def _prices(
    names: CatalogNames, subscription_id: str, price: PlanPrice | None, models: frozenset[Model]
) -> list[Price]:
    """Each once."""
    found: list[Price] = []
    for each in () if price is None else (price.price, *names.own_prices(subscription_id, price)):
        if each.model in models and not each.needs_events and each not in found:
            found.append(each)
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
    return bool(rated.tiers) and added_up(tier.amount for tier in rated.tiers) == exact_amount
