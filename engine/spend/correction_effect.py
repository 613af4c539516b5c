"""What a correction would change: line items and sums without it and with it, rated by the one rating path.

Rules:
1. Both are rated at one watermark and one catalog revision; with the correction means with its draft.
2. Rated are the billing periods in which one of its events lies, where it was and where it would be, and for a
   subscription with a meter that carries over those after it, up to now.
3. A line is rated once, however many of its events are corrected: one instant is rated for all periods that
   contain it, as few instants as will do.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, Inexact, InvalidOperation

from engine.billing.line_item import LineItem
from engine.billing.periods import Period, month_period
from engine.billing.rater import Rater, Snapshot
from engine.catalog.resources import Subscription
from engine.catalog.snapshot import Catalog
from engine.spend.spend import spend_totals
from engine.times import datetime_us, us_datetime
from engine.usage.corrections.correction import Plan

# Each is rated twice; ten years of one customer are 120 months, and two instants a month do for any number of them.
_INSTANTS_MAX = 120
_ONE_US = 1
# Amounts and quantities of lines; their differences are exact or raise.
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line without the correction and with it; None where there is none."""

    before: LineItem | None
    after: LineItem | None

    @property
    def line(self) -> LineItem:
        """Whichever there is."""
        line = self.before or self.after
        if line is None:
            raise ValueError("a change without a line")
        return line

    @property
    def order(self) -> tuple[Decimal, Decimal, str, str]:
        """The largest change first."""
        amounts = [each.rated.amount if each else Decimal(0) for each in (self.before, self.after)]
        quantities = [each.rated.quantity if each else Decimal(0) for each in (self.before, self.after)]
        line = self.line
        return (
            -abs(_EXACT.subtract(*amounts)),
            -abs(_EXACT.subtract(*quantities)),
            line.charge.subscription.customer,
            line.line_item_id,
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """`changes`, the largest first; `totals` of all lines that were rated: currency -> (without, with);
    `unrateable`: customer -> why; and how many billing periods were left out.
    """

    changes: Sequence[LineChange]
    totals: Mapping[str, tuple[Decimal, Decimal]]
    unrateable: Mapping[str, str]
    periods_left_out: int
    catalog_revision: int


def correction_effect(rater: Rater, tenant: str, plan: Plan, draft_id: int) -> Effect:
    """The effect of a plan whose facts are in this draft."""
    snapshot = rater.snapshot(tenant, None, plan.as_of_us)
    periods = list(_periods(snapshot.catalog, plan, snapshot.at_us))
    instants = _instants(periods)
    left_out = sum(len(names) for _, names in instants[_INSTANTS_MAX:])
    instants = instants[:_INSTANTS_MAX]
    before, unrateable = _lines(rater, tenant, snapshot, instants)
    after, unrateable_after = _lines(rater, tenant, replace(snapshot, draft_id=draft_id), instants)
    changes = [LineChange(before.get(line_id), after.get(line_id)) for line_id in {**before, **after}]
    return Effect(
        sorted((each for each in changes if _differs(each)), key=lambda each: each.order),
        _totals(before.values(), after.values()),
        unrateable | unrateable_after,
        left_out,
        snapshot.catalog.revision,
    )


def _periods(catalog: Catalog, plan: Plan, now_us: int) -> Iterator[tuple[Period, str]]:
    """The billing periods to rate, with their customers; one for each subscription."""
    times: dict[str, set[int]] = defaultdict(set)
    for fact in plan.facts:
        times[fact.event.customer_id].add(fact.event.event_time_us)
    for subscription in (each.resource for customer in times for each in catalog.subscriptions_of(customer)):
        lasts = any(
            price.meter is not None and catalog.meters[price.meter].resource.carries_over
            for price in catalog.plans[subscription.plan].resource.prices
        )
        ordered = sorted(times[subscription.customer])
        found = _carried(subscription, ordered[0], now_us) if lasts else _containing(subscription, ordered)
        yield from ((period, subscription.customer) for period in found)


def _containing(subscription: Subscription, times_us: Iterable[int]) -> Iterator[Period]:
    end_us = 0
    for time_us in times_us:
        if time_us < end_us:
            continue
        period = month_period(subscription.start, subscription.end, us_datetime(time_us))
        if period is not None:
            end_us = datetime_us(period.end)
            yield period


def _carried(subscription: Subscription, first_us: int, now_us: int) -> Iterator[Period]:
    """From the period of this instant, or the first one after it, up to now."""
    at_us = max(first_us, datetime_us(subscription.start))
    while at_us <= max(now_us, first_us):
        period = month_period(subscription.start, subscription.end, us_datetime(at_us))
        if period is None:
            return
        yield period
        at_us = datetime_us(period.end)
        if subscription.end is not None and period.end >= subscription.end:
            return


def _instants(periods: Iterable[tuple[Period, str]]) -> list[tuple[int, set[str]]]:
    """The fewest instants that lie in all of these periods, each with its customers; the newest first."""
    found: list[tuple[int, set[str]]] = []
    for period, customer in sorted(periods, key=lambda each: each[0].end):
        if not found or datetime_us(period.start) > found[-1][0]:
            found.append((datetime_us(period.end) - _ONE_US, set()))
        found[-1][1].add(customer)
    return found[::-1]


def _lines(
    rater: Rater, tenant: str, snapshot: Snapshot, instants: Iterable[tuple[int, set[str]]]
) -> tuple[dict[str, LineItem], dict[str, str]]:
    lines: dict[str, LineItem] = {}
    unrateable: dict[str, str] = {}
    for at_us, customers in instants:
        rated = rater.rate(tenant, replace(snapshot, at_us=at_us), sorted(customers))
        lines |= {item.line_item_id: item for item in rated.line_items}
        unrateable |= rated.unrateable
    return lines, unrateable


def _differs(change: LineChange) -> bool:
    before, after = change.before, change.after
    if before is None or after is None:
        # A metered price without usage has a line too, which says nothing.
        return change.line.event_count > 0 or bool(change.line.rated.amount)
    return (before.event_digest, before.event_count, before.rated.amount, before.rated.quantity) != (
        after.event_digest,
        after.event_count,
        after.rated.amount,
        after.rated.quantity,
    )


def _totals(before: Iterable[LineItem], after: Iterable[LineItem]) -> dict[str, tuple[Decimal, Decimal]]:
    sums = [{each.currency: each.amount for each in spend_totals(lines)} for lines in (before, after)]
    zero = Decimal(0)
    currencies = sorted({*sums[0], *sums[1]})
    return {currency: (sums[0].get(currency, zero), sums[1].get(currency, zero)) for currency in currencies}
