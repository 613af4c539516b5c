"""The SQL that computes slices, and that says which customers are worth it.

Rules:
1. Slices are computed inside ClickHouse from the deduplicated log, as of a watermark: no incremental view, which would
   count a retry twice.
2. A slice whose events are all void has a row without groups, that stands before the one it had.
3. How much is computed at once is bounded by the caller, by customers.
4. A few changes are fetched, and bound as values in what they lead to: looking for them again in every part of every
   statement would cost more than computing the slices. Many are found again where they are needed, in place.
5. A slice whose events have expired is never computed again: its row is all there is
   (engine.usage.store.tables.retention_schema).
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence
from dataclasses import dataclass

from engine.times import us_datetime
from engine.usage.facts.event_source import OF_TENANT_AND_TYPE, dimension_names, events_sql
from engine.usage.facts.usage_request import Measure
from engine.usage.rollups.changes import Slice, bound_slices_sql, changed_sql, slice_start_sql
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.partials import EVENT_COUNT, named, partials_of, reduced_sql
from engine.usage.store.tables.retention_schema import not_expired_sql
from engine.usage.store.tables.rollup_schema import (
    DAY_S,
    GROUP_DIMENSIONS,
    HOUR_S,
    ROLLUP_CUSTOMERS_TABLE,
    ROLLUP_PROGRESS_TABLE,
    ROLLUPS_TABLE,
    groups_column,
)
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, ingested_by_sql, stamp_sql
from engine.usage.store.tables.void_sql import any_fact_sql

_SECOND_US = 1_000_000
_SLICE_US = f"toInt64(toUnixTimestamp(slice_start)) * {_SECOND_US}"
_OF_KEY = "tenant = {tenant:String} AND rollup_key = {rollup_key:String}"
_COVERED = f"SELECT customer_id FROM {ROLLUP_CUSTOMERS_TABLE} WHERE {_OF_KEY} GROUP BY customer_id HAVING min(slice_s) = "


@dataclass(frozen=True, slots=True)
class Worth:
    """When a customer is worth covering: by the events of one of its months, and how many a slice of it has.

    A row takes about as much room as two events, and is read about as fast.
    """

    hour_events_min: int = 8
    hour_month_events_min: int = 1_000
    day_events_min: int = 4
    day_month_events_min: int = 60


WORTH = Worth()
# Bound as text in one statement: well below the 128 KiB that ClickHouse takes of one parameter.
FEW_CHANGES_MAX = 500


@dataclass(frozen=True, slots=True)
class RollupPass:
    """A meter's slices are computed as of a watermark: it takes in what happened after `after_us`. any_facts: see
    engine.usage.facts.event_source.
    """

    measure: Measure
    as_of_us: int
    after_us: int = 0
    any_facts: bool = True

    def parameters(self) -> Parameters:
        return _key(self.measure) | {
            "event_type": self.measure.event_type,
            "after_us": self.after_us,
            "until_us": self.as_of_us,
            "as_of_us": self.as_of_us,
        }


def progress_query(measure: Measure, as_of_us: int) -> Query:
    """Up to which stamp everything is in rows, 0 at first; and whether any fact about the tenant's events is recorded."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(max(rolled_up_until)), (SELECT count() FROM ({any_fact_sql()})) "
        f"FROM {ROLLUP_PROGRESS_TABLE} WHERE {_OF_KEY}",
        _key(measure) | {"as_of_us": as_of_us},
    )


def keep_progress_statement(measure: Measure, until_us: int) -> Query:
    return Query(
        f"INSERT INTO {ROLLUP_PROGRESS_TABLE} (tenant, rollup_key, rolled_up_until) "
        f"SELECT {{tenant:String}}, {{rollup_key:String}}, {stamp_sql('until_us')}",
        _key(measure) | {"until_us": until_us},
    )


def changes_query(under_way: RollupPass) -> Query:
    """The hours that changed up to `as_of_us`, of all customers: rows of (customer_id, start in seconds since 1970); one
    more than FEW_CHANGES_MAX means that there are too many.
    """
    start = f"toInt64(toUnixTimestamp({slice_start_sql(HOUR_S)}))"
    columns = f"DISTINCT customer_id, {start} AS start_s"
    changed = changed_sql(columns, OF_TENANT_AND_TYPE, facts=under_way.any_facts)
    return Query(
        f"SELECT DISTINCT * FROM ({changed}) LIMIT {{changes_max:UInt64}}",
        under_way.parameters() | {"changes_max": FEW_CHANGES_MAX + 1},
    )


def lengths_query(measure: Measure, customer_ids: Sequence[str]) -> Query:
    """The length of their slices, of these customers those that are covered: rows of (customer_id, seconds)."""
    return Query(
        f"SELECT customer_id, min(slice_s) FROM {ROLLUP_CUSTOMERS_TABLE} WHERE {_OF_KEY} "
        "AND customer_id IN {customers:Array(String)} GROUP BY customer_id",
        _key(measure) | {"customers": list(customer_ids)},
    )


def changed_customers_query(under_way: RollupPass, slice_s: int) -> Query:
    """The covered customers with slices of this length that changed up to `as_of_us`, and how many did."""
    start = slice_start_sql(slice_s)
    where = [*OF_TENANT_AND_TYPE, f"customer_id IN ({_COVERED}{slice_s:d})"]
    changed = changed_sql(f"customer_id, {start} AS slice_start", where)
    return Query(
        f"SELECT customer_id, uniqExact(slice_start) FROM ({changed}) GROUP BY customer_id ORDER BY customer_id",
        under_way.parameters(),
    )


def new_customers_query(under_way: RollupPass, worth: Worth, changes: Sequence[Slice] | None = None) -> Query:
    """Customers that have come to be worth covering in slices of a length: rows of customer_id, length, and the events
    of the month that says so.

    Looks at the months in which something was ingested, of customers that aren't covered by hours: those of `changes`,
    or (None) all that changed.
    """
    of_type = " AND ".join(OF_TENANT_AND_TYPE)
    by_hours = f"{_COVERED}{HOUR_S:d}"
    changed = changed_sql(
        "customer_id, toYYYYMM(event_time) AS month",
        [*OF_TENANT_AND_TYPE, f"customer_id NOT IN ({by_hours})"],
        facts=False,
    )
    by_hour = f"events >= {worth.hour_month_events_min:d} AND events >= {worth.hour_events_min:d} * hours"
    by_day = f"events >= {worth.day_month_events_min:d} AND events >= {worth.day_events_min:d} * days"
    parameters = under_way.parameters()
    of_changed = (
        f"customer_id IN (SELECT customer_id FROM ({changed})) "
        f"AND toYYYYMM(event_time) IN (SELECT month FROM ({changed}))"
    )
    if changes is not None:
        of_changed = (
            "customer_id IN {customers:Array(String)} AND toYYYYMM(event_time) IN {months:Array(UInt32)}"
        )
        parameters["customers"] = sorted({customer_id for customer_id, _ in changes})
        parameters["months"] = sorted({_month(start_s) for _, start_s in changes})
    months = (
        f"SELECT customer_id, toYYYYMM(event_time) AS month, count() AS events, uniqExact(toStartOfHour(event_time)) AS hours, "
        f"uniqExact(toStartOfDay(event_time)) AS days FROM {EVENTS_TABLE} WHERE {of_type} "
        f"AND {of_changed} AND {ingested_by_sql('{until_us:Int64}')} GROUP BY customer_id, month"
    )
    return Query(
        f"SELECT customer_id, multiIf({by_hour}, {HOUR_S:d}, {by_day}, {DAY_S:d}, 0) AS slice_length_s, events FROM ({months}) WHERE slice_length_s > 0 "
        f"AND (customer_id, slice_length_s) NOT IN (SELECT customer_id, slice_s FROM {ROLLUP_CUSTOMERS_TABLE} "
        f"WHERE {_OF_KEY}) "
        "ORDER BY customer_id, slice_length_s, events DESC LIMIT 1 BY customer_id",
        parameters,
    )


def cover_statement(measure: Measure, slice_s: int, customer_ids: Sequence[str]) -> Query:
    """Says that these customers are covered by slices of this length."""
    return Query(
        f"INSERT INTO {ROLLUP_CUSTOMERS_TABLE} (tenant, rollup_key, customer_id, slice_s) "
        f"SELECT {{tenant:String}}, {{rollup_key:String}}, arrayJoin({{customers:Array(String)}}), {slice_s:d}",
        _key(measure) | {"customers": list(customer_ids)},
    )


def roll_up_statement(
    under_way: RollupPass,
    slice_s: int,
    customer_ids: Sequence[str],
    slices: Sequence[Slice] | None = None,
    *,
    changed: bool = False,
    whatever_stands: bool = False,
) -> Query:
    """Computes slices of these customers as of `as_of_us`: these, those that `changed` after a stamp, or all.

    whatever_stands: also slices of which nothing but their row is left.
    """
    measure = under_way.measure
    start = slice_start_sql(slice_s)
    parameters = under_way.parameters() | {"customers": list(customer_ids)}
    stretch = [*OF_TENANT_AND_TYPE, "customer_id IN {customers:Array(String)}", not_expired_sql()]
    if slices is not None:
        first_s, last_s = min(start_s for _, start_s in slices), max(start_s for _, start_s in slices)
        parameters |= {"first_us": first_s * _SECOND_US, "end_us": (last_s + slice_s) * _SECOND_US}
        stretch += [f"event_time >= {stamp_sql('first_us')}", f"event_time < {stamp_sql('end_us')}"]
        stretch.append(f"(customer_id, {start}) IN {bound_slices_sql(slices, parameters, 'changed')}")
    elif changed:
        stretch.append(f"(customer_id, {start}) IN ({changed_sql(f'customer_id, {start}', stretch)})")
    partials = partials_of(measure.aggregation)
    events = events_sql(measure, parameters, stretch, any_facts=under_way.any_facts)
    dimensions = dimension_names(measure)
    keys = ", ".join(["customer_id", "slice_start", *dimensions])
    groups = ", ".join(
        [
            f"customer_id, {start} AS slice_start, max(ingested_at) AS changed_at",
            f"[{', '.join(dimensions)}]::Array(Nullable(String)) AS dimensions",
            *named(reduced_sql(measure.aggregation)),
        ]
    )
    sources = f"SELECT {groups} FROM ({events}) GROUP BY {keys}"
    if under_way.any_facts:
        sources += f" UNION ALL {_facts_sql(measure, start, stretch)}"
    if whatever_stands:
        sources += f" UNION ALL {_standing_sql(measure, slice_s)}"
    arrays = [_groups_sql(name) for name in ("dimensions", *(each.name for each in partials))]
    columns = ["tenant", "rollup_key", "slice_s", "customer_id", "slice_start", "rolled_up_at", "last_change"]
    columns += [GROUP_DIMENSIONS, *(groups_column(each.name) for each in partials)]
    return Query(
        f"INSERT INTO {ROLLUPS_TABLE} ({', '.join(columns)}) "
        f"SELECT {{tenant:String}}, {{rollup_key:String}}, {slice_s:d}, customer_id, slice_start, "
        f"{stamp_sql('as_of_us')}, max(changed_at), {', '.join(arrays)} "
        f"FROM ({sources}) GROUP BY customer_id, slice_start",
        parameters,
    )


def _facts_sql(measure: Measure, start: str, stretch: Sequence[str]) -> str:
    """A row without a group for each slice in which anything was voided or restored: rule 2."""
    return (
        f"SELECT customer_id, {start} AS slice_start, max(recorded_at) AS changed_at, "
        f"{_no_group_sql(measure)} FROM {VOIDS_TABLE} "
        f"WHERE {' AND '.join(stretch)} AND recorded_at <= {stamp_sql('as_of_us')} GROUP BY customer_id, slice_start"
    )


def _standing_sql(measure: Measure, slice_s: int) -> str:
    """A row without a group for each row that stands, so that one whose events are gone stands no longer."""
    return (
        f"SELECT customer_id, slice_start, last_change AS changed_at, {_no_group_sql(measure)} "
        f"FROM {ROLLUPS_TABLE} FINAL WHERE {_OF_KEY} AND slice_s = {slice_s:d} "
        # What has expired has nothing else left, and stands.
        f"AND customer_id IN {{customers:Array(String)}} AND {not_expired_sql(_SLICE_US)}"
    )


def _no_group_sql(measure: Measure) -> str:
    nothing = (
        f"defaultValueOfTypeName('{_escaped(each.type)}') AS {each.name}"
        for each in partials_of(measure.aggregation)
    )
    return ", ".join(["[]::Array(Nullable(String)) AS dimensions", *nothing])


def _month(start_s: int) -> int:
    """As toYYYYMM has it."""
    day = us_datetime(start_s * _SECOND_US)
    return day.year * 100 + day.month


def _groups_sql(column: str) -> str:
    """The array of a column of groups. A row of facts has no event, and makes no group."""
    # In tuples: groupArray passes over NULL, and then a group's place would be another in this array.
    return f"arrayMap(each -> each.1, groupArrayIf(tuple({column}), {EVENT_COUNT.name} > 0))"


def _escaped(type_name: str) -> str:
    return type_name.replace("'", "\\'")


def _key(measure: Measure) -> Parameters:
    return {"tenant": measure.tenant, "rollup_key": measure.rollup_key}
