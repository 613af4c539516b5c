"""What commitments add to a subscription's billing period, the slow and obvious way: in fractions, one after another.

Terms change by phases that change commitments alone, so lines are as they would be without phases.
"""

from fractions import Fraction

from tests.support.period_oracle import period_by_oracle
from tests.support.rating.discount_oracle import half_up


def commits(catalog, subscription):
    """Whether it ever has commitments."""
    return any(each for _, _, each in steps(catalog, subscription))


def steps(catalog, subscription):
    """(start, end or None, [(amount, overage factor, true_up, prices)]) of a subscription's stretches."""
    plan = catalog.plans[subscription.plan].resource
    of_plan = list(plan.commitments)
    own = subscription.commitments
    found = [(subscription.start, own or of_plan)]
    for phase in subscription.phases:
        own = own if phase.commitments is None else phase.commitments
        found = [each for each in found if each[0] != phase.start] + [(phase.start, own or of_plan)]
    minimum = plan.minimum_amount
    result = []
    for number, (start, each) in enumerate(found):
        end = found[number + 1][0] if number + 1 < len(found) else subscription.end
        terms = [(c.amount, c.overage_factor, c.true_up, frozenset(c.prices)) for c in each]
        if each is of_plan and minimum is not None:
            terms.append((minimum, 1, True, frozenset()))
        result.append((start, end, terms))
    return result


def commitments_of(catalog, subscription, at, unit):
    """[committed in minor units, factor, true_up, prices] of the period that contains an instant: those that hold last in it."""
    (start, end), (whole_start, whole_end) = period_by_oracle(subscription.start, subscription.end, at)
    merged = {}
    for since, until, terms in steps(catalog, subscription):
        first, last = max(since, start), end if until is None else min(until, end)
        if first >= last:
            continue
        share = Fraction(
            int((last - whole_start).total_seconds()) - int((first - whole_start).total_seconds()),
            int((whole_end - whole_start).total_seconds()),
        )
        for amount, factor, true_up, prices in terms:
            before = merged.get(prices, (0,))[0]
            merged[prices] = (before + Fraction(amount) * unit * share, Fraction(factor), true_up, last)
    latest = max((each[3] for each in merged.values()), default=None)
    return [
        [half_up(exact), factor, true_up, prices]
        for prices, (exact, factor, true_up, last) in merged.items()
        if last == latest
    ]


def adjustments(commitments, spends):
    """[(spend, overage, true-up)] of each commitment. spends: (price id, amount in minor units) of the period's lines."""
    counted = [0] * len(commitments)
    for price, amount in spends:
        naming = [place for place, each in enumerate(commitments) if price in each[3]]
        general = [place for place, each in enumerate(commitments) if not each[3]]
        for place in (naming or general)[-1:]:
            counted[place] += amount
    return [
        (
            spend,
            half_up(max(0, spend - committed) * (factor - 1)),
            max(0, committed - spend) if true_up else 0,
        )
        for spend, (committed, factor, true_up, _) in zip(counted, commitments, strict=True)
    ]
