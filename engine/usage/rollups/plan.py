"""What rollups can do for a request: which customers come from rows, and which of their slices are stale for it.

Rules:
1. Stale is a slice to which anything happened after progress, up to the request's watermark, or anything after the
   watermark, as its row's `last_change` tells. It is read from events; all other slices are as their row says, or empty
   if there is none: what happened up to progress is in rows.
2. A request whose watermark is not before progress expects no row to have changed after it. Should one all the same,
   the read notices (engine.usage.rollups.read, rule 3).
3. For few customers, days are no help: the events of those who have them are read faster than rows and events.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.usage.facts.event_source import OF_CUSTOMERS, parameters_of, slice_conditions
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.rollups.changes import Slice, changed_sql, slice_start_sql
from engine.usage.rollups.coverage import Coverage
from engine.usage.store.query import Parameters, Query, number
from engine.usage.store.tables.rollup_schema import HOUR_S, ROLLUPS_TABLE
from engine.usage.store.tables.schema import stamp_sql

# Past this many stale slices the events themselves are read: what is bound in one statement stays some MB.
STALE_MAX = 100_000
DAYS_FOR_CUSTOMERS_MIN = 20


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """By the length of slices in seconds: the customers that come from rows, and their stale slices.

    first_form_us: customers of whom what lies before an instant comes from rows of the first form
        (engine.usage.store.tables.event_digest), and neither from others nor from events.
    """

    customer_ids: Mapping[int, Sequence[str]]
    stale: Mapping[int, Sequence[Slice]]
    first_form_us: Mapping[str, int] = field(default_factory=dict)


def covered_customers(
    request: UsageRequest, coverage: Coverage, days_for_customers_min: int = DAYS_FOR_CUSTOMERS_MIN
) -> dict[int, list[str]]:
    """The customers of a request that rows can serve, by the length of their slices. None if all are asked for."""
    found: dict[int, list[str]] = {}
    for customer_id in request.customer_ids or ():
        length_s = coverage.slice_s.get(customer_id)
        if length_s is not None:
            found.setdefault(length_s, []).append(customer_id)
    return {
        length_s: customer_ids
        for length_s, customer_ids in found.items()
        if length_s == HOUR_S or len(customer_ids) >= days_for_customers_min
    }


def stale_query(
    request: UsageRequest, covered: Mapping[int, Sequence[str]], until_us: int, *, any_facts: bool
) -> Query:
    """Rows of (customer_id, length of slices or 0 for any, start of a slice in seconds); one more than STALE_MAX means
    that there are too many.
    """
    hour = f"toUInt32({slice_start_sql(HOUR_S)})"
    where = slice_conditions(request)
    columns = f"customer_id, 0 AS length_s, {hour} AS start_s"
    at_most = "LIMIT {stale_max:UInt64}"
    sql = changed_sql(f"DISTINCT {columns}", where, facts=any_facts, end=at_most)
    later_rows = request.as_of_us < until_us
    if later_rows:
        later = f"last_change > {stamp_sql('as_of_us')}"
        sql += (
            f" UNION ALL SELECT customer_id, slice_s, toUInt32(slice_start) FROM {ROLLUPS_TABLE} "
            f"WHERE tenant = {{tenant:String}} AND rollup_key = {{rollup_key:String}} AND {OF_CUSTOMERS} AND {later}"
        )
    parameters: Parameters = parameters_of(request) | {
        "customer_ids": [each for customer_ids in covered.values() for each in customer_ids],
        "rollup_key": request.rollup_key,
        "after_us": until_us,
        "until_us": request.as_of_us,
        "stale_max": STALE_MAX + 1,
    }
    if any_facts or later_rows:
        sql = f"SELECT * FROM ({sql}) {at_most}"
    return Query(sql, parameters)


def read_plan(covered: Mapping[int, Sequence[str]], rows: Sequence[Sequence[object]]) -> ReadPlan | None:
    """The plan by the rows of `stale_query`; None where too much is stale."""
    if len(rows) > STALE_MAX:
        return None
    length_of = {each: length_s for length_s, customer_ids in covered.items() for each in customer_ids}
    stale: dict[int, set[Slice]] = {length_s: set() for length_s in covered}
    for customer, changed_s, start_s in rows:
        customer_id = str(customer)
        length_s = length_of[customer_id]
        # A row of another length is one that its customer has outgrown.
        if changed_s in (0, length_s):
            stale[length_s].add((customer_id, number(start_s) // length_s * length_s))
    return ReadPlan(covered, {length_s: sorted(slices) for length_s, slices in stale.items()})
