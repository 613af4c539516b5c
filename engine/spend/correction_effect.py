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
from typing import TypeAlias

import numpy as np

from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.billing.segments import Index, periods_of_rows
from engine.catalog.snapshots.snapshot import Catalog
from engine.spend.line_changes import LineChange, changed_lines
from engine.spend.spend import Spend, joined, sums_of
from engine.usage.corrections.correction import CorrectionPlan

# Each is rated twice; ten years of one customer are 120 months, and two instants a month do for any number of them.
_INSTANTS_MAX = 120
_ONE_US = 1
# The start and end of a billing period.
_Span: TypeAlias = tuple[int, int]
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


def _periods(catalog: Catalog, plan: CorrectionPlan, now_us: int) -> Iterator[tuple[_Span, str]]:
    """The billing periods to rate, with their customers; one for each subscription."""
    times: dict[str, set[int]] = defaultdict(set)
    owners = catalog.customers.links.owners_of({fact.event.customer_id for fact in plan.facts})
    for fact in plan.facts:
        customer = owners.get(fact.event.customer_id, fact.event.customer_id)
        times[customer].add(fact.event.event_time_us)
    columns = catalog.subscription_columns
    for customer, times_us in times.items():
        rows = columns.rows_of(customer)
        for row in range(rows.start, rows.stop):
            ordered = sorted(times_us)
            lasts = _carries_over(catalog, row)
            found = (
                _carried(catalog, row, ordered[0], now_us) if lasts else _containing(catalog, row, ordered)
            )
            yield from ((period, customer) for period in found)


def _carries_over(catalog: Catalog, row: int) -> bool:
    """Whether a meter of any plan that a subscription ever has carries over."""
    plans = catalog.subscription_columns.plans_of(row)
    versions = (each.resource for plan in plans for each in catalog.billed_plans[plan].versions)
    return any(
        price.meter is not None and catalog.meters[price.meter].resource.carries_over
        for plan in versions
        for price in plan.prices
    )


def _period(catalog: Catalog, row: int, at_us: int) -> _Span | None:
    periods = periods_of_rows(catalog, np.array([row]), at_us)
    return (int(periods.start_us[0]), int(periods.end_us[0])) if periods.exists[0] else None


def _containing(catalog: Catalog, row: int, times_us: Iterable[int]) -> Iterator[_Span]:
    end_us = 0
    for time_us in times_us:
        if time_us < end_us:
            continue
        period = _period(catalog, row, time_us)
        if period is not None:
            end_us = period[1]
            yield period


def _carried(catalog: Catalog, row: int, first_us: int, now_us: int) -> Iterator[_Span]:
    """From the period of this instant, or the first one after it, up to now."""
    columns = catalog.subscription_columns
    at_us = max(first_us, int(columns.start_us[row]))
    while at_us <= max(now_us, first_us):
        period = _period(catalog, row, at_us)
        if period is None:
            return
        yield period
        at_us = period[1]
        if at_us >= columns.end_us[row]:
            return


def _instants(periods: Iterable[tuple[_Span, str]]) -> list[tuple[int, set[str]]]:
    """The fewest instants that lie in all of these periods, each with its customers; the newest first."""
    found: list[tuple[int, set[str]]] = []
    for (start_us, end_us), customer in sorted(periods, key=lambda each: each[0][1]):
        if not found or start_us > found[-1][0]:
            found.append((end_us - _ONE_US, set()))
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
        for before, own in rater.rate_rows(at, rows):
            yield before, rater.rate(replace(at, draft_id=draft_id), own)


def _rows_not_in(seen: set[tuple[int, int]], catalog: Catalog, customers: Sequence[str], at_us: int) -> Index:
    """The subscriptions of these customers whose billing periods at an instant are new; adds them."""
    columns = catalog.subscription_columns
    found = [np.arange(rows.start, rows.stop) for rows in map(columns.rows_of, customers)]
    rows = np.concatenate(found)
    at = periods_of_rows(catalog, rows, at_us)
    periods = list(zip(rows.tolist(), at.start_us.tolist(), strict=True))
    new = [row for row, period in enumerate(periods) if at.exists[row] and period not in seen]
    seen.update(periods[row] for row in new)
    return rows[np.array(new, dtype=np.int64)]


def _unrateable(rated: Iterable[Rated]) -> list[LineItem]:
    lines: list[LineItem] = []
    for each in rated:
        lines += each.unrateable_lines(_SHOWN_MAX - len(lines))
    return lines


def _totals(ratings: Iterable[tuple[Rated, Rated]]) -> dict[str, tuple[Decimal, Decimal]]:
    sums = [
        _by_currency(joined(sums_of(each, None) for each in rated).totals())
        for rated in zip(*ratings, strict=True)
    ]
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
