"""What lines are made of: so many units at so much. Pure.

Rules:
1. The parts of a line come from rating its quantity at its price, as the catalog has that version of its plan.
2. They are shown only where they add up, exactly, to the line's amount before it was rounded: not of a line whose price was another
   one (a subscription's own), which is a part of a period, or a difference.
"""

from collections.abc import Sequence
from decimal import MAX_PREC, Context, Decimal
from typing import Final, NamedTuple

import numpy as np

from engine.billing.documents.document import PricedPart
from rating import Charges, DecimalColumn, Model, Price, RatedLine, rate

_EXACT: Final = Context(prec=MAX_PREC)
# Of one quantity, without terms per event or cells: these can always be rated.
_MODELS: Final = frozenset(
    {Model.PER_UNIT, Model.OVERAGE, Model.GRADUATED, Model.VOLUME, Model.STAIRSTEP, Model.PACKAGE}
)
_TIERED: Final = frozenset({Model.GRADUATED, Model.VOLUME, Model.STAIRSTEP})
_NOTHING: Final = Decimal(0)


class PricedLine(NamedTuple):
    """A line's price, its quantity in the meter's unit, and what it comes to before it is rounded."""

    price: Price
    quantity: Decimal
    exact_amount: Decimal


def is_shown(price: Price, model: str) -> bool:
    """Whether a line of this model is priced in parts that can be shown."""
    return price.model == model and price.model in _MODELS and not price.needs_events


def priced_parts(lines: Sequence[PricedLine]) -> list[tuple[PricedPart, ...]]:
    """Of each line its parts; none where rule 2 says so."""
    if not lines:
        return []
    prices = list({id(each.price): each.price for each in lines}.values())
    place = {id(price): number for number, price in enumerate(prices)}
    rated = rate(
        Charges(
            prices=prices,
            price_index=np.array([place[id(each.price)] for each in lines], dtype=np.int64),
            quantity=DecimalColumn.of([each.quantity for each in lines]),
        )
    )
    return [_parts(line, each) for line, each in zip(lines, rated.in_full(), strict=True)]


def _parts(line: PricedLine, rated: RatedLine) -> tuple[PricedPart, ...]:
    tiered = rated.price.model in _TIERED
    found = tuple(
        PricedPart(
            each.quantity,
            each.unit_amount,
            each.flat_amount,
            each.amount,
            each.from_quantity if tiered else None,
            each.up_to if tiered else None,
        )
        for each in rated.tiers
    )
    total = _NOTHING
    for each in found:
        total = _EXACT.add(total, each.amount)
    return found if found and total == line.exact_amount else ()
