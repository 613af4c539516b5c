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
from decimal import Decimal

import numpy as np

from engine.billing.charges import Index
from engine.billing.line_item import LineItem
from engine.billing.periods import Period, month_period, month_periods
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.snapshot import Catalog
from engine.spend.line_changes import LineChange, changed_lines
from engine.spend.spend import Spend, joined, spend_of
from engine.times import datetime_us, us_datetime
from engine.usage.corrections.correction import CorrectionPlan

# Each is rated twice; ten years of one customer are 120 months, and two instants a month do for any number of them.
_INSTANTS_MAX = 120
_ONE_US = 1
# What a person reads; the rest is counted, and in the totals.
_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Effect:
    """`changes`, the largest first, at most 100 of `change_count`; `totals` of all lines that were rated: currency ->
    (without, with); `unrateable`: lines without an amount, at most 100 without and with; and how many billing periods
    were left out.
    """

    changes: Sequence[LineChange]
    change_count: int
    totals: Mapping[str, tuple[Decimal, Decimal]]
    unrateable: Sequence[LineItem]
    periods_left_out: int
    catalog_revision: int


def correction_effect(rater: Rater, tenant: str, plan: CorrectionPlan, draft_id: int) -> Effect:
    """The effect of a plan whose facts are in this draft."""
    snapshot = rater.snapshot(tenant, None, plan.as_of_us)
    periods = list(_periods(snapshot.catalog, plan, snapshot.at_us))
    instants = _instants(periods)
    left_out = sum(len(names) for _, names in instants[_INSTANTS_MAX:])
    ratings = list(_rated(rater, snapshot, draft_id, instants[:_INSTANTS_MAX]))
    changes, change_count = changed_lines(ratings, _SHOWN_MAX)
    return Effect(
        changes,
        change_count,
        _totals(ratings),
        [line for both in zip(*ratings, strict=True) for line in _unrateable(both)],
        left_out,
        snapshot.catalog.revision,
    )


def _periods(catalog: Catalog, plan: CorrectionPlan, now_us: int) -> Iterator[tuple[Period, str]]:
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


def _rated(
    rater: Rater, snapshot: Snapshot, draft_id: int, instants: Iterable[tuple[int, set[str]]]
) -> Iterator[tuple[Rated, Rated]]:
    """The charges of these instants without the draft and with it, each charge once."""
    seen: set[tuple[int, int]] = set()
    for at_us, customers in instants:
        rows = _rows_not_in(seen, snapshot.catalog, sorted(customers), at_us)
        at = replace(snapshot, at_us=at_us)
        yield rater.rate(at, rows), rater.rate(replace(at, draft_id=draft_id), rows)


def _rows_not_in(seen: set[tuple[int, int]], catalog: Catalog, customers: Sequence[str], at_us: int) -> Index:
    """The subscriptions of these customers whose billing periods at an instant are new; adds them."""
    columns = catalog.subscription_columns
    found = [np.arange(rows.start, rows.stop) for rows in map(columns.rows_of, customers)]
    rows = np.concatenate(found)
    starts_us, _, exists = month_periods(columns.start_us[rows], columns.end_us[rows], at_us)
    periods = list(zip(rows.tolist(), starts_us.tolist(), strict=True))
    new = [row for row, period in enumerate(periods) if exists[row] and period not in seen]
    seen.update(periods[row] for row in new)
    return rows[np.array(new, dtype=np.int64)]


def _unrateable(rated: Iterable[Rated]) -> list[LineItem]:
    lines: list[LineItem] = []
    for each in rated:
        lines += each.unrateable_lines(_SHOWN_MAX - len(lines))
    return lines


def _totals(ratings: Iterable[tuple[Rated, Rated]]) -> dict[str, tuple[Decimal, Decimal]]:
    sums = [_by_currency(joined(map(spend_of, rated)).totals()) for rated in zip(*ratings, strict=True)]
    if not sums:
        return {}
    before, after = sums
    zero = Decimal(0)
    return {
        currency: (before.get(currency, zero), after.get(currency, zero))
        for currency in sorted({*before, *after})
    }


def _by_currency(totals: Iterable[Spend]) -> dict[str, Decimal]:
    return {each.currency: each.amount for each in totals}
