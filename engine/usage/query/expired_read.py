"""What a request may still be answered, and how, whose stretch of time reaches back to events that have expired.

Rules:
1. Of a customer whose events have expired, what lies before comes from rollups by hours, whole. All that rollups can't
   tell is an error, never a smaller number: another key, a bound that cuts an hour, a change that came after the rows
   were verified, a watermark before the last change of a row.
2. Whether a change came later is read from the log and the facts themselves, not from progress: upkeep passes over
   such a change without computing the slice again.
3. What lies after, and customers of whom nothing has expired, are read as ever. So is what lies after the first form of
   a customer of whom nothing has expired in today's.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import StoreUnavailableError, UsageExpiredError
from engine.times import rfc3339_us, us_datetime
from engine.usage.facts.event_source import (
    AFTER_START,
    BEFORE_END,
    OF_CUSTOMERS,
    OF_TENANT_AND_TYPE,
    parameters_of,
)
from engine.usage.facts.periods_request import Periods
from engine.usage.facts.usage_request import Measure, UsageRequest
from engine.usage.query.expiries import ExpiredKey, Expiry
from engine.usage.query.usage_pages import CUSTOMERS_AT_ONCE_MAX
from engine.usage.rollups.changes import changed_sql
from engine.usage.rollups.coverage import Coverage
from engine.usage.rollups.plan import ReadPlan, covered_customers
from engine.usage.rollups.read import can_serve, useful_customers
from engine.usage.store.query import Parameters, Query, number
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.rollup_schema import HOUR_S, ROLLUPS_TABLE
from engine.usage.store.tables.schema import stamp_sql
from engine.usage.store.usage_store import UsageStore

_HOUR_US = HOUR_S * 1_000_000
_RETRY_AFTER_MS = 30_000
_NAMED_MAX = 3
_CHANGED_MAX = 10


@dataclass(frozen=True, slots=True)
class Expired:
    """Of a customer all events before an instant, as they stood at a watermark; those before another in rows of the
    first form (engine.usage.store.tables.event_digest).
    """

    before_us: int
    verified_us: int
    first_form_us: int = 0

    @property
    def in_todays_form(self) -> bool:
        """Whether some of it is."""
        return self.before_us > self.first_form_us


Customers = Mapping[str, Expired]


def reaches_back(request: UsageRequest, known: Expiry) -> bool:
    """Whether there can be a customer of whom something has expired that the request asks for."""
    before_us = known.before_us.get(request.event_type, 0)
    return before_us > 0 and (request.carries_over or request.bounds_us[0] < before_us)


def expired_customers_query(request: UsageRequest) -> Query:
    """Of the customers of a request that reaches back those of whom something has expired that it asks for."""
    customers = [] if request.customer_ids is None else [OF_CUSTOMERS]
    return Query(
        "SELECT customer_id, toUnixTimestamp64Micro(expired_before) AS before_us, toUnixTimestamp64Micro(verified_at), "
        "toUnixTimestamp64Micro(first_form_before) "
        f"FROM {EXPIRED_CUSTOMERS_TABLE} FINAL WHERE {' AND '.join([*OF_TENANT_AND_TYPE, *customers])} "
        "AND before_us > {start_us:Int64} ORDER BY customer_id",
        parameters_of(request) | {"start_us": _start_us(request)},
    )


def read_customers(rows: Sequence[Sequence[object]]) -> Customers:
    return {str(row[0]): Expired(*map(number, row[1:])) for row in rows}


def expired_us(
    store: UsageStore, measure: Measure, periods: Periods, as_of_us: int, known: Expiry
) -> Mapping[str, int]:
    """The customers of whom something has expired that a meter asks for in these periods: before which instant."""
    if not len(periods) or not known.before_us:
        return {}
    customers = periods.subjects()[0].unique()
    asked = measure.asked(
        customers.to_pylist() if len(customers) <= CUSTOMERS_AT_ONCE_MAX else None,
        (int(periods.start_us.min()), int(periods.end_us.max())),
        as_of_us,
    )
    if not reaches_back(asked, known):
        return {}
    found = read_customers(store.query(expired_customers_query(asked)))
    return {customer_id: each.before_us for customer_id, each in found.items()}


def check_servable(request: UsageRequest, expired: Customers, key: ExpiredKey | None) -> None:
    """Raises UsageExpiredError where rows of the key can't tell what is asked."""
    if request.customer_ids is None:
        raise _error(expired, "it is kept by customer: ask for each")
    if not can_serve(request):
        raise _error(
            expired, "only the properties that the meter groups by were kept: group and filter by them"
        )
    before_us = max(each.before_us for each in expired.values())
    if key is None or key.event_type != request.event_type or key.before_us < before_us:
        raise _error(
            expired, "only what the catalog's meters made of it then was kept: ask for one of them as it is"
        )
    if key.rows_from_us > _start_us(request):
        kept = us_datetime(key.rows_from_us).date()
        raise _error(expired, f"the meter came later, and knows nothing before {kept}: ask from then on")
    for customer_id, each in expired.items():
        if any(bound % _HOUR_US and bound < each.before_us for bound in request.bounds_us):
            raise _error({customer_id: each}, "it is kept by hours: ask for whole hours in UTC")


def changes_query(request: UsageRequest, expired: Customers) -> Query:
    """Customers of whose expired stretch the rows don't say what it was at the request's watermark."""
    before = (
        "transform(customer_id, {expired_ids:Array(String)}, {expired_before_us:Array(Int64)}, toInt64(0))"
    )
    verified = "transform(customer_id, {expired_ids:Array(String)}, {verified_us:Array(Int64)}, toInt64(0))"
    starts = [] if request.carries_over else [AFTER_START]
    of_expired = "customer_id IN {expired_ids:Array(String)}"
    where = [*OF_TENANT_AND_TYPE, of_expired, BEFORE_END, *starts]
    where.append(f"toUnixTimestamp64Micro(event_time) < {before}")
    later = changed_sql("customer_id", where, after_us=verified)
    rows = [
        "tenant = {tenant:String}",
        "rollup_key IN {rollup_keys:Array(String)}",
        f"slice_s = {HOUR_S:d}",
        of_expired,
        "toUnixTimestamp(slice_start) * 1000000 < least({period_end_us:Int64}, " + before + ")",
        "toUnixTimestamp(slice_start) * 1000000 >= {start_us:Int64}",
        f"last_change > {stamp_sql('as_of_us')}",
    ]
    parameters: Parameters = parameters_of(request) | {
        "rollup_keys": [key for key in (request.rollup_key, request.first_form_key) if key is not None],
        "start_us": _start_us(request),
        "until_us": request.as_of_us,
        "expired_ids": list(expired),
        "expired_before_us": [each.before_us for each in expired.values()],
        "verified_us": [each.verified_us for each in expired.values()],
        "changed_max": _CHANGED_MAX,
    }
    changed = f"SELECT customer_id FROM ({later})"
    # No row that stands for what has expired changed after it was verified.
    if request.as_of_us < max(each.verified_us for each in expired.values()):
        changed += f" UNION ALL SELECT customer_id FROM {ROLLUPS_TABLE} WHERE {' AND '.join(rows)}"
    return Query(f"SELECT DISTINCT customer_id FROM ({changed}) LIMIT {{changed_max:UInt64}}", parameters)


def check_unchanged(request: UsageRequest, expired: Customers, rows: Sequence[Sequence[object]]) -> None:
    """Raises UsageExpiredError if `changes_query` found any."""
    if rows:
        changed = {str(customer_id): expired[str(customer_id)] for (customer_id,) in rows}
        as_of = rfc3339_us(request.as_of_us)
        why = "since it was corrected after that, or after it had been kept"
        raise _error(changed, f"what was kept of it does not say what it came to as of {as_of}, {why}")


def covered(
    request: UsageRequest, expired: Customers, coverage: Coverage, days_for_customers_min: int
) -> dict[int, Sequence[str]]:
    """The customers that come from rows of today's form, by the length of slices: those of whom something has expired
    in it by hours.
    """
    by_hours = {each: stretch for each, stretch in expired.items() if stretch.in_todays_form}
    others = {each: length_s for each, length_s in coverage.slice_s.items() if each not in by_hours}
    found = covered_customers(request, Coverage(coverage.until_us, others), days_for_customers_min)
    if by_hours:
        found[HOUR_S] = [*found.get(HOUR_S, ()), *by_hours]
    useful = useful_customers(request, found)
    if by_hours and HOUR_S not in useful:
        raise _error(by_hours, "ask for whole hours, in fewer windows")
    return useful


def checked_plan(plan: ReadPlan | None, request: UsageRequest, expired: Customers) -> ReadPlan:
    """The plan without the slices that have expired: of these `check_unchanged` says that their rows stand. With what
    comes from rows of the first form.

    Raises:
        StoreUnavailableError: rollups are too far behind.
    """
    first_form_us = {
        customer_id: stretch.first_form_us
        for customer_id, stretch in expired.items()
        if stretch.first_form_us > _start_us(request)
    }
    if plan is None:
        if not any(each.in_todays_form for each in expired.values()):
            return ReadPlan({}, {}, first_form_us)
        raise StoreUnavailableError(
            "rollups are behind, and what has expired is in them only: try again later",
            retry_after_ms=_RETRY_AFTER_MS,
        )
    stale = {
        length_s: [
            (customer_id, start_s)
            for customer_id, start_s in slices
            if customer_id not in expired or start_s * 1_000_000 >= expired[customer_id].before_us
        ]
        for length_s, slices in plan.stale.items()
    }
    return ReadPlan(plan.customer_ids, stale, first_form_us)


def events_needed(expired: Customers) -> UsageExpiredError:
    """For who asks for the events themselves."""
    return _error(expired, "it can't be read from events any more")


def _start_us(request: UsageRequest) -> int:
    return 0 if request.carries_over else request.bounds_us[0]


def _error(expired: Customers, why: str) -> UsageExpiredError:
    names = ", ".join(repr(each) for each in list(expired)[:_NAMED_MAX])
    more = f" and {len(expired) - _NAMED_MAX} more" if len(expired) > _NAMED_MAX else ""
    before = us_datetime(max(each.before_us for each in expired.values())).date()
    return UsageExpiredError(f"usage of {names}{more} before {before} has expired: {why}")
