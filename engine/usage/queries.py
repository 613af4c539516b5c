"""The SQL of the usage store, as pure functions: text and bound parameters out.

Rules:
1. Whatever comes from a person or a producer (ids, property names, values) is a bound parameter, never text.
2. Every read sees each event once (FINAL) and only what was ingested at or before its watermark. The watermark
   is compared after the collapse of retries, which keeps the first of them (engine.usage.schema).
3. A value that is not an exact decimal of the admitted form is left out of the quantity and counted.
4. An event that is void at the watermark takes no part in anything: not in the quantity, the count or the digest
   (engine.usage.void_sql).
5. A meter that carries over reads the events before the period as well: they are part of the quantity, hence
   of the count and the digest. A group of dimensions to which nothing happened in the period, and whose
   quantity is zero, has no usage: it has no row, or what once existed would be listed for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.usage.aggregations import (
    VALUE,
    missing_count_sql,
    not_zero_sql,
    quantity_sql,
    unreadable_count_sql,
)
from engine.usage.filters import Filters, filter_conditions
from engine.usage.properties import ALL_AS_TEXT, DECIMAL_PARAMETERS, nullable_text_sql
from engine.usage.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.void_sql import any_fact_sql, not_void_at_all_sql, source_sql
from ingest import EVENT_SCHEMA

Parameters = dict[str, object]

# Of the events that a read keeps, identical in any order of rows and after any merge.
_EVENT_DIGEST = (
    f"lower(hex(groupBitXor(reinterpretAsUInt128(sipHash128(event_id, event_time, {ALL_AS_TEXT})))))"
)
# The text of events that is read at once to warm the window; in memory it takes four times as much.
_RECENT_BYTES_MAX = 128 * 1024 * 1024
_AFTER_START = "event_time >= fromUnixTimestamp64Micro({period_start_us:Int64}, 'UTC')"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement for the usage store."""

    sql: str
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRequest:
    """Which usage to aggregate, how. Times are microseconds since 1970; the period is half-open.

    The fields of a meter mean what they mean in engine.catalog.resources.
    """

    tenant: str
    event_type: str
    aggregation: str
    value_property: str | None
    percentile: Decimal | None = None
    carries_over: bool = False
    filters: Filters
    group_by: Sequence[str]
    customer_ids: Sequence[str]
    period_start_us: int
    period_end_us: int
    as_of_us: int
    # False only where it is known that nothing about the tenant's events had been voided by `as_of_us`
    # (`any_void_query`): then the read is as fast as if there were no voids in the world.
    leave_out_voids: bool = True
    # With the facts of this draft (engine.usage.corrections), as if they were recorded.
    draft_id: int | None = None


def usage_query(request: UsageRequest, rows_max: int) -> Query:
    """Aggregates by customer and the group_by properties; a row has the customer, a value for each property
    (NULL where the event has none), quantity, event count, event digest, and the counts of unreadable and of
    missing values.

    The quantity is for `engine.usage.aggregations.exact_quantity` to read.
    """
    parameters = _parameters(request, rows_max)
    slice_conditions = [
        "tenant = {tenant:String}",
        "customer_id IN {customer_ids:Array(String)}",
        "event_type = {event_type:String}",
        "event_time < fromUnixTimestamp64Micro({period_end_us:Int64}, 'UTC')",
    ]
    if not request.carries_over:
        slice_conditions.append(_AFTER_START)
    source = source_sql(slice_conditions, facts=request.leave_out_voids, draft=request.draft_id is not None)
    if request.draft_id is not None:
        parameters["draft_id"] = request.draft_id
    conditions = filter_conditions(request.filters, parameters) or ["1"]
    dimensions = []
    for i, name in enumerate(request.group_by):
        parameters[f"group_{i}"] = name
        dimensions.append(f"{nullable_text_sql(f'group_{i}')} AS dimension_{i}")
    keys = ["customer_id", *(f"dimension_{i}" for i in range(len(dimensions)))]
    columns = [
        "customer_id",
        *dimensions,
        f"{quantity_sql(request.aggregation)} AS quantity",
        "count() AS event_count",
        f"{_EVENT_DIGEST} AS event_digest",
        f"{unreadable_count_sql(request.aggregation)} AS unreadable_event_count",
        f"{missing_count_sql(request.value_property)} AS missing_value_event_count",
    ]
    having = ""
    if request.carries_over and request.group_by:
        not_zero = not_zero_sql(request.aggregation, "quantity")
        having = f"HAVING {not_zero} OR unreadable_event_count > 0 OR countIf({_AFTER_START}) > 0\n"
    sql = (
        f"SELECT {', '.join(columns)}\nFROM {source}\n"
        f"WHERE {' AND '.join(conditions)}\nGROUP BY {', '.join(keys)}\n{having}ORDER BY {', '.join(keys)}"
        "\nLIMIT {rows_max:UInt64}"
    )
    return Query(sql, parameters)


def _parameters(request: UsageRequest, rows_max: int) -> Parameters:
    parameters: Parameters = {
        "tenant": request.tenant,
        "event_type": request.event_type,
        "customer_ids": list(request.customer_ids),
        "period_start_us": request.period_start_us,
        "period_end_us": request.period_end_us,
        "as_of_us": request.as_of_us,
        "rows_max": rows_max,
    }
    if request.value_property is not None:
        parameters |= {VALUE: request.value_property, **DECIMAL_PARAMETERS}
    if request.percentile is not None:
        parameters["percentile_thousandths"] = int(request.percentile * 1000)
    return parameters


def any_void_query(tenant: str, as_of_us: int) -> Query:
    """One row if anything about the tenant's events was voided or restored by then, none otherwise."""
    return Query(any_fact_sql(), {"tenant": tenant, "as_of_us": as_of_us})


def latest_stamp_query() -> Query:
    """The newest stamp of an event or a void, in microseconds since 1970; 0 for an empty store."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(greatest((SELECT max(ingested_at) FROM {EVENTS_TABLE}), "  # noqa: S608
        f"(SELECT max(recorded_at) FROM {VOIDS_TABLE})))",
        {},
    )


def recent_events_query(rows_max: int, bytes_max: int = _RECENT_BYTES_MAX) -> Query:
    """The events ingested last, oldest of them first, to warm the hot window.

    All events of the newest stamps that together reach `rows_max` events, and fewer where they have more than
    `bytes_max`, without those that are void. Only the column of stamps is read as a whole.
    """
    columns = ", ".join(EVENT_SCHEMA.names)
    newest = f"SELECT ingested_at FROM {EVENTS_TABLE} ORDER BY ingested_at DESC LIMIT {{rows_max:UInt64}}"  # noqa: S608
    weighed = (
        f"SELECT ingested_at, sum(sum(byteSize({columns}))) OVER (ORDER BY ingested_at DESC) AS bytes"  # noqa: S608
        f" FROM {EVENTS_TABLE} WHERE ingested_at >= (SELECT minOrNull(ingested_at) FROM ({newest}))"
        " GROUP BY ingested_at"
    )
    first = f"SELECT minOrNull(ingested_at) FROM ({weighed}) WHERE bytes <= {{bytes_max:UInt64}}"  # noqa: S608
    return Query(
        f"SELECT {columns} FROM {EVENTS_TABLE} WHERE ingested_at >= ({first}) AND {not_void_at_all_sql()}"  # noqa: S608
        " ORDER BY ingested_at",
        {"rows_max": rows_max, "bytes_max": bytes_max},
    )
