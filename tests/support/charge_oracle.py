"""Line items one at a time, the slow and obvious way: what the columns of engine.billing are judged by.

It walks subscriptions, prices and groups in plain loops, works out each period by itself, rates each group alone and rounds
those of a charge together.
The rating core is judged by oracles of its own, and subscriptions that change by tests.support.history_oracle.
"""

import math
from collections import defaultdict
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal, localcontext
from fractions import Fraction
from hashlib import blake2b

import numpy as np

from engine.billing.periods import Period
from rating import (
    Charges,
    DecimalColumn,
    Dimension,
    Model,
    Part,
    PartColumns,
    RatingError,
    TierProration,
    converted,
    prorated,
    rate,
)
from tests.support.period_oracle import period_by_oracle

_MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}
NO_USAGE = (Decimal(0), 0, "0" * 32, 0, 0)


def lines_by_oracle(catalog, usage, at):
    """What each line says. `usage`: (meter, customer, start of the period) -> [(dimensions, quantity, count, digest,
    unreadable, missing)], by dimensions.
    """
    subscriptions = [each.resource for each in catalog.subscriptions.values()]
    for subscription in sorted(subscriptions, key=lambda each: (each.customer, each.id)):
        found = period_by_oracle(subscription.start, subscription.end, at)
        if found is None:
            continue
        period, whole = (Period(*each) for each in found)
        part = Part(*(int((each - whole.start).total_seconds()) for each in (*found[0], whole.end)))
        for price in catalog.plans[subscription.plan].resource.prices:
            meter = None if price.meter is None else catalog.meters[price.meter].resource
            groups = _without_usage(price.price)
            if meter is not None:
                groups = usage.get((meter.id, subscription.customer, period.start), groups)
            names = [] if meter is None else meter.group_by
            # A pause bills no flat amounts.
            paused = meter is None and any(each.paused for each in subscription.phases)
            active = _active(subscription, period, whole) if paused else [Fraction(1)]
            if not active:
                continue
            lines = []
            for found, metered, *counts in groups:
                quantity = metered if meter is None else converted(metered, meter.conversion)
                dimensions = [(name, dict(found)[name]) for name in names if name in dict(found)]
                rated = _rated(price.price, part, quantity, dimensions, is_metered=meter is not None)
                amounts = (None, None) if rated is None else (rated.amount, rated.exact_amount)
                line = {
                    "id": _id(subscription.id, price.id, dimensions, period.start),
                    "customer": subscription.customer,
                    "subscription": subscription.id,
                    "plan": subscription.plan,
                    "price": price.id,
                    "period": period,
                    "dimensions": dict(dimensions),
                    "quantity": quantity,
                    "amount": amounts[0],
                    "exact_amount": amounts[1],
                    "formula": None if rated is None else rated.formula,
                    "counts": tuple(counts),
                    "currency": price.price.currency,
                }
                lines.append(line)
            if paused:
                # What is before a pause and what is behind it are lines of their own.
                (line,) = lines
                for amount, exact in _flat(price.price, active):
                    yield {**line, "amount": amount, "exact_amount": exact}
                continue
            if not price.price.round_each_group:
                round_together([line for line in lines if line["amount"] is not None], price.price)
            yield from lines


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


def round_together(lines, price):
    """Gives the rated groups of one charge their shares of the rounded sum, and formulas that say so."""
    if len(lines) < 2:
        return
    with localcontext(Context(prec=200)):
        exact = sum((line["exact_amount"] for line in lines), Decimal(0)).normalize()
        total = exact.quantize(Decimal(1).scaleb(-price.digits), _MODES[price.rounding.mode])
        shares = shares_by_oracle([line["exact_amount"] for line in lines], total, price.digits)
        for line, share in zip(lines, shares, strict=True):
            amount = Decimal(share.numerator).scaleb(-price.digits)
            alone, _, _ = line["formula"].partition(" → ")
            line["amount"] = amount
            line["formula"] = (
                f"{alone} in {exact:f} of {len(lines)} groups → {total:f} {price.currency}; "
                f"share {amount:f} {price.currency}"
            )


def shares_by_oracle(exact, total, digits):
    """Whole units of the last digit that is kept, toward zero; then one more where the largest remainders are. In units."""
    exact = [Fraction(each) * 10**digits for each in exact]
    units = [Fraction(math.trunc(each)) for each in exact]
    missing = Fraction(total) * 10**digits - sum(units)
    step = 1 if missing > 0 else -1
    # Stable: of equal remainders the first.
    order = sorted(range(len(exact)), key=lambda place: -step * (exact[place] - units[place]))
    for place in order[: abs(int(missing))]:
        units[place] += step
    return units


def _without_usage(price):
    if price.model is not Model.MATRIX:
        return [((), *NO_USAGE)]
    return [(price.cells[0].match, *NO_USAGE)] if price.minimum_amount is not None else []


def _active(subscription, period, whole):
    """The shares of a whole period of the stretches in which a subscription isn't paused, of this one."""
    cuts = [(subscription.start, False), *((each.start, bool(each.paused)) for each in subscription.phases)]
    ends = [each for each, _ in cuts[1:]] + [period.end]
    found, goes_on = [], False
    for (start, paused), end in zip(cuts, ends, strict=True):
        seconds = int((min(end, period.end) - max(start, period.start)).total_seconds())
        if seconds > 0 and not paused:
            found.append((found.pop() if goes_on else 0) + seconds)
        goes_on = not paused and (goes_on or seconds > 0)
    return [Fraction(each, int((whole.end - whole.start).total_seconds())) for each in found]


def _flat(price, shares):
    """(amount, exact amount) of a flat amount for each of these shares of the period: rounded together, half up."""
    exact = [Fraction(price.flat_amount) * each for each in shares]
    total = Fraction(math.floor(sum(exact) * 10**price.digits + Fraction(1, 2)), 10**price.digits)
    units = shares_by_oracle(exact, total, price.digits)
    return [(Decimal(int(own)).scaleb(-price.digits), each) for own, each in zip(units, exact, strict=True)]


def _rated(price, part, quantity, dimensions, *, is_metered):
    if is_metered:
        price, part = prorated(price, part, TierProration.PRORATE), None
    names = {*dict(dimensions), *(price.dimensions or ())}
    charges = Charges(
        prices=[price],
        price_index=np.zeros(1, dtype=np.int64),
        quantity=DecimalColumn.of([quantity]),
        dimensions={name: Dimension.of([dict(dimensions).get(name)]) for name in names},
        proration=PartColumns.of([part]),
    )
    try:
        return rate(charges).line(0)
    except RatingError:
        return None


def _id(subscription_id, price_id, dimensions, start):
    key = (subscription_id, price_id, tuple(dimensions), start.isoformat())
    return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
