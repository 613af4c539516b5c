"""What plans take off lines, the slow and obvious way: one subscription's period after another, in fractions."""

from collections import defaultdict
from fractions import Fraction

from tests.support.period_oracle import period_by_oracle
from tests.support.rating.discount_oracle import half_up, largest_remainders


def discounted_by_plans(catalog, lines, amounts, unit):
    """What plans leave of the amounts of an invoice's lines, in minor units."""
    left, rows = list(amounts), defaultdict(list)
    for row, line in enumerate(lines):
        rows[line["subscription"]].append(row)
    for subscription_id, own in rows.items():
        subscription = catalog.subscriptions[subscription_id].resource
        plan = catalog.plans[subscription.plan].resource
        share = share_of(subscription, lines[own[0]]["period"].start)
        for off in (percent, amount, by_spend):
            positive = [row for row in own if left[row] > 0]
            spend = sum(left[row] for row in positive)
            taken = min(spend, half_up(off(plan, spend, share, unit)))
            if not taken:
                continue
            exact = [Fraction(taken * left[row], spend) for row in positive]
            for row, part in zip(positive, largest_remainders(exact, taken), strict=True):
                left[row] -= part
    return left


def share_of(subscription, at):
    """The part of its whole period that the subscription's period is."""
    cut, whole = period_by_oracle(subscription.start, subscription.end, at)
    seconds = [int((end - start).total_seconds()) for start, end in (cut, whole)]
    return Fraction(*seconds)


def percent(plan, spend, _share, _unit):
    return spend * Fraction(plan.percent_off or 0) / 100


def amount(plan, _spend, share, unit):
    return Fraction(plan.amount_off or 0) * unit * share


def by_spend(plan, spend, share, unit):
    discount = plan.spend_discount
    if discount is None:
        return Fraction(0)
    off = below = Fraction(0)
    for tier in discount.tiers:
        end = spend if tier.up_to is None else Fraction(tier.up_to) * unit * share
        rate = Fraction(tier.percent_off) / 100
        if discount.mode == "volume" and spend <= end:
            return spend * rate
        if discount.mode == "graduated":
            off += max(0, min(spend, end) - below) * rate
            below = min(spend, end)
    return off


def takes_off(plan):
    return plan.percent_off is not None or plan.amount_off is not None or plan.spend_discount is not None
