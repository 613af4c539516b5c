"""What commitments add to a subscription's billing period, the slow and obvious way: in fractions, one after another.

Terms change by phases that change commitments, or pause.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from tests.support.period_oracle import add_months, period_by_oracle
from tests.support.rating.discount_oracle import half_up


@dataclass(frozen=True)
class Held:
    """A commitment in one period: so much is committed, in minor units. term: what all periods of its term have alike."""

    committed: int
    factor: Fraction
    true_up: bool
    prices: frozenset
    term: tuple
    is_last: bool
    lasts: int = 0
    first: bool = False


def commits(catalog, subscription):
    """Whether it ever has commitments."""
    return any(each for _, _, each, _ in steps(catalog, subscription))


def steps(catalog, subscription):
    """(start, end or None, {(prices, periods, rolls over, renews): commitment}, whether paused) of a subscription's stretches."""
    plan = catalog.plans[subscription.plan].resource
    of_plan = list(plan.commitments)
    own = subscription.commitments
    found = [(subscription.start, own or of_plan, False)]
    for phase in subscription.phases:
        own = own if phase.commitments is None else phase.commitments
        found = [each for each in found if each[0] != phase.start] + [
            (phase.start, own or of_plan, bool(phase.paused))
        ]
    minimum = plan.minimum_amount
    result = []
    for number, (start, each, paused) in enumerate(found):
        end = found[number + 1][0] if number + 1 < len(found) else subscription.end
        terms = {
            (frozenset(c.prices), c.periods, c.rollover_periods > 0, c.renews is not False): (
                *(c.amount, c.overage_factor, c.true_up, str(c.early_end)),
                *(c.rollover_periods, str(c.rollover_order) == "first"),
            )
            for c in each
        }
        if each is of_plan and minimum is not None:
            terms[frozenset(), 1, False, True] = (minimum, 1, True, "full", 0, False)
        if paused:
            # Those of single periods don't hold in a pause.
            terms = {slot: each for slot, each in terms.items() if slot[1] > 1}
        result.append((start, end, terms, paused))
    return result


def counting(catalog, subscription, period):
    """{(prices, periods, rolls over, renews): [(share in seconds, terms, number of the step, end)]} of what counts in a period: what
    holds last in it, and what held last before a pause at its end.
    """
    start, end = period
    merged, unpaused = {}, {}
    for number, (since, until, all_terms, paused) in enumerate(steps(catalog, subscription)):
        first, last = max(since, start), end if until is None else min(until, end)
        if first < last:
            terms = {
                slot: each
                for slot, each in all_terms.items()
                if not over(catalog, subscription, period, number, slot)
            }
            for slot, each in terms.items():
                merged.setdefault(slot, []).append(((first, last), each, number, last))
            if terms and not paused:
                unpaused = terms
            if terms:
                latest = terms
    if not merged:
        return {}
    counts = set(latest)
    # What the last stretch outside of pauses has more, unless it is for a line that is taken.
    counts |= {slot for slot in unpaused if not any(collide(slot[0], each[0]) for each in latest)}
    return {slot: each for slot, each in merged.items() if slot in counts}


def over(catalog, subscription, period, step, slot):
    """Whether the only term of a commitment that holds in a step ended before the period."""
    if slot[3]:
        return False
    begun = steps(catalog, subscription)[run_of(catalog, subscription, step, slot)][0]
    months = month_of(subscription.start, period[0]) - month_of(subscription.start, begun)
    return months >= slot[1]


def collide(prices, others):
    """Whether some line could count toward either."""
    return bool(prices & others) or (not prices and not others)


def commitments_of(catalog, subscription, at, unit):
    """[Held] of the period that contains an instant."""
    period, whole = period_by_oracle(subscription.start, subscription.end, at)
    found = []
    for slot, stretches in counting(catalog, subscription, period).items():
        prices, periods, rolls, _ = slot
        amount, factor, true_up, early_end, lasts, comes_first = stretches[-1][1]
        if periods == 1:
            exact = sum(Fraction(each[0]) * unit * share(stretch, whole) for stretch, each, *_ in stretches)
            term = prices, period[0]
            if rolls:
                term = slot, run_of(catalog, subscription, stretches[-1][2], slot)
            held = Held(half_up(exact), Fraction(factor), true_up, prices, term, True, lasts, comes_first)
            found.append(held)
            continue
        run = run_of(catalog, subscription, stretches[-1][2], slot)
        begun = steps(catalog, subscription)[run][0]
        month = month_of(subscription.start, period[0])
        number, position = divmod(month - month_of(subscription.start, begun), periods)
        ends_early = position < periods - 1 and not goes_on(catalog, subscription, period, run, slot)
        exact = Fraction(amount) * unit
        if ends_early and early_end == "prorated":
            term = tuple(add_months(subscription.start, month - position + each) for each in (0, periods))
            exact *= share((term[0], stretches[-1][3]), term)
        found.append(
            Held(
                half_up(exact),
                Fraction(factor),
                true_up,
                prices,
                (prices, periods, run, number),
                ends_early or position == periods - 1,
            )
        )
    return found


def month_of(start: datetime, at: datetime):
    """The number of the month that contains an instant, counted from the start."""
    return next(number for number in range(1000) if add_months(start, number + 1) > at)


def share(stretch, whole):
    first, last, end = (int((each - whole[0]).total_seconds()) for each in (*stretch, whole[1]))
    return Fraction(last - first, end)


def run_of(catalog, subscription, step, slot):
    """The step with which a commitment began that holds without a break up to this one."""
    found = steps(catalog, subscription)
    while step and slot in found[step - 1][2]:
        step -= 1
    return step


def goes_on(catalog, subscription, period, run, slot):
    """Whether the same run counts in the next period."""
    if period[1] == subscription.end:
        return False
    behind = period_by_oracle(subscription.start, subscription.end, period[1])
    stretches = counting(catalog, subscription, behind[0]).get(slot)
    return stretches is not None and run_of(catalog, subscription, stretches[-1][2], slot) == run


def adjustments(commitments, spends, drawn):
    """[(overage, true-up)] of each commitment. spends: (price id, amount in minor units) of the period's lines; drawn: what was spent in
    earlier periods, by term, to which this one's spend is added.
    """
    counted = [0] * len(commitments)
    for price, amount in spends:
        naming = [place for place, each in enumerate(commitments) if price in each.prices]
        general = [place for place, each in enumerate(commitments) if not each.prices]
        for place in (naming or general)[-1:]:
            counted[place] += amount
    found = []
    for spend, held in zip(counted, commitments, strict=True):
        if held.lasts:
            found.append(rolled(held, spend, drawn.setdefault(held.term, [])))
            continue
        before = drawn.get(held.term, 0)
        drawn[held.term] = after = before + spend
        beyond = max(0, after - held.committed) - max(0, before - held.committed)
        true_up = max(0, held.committed - after) if held.true_up and held.is_last else 0
        found.append((half_up(beyond * (held.factor - 1)), true_up))
    return found


def rolled(held, spend, lots):
    """(overage, true-up) of a period that rolls over. lots: [what is left, for how many periods, whether it was charged] of the earlier
    ones, the oldest first; used, and one more put behind them.
    """
    wanted = max(0, spend if held.first else spend - held.committed)
    charged = 0
    for lot in lots:
        taken = min(lot[0], wanted)
        wanted, spend, lot[0] = wanted - taken, spend - taken, lot[0] - taken
        charged += taken if lot[2] else 0
        lot[1] -= 1
    short = max(0, held.committed - spend)
    lots[:] = [lot for lot in lots if lot[1]]
    lots.append([min(short, held.committed), held.lasts, held.true_up])
    overage = half_up(max(0, spend - held.committed) * (held.factor - 1))
    return overage, (short if held.true_up else 0) - charged
