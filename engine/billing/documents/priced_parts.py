"""What lines are made of, for people: so many units at so much, where that adds up to the line (rated_again). Pure."""

from typing import Final

from engine.billing.documents.document_parts import PricedPart
from rating import Model, RatedLine

SHOWN_MODELS: Final = frozenset(
    {Model.PER_UNIT, Model.OVERAGE, Model.GRADUATED, Model.VOLUME, Model.STAIRSTEP, Model.PACKAGE}
)
"""Of units, not of money or cells."""
_TIERED: Final = frozenset({Model.GRADUATED, Model.VOLUME, Model.STAIRSTEP})


def priced_parts(rated: RatedLine) -> tuple[PricedPart, ...]:
    """Tier by tier."""
    tiered = rated.price.model in _TIERED
    return tuple(
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
