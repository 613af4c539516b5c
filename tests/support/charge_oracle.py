"""Line items one at a time, the slow and obvious way: what the columns of engine.billing are judged by.

It walks subscriptions, prices and groups in plain loops, works out each period by itself and rates each group alone.
The rating core is judged by oracles of its own.
"""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b

import numpy as np

from engine.billing.periods import month_period
from rating import Charges, DecimalColumn, Dimension, Model, RatingError, converted, rate

NO_USAGE = (Decimal(0), 0, "0" * 32, 0, 0)


def lines_by_oracle(catalog, usage, at):
    """What each line says. `usage`: (meter, customer, start of the period) -> [(dimensions, quantity, count, digest,
    unreadable, missing)], by dimensions.
    """
    subscriptions = [each.resource for each in catalog.subscriptions.values()]
    for subscription in sorted(subscriptions, key=lambda each: (each.customer, each.id)):
        period = month_period(subscription.start, subscription.end, at)
        if period is None:
            continue
        for price in catalog.plans[subscription.plan].resource.prices:
            meter = None if price.meter is None else catalog.meters[price.meter].resource
            groups = _without_usage(price.price)
            if meter is not None:
                groups = usage.get((meter.id, subscription.customer, period.start), groups)
            names = [] if meter is None else meter.group_by
            for found, metered, *counts in groups:
                quantity = metered if meter is None else converted(metered, meter.conversion)
                dimensions = [(name, dict(found)[name]) for name in names if name in dict(found)]
                rated = _rated(price.price, quantity, dimensions)
                yield {
                    "id": _id(subscription.id, price.id, dimensions, period.start),
                    "customer": subscription.customer,
                    "subscription": subscription.id,
                    "price": price.id,
                    "period": period,
                    "dimensions": dict(dimensions),
                    "quantity": quantity,
                    "amount": None if rated is None else rated.amount,
                    "exact_amount": None if rated is None else rated.exact_amount,
                    "formula": None if rated is None else rated.formula,
                    "counts": tuple(counts),
                    "currency": price.price.currency,
                }


def sums_by_oracle(lines):
    """(customer, currency) -> (amount, lines, events, whether some line has no amount)."""
    sums = defaultdict(lambda: (Fraction(0), 0, 0, False))
    for line in lines:
        amount, count, events, incomplete = sums[line["customer"], line["currency"]]
        if line["amount"] is None:
            sums[line["customer"], line["currency"]] = (amount, count, events, True)
        else:
            more = (amount + Fraction(line["amount"]), count + 1, events + line["counts"][0], incomplete)
            sums[line["customer"], line["currency"]] = more
    return dict(sums)


def _without_usage(price):
    if price.model is not Model.MATRIX:
        return [((), *NO_USAGE)]
    return [(price.cells[0].match, *NO_USAGE)] if price.minimum_amount is not None else []


def _rated(price, quantity, dimensions):
    names = {*dict(dimensions), *(price.dimensions or ())}
    charges = Charges(
        prices=[price],
        price_index=np.zeros(1, dtype=np.int64),
        quantity=DecimalColumn.of([quantity]),
        dimensions={name: Dimension.of([dict(dimensions).get(name)]) for name in names},
    )
    try:
        return rate(charges).line(0)
    except RatingError:
        return None


def _id(subscription_id, price_id, dimensions, start):
    key = (subscription_id, price_id, tuple(dimensions), start.isoformat())
    return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
