"""From the quantity of a line to its amount, step by step. Pure.

Every number is one that rating has recorded (rating.lines.line): nothing is computed anew but the quantity between a price's
conversion and its allowance, which follows from the two.
"""

from collections.abc import Iterator

from engine.billing.explaining.explanation import LineStep
from engine.billing.line_item import LineItem
from rating import Model, RatedLine, converted


def line_steps(item: LineItem) -> Iterator[LineStep]:
    """Of a line that can't be rated its quantity alone."""
    if item.charge.billed.meter is not None or item.quantity:
        yield LineStep("metered", quantity=item.quantity)
    if item.rated is not None:
        yield from _of_quantity(item.rated)
        yield from _of_amount(item.rated)


def _of_quantity(rated: RatedLine) -> Iterator[LineStep]:
    price = rated.price
    if (by := price.conversion) is not None:
        yield LineStep("conversion", by.factor or by.divisor, quantity=converted(rated.quantity, by))
    if price.allowance:
        yield LineStep("allowance", price.allowance, quantity=rated.billable_quantity)


def _of_amount(rated: RatedLine) -> Iterator[LineStep]:
    for tier in rated.tiers if rated.price.model is not Model.FLAT else ():
        yield LineStep(
            "tier",
            tier.unit_amount,
            tier.quantity,
            tier.amount,
            from_quantity=tier.from_quantity,
            up_to=tier.up_to,
            flat_amount=tier.flat_amount,
        )
    if rated.fees is not None:
        yield LineStep("fees", rated.price.percent, rated.fees.charged_amount, rated.stages[0][1])
    for name, amount in rated.stages:
        term = None if name in ("price", "proration") else getattr(rated.price, name)
        yield LineStep(name, term, amount=amount)
    yield LineStep("rounding", amount=rated.amount)
