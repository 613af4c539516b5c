"""The SQL of the usage store, as pure functions: text and bound parameters out.

Rules:
1. Whatever comes from a person or a producer (ids, property names, values) is a bound parameter, never text.
2. Every read sees each event once (FINAL) and only what was ingested at or before its watermark. The watermark
   is compared after the collapse of retries, which keeps the first of them (engine.usage.schema).
3. A value that is not an exact decimal of the admitted form is left out of the quantity and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.usage.schema import EVENTS_TABLE
from ingest import QUANTITY_PATTERN

Parameters = dict[str, object]

# Of the events that a read keeps, identical in any order of rows and after any merge.
_EVENT_DIGEST = (
    "lower(hex(groupBitXor(reinterpretAsUInt128(sipHash128(event_id, event_time, toString(properties))))))"
)
_VALUE = "properties[{value_property:String}]"
# More than 12 fractional digits would be cut off silently by the conversion: the pattern keeps them out.
_DECIMAL = f"if(match({_VALUE}, {{quantity_pattern:String}}), toDecimal256OrNull({_VALUE}, 12), NULL)"

_QUANTITY_OF = {
    "count": "count()",
    "sum": f"sum({_DECIMAL})",
    "min": f"min({_DECIMAL})",
    "max": f"max({_DECIMAL})",
    "unique_count": f"uniqExactIf({_VALUE}, mapContains(properties, {{value_property:String}}))",
}
_NUMERIC = frozenset({"sum", "min", "max"})
SUPPORTED_AGGREGATIONS = frozenset(_QUANTITY_OF)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement for the usage store."""

    sql: str
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRequest:
    """Which usage to aggregate. Times are microseconds since 1970; the period is half-open."""

    tenant: str
    event_type: str
    aggregation: str
    value_property: str | None
    filters: Mapping[str, Sequence[str]]
    group_by: Sequence[str]
    customer_ids: Sequence[str]
    period_start_us: int
    period_end_us: int
    as_of_us: int


def usage_query(request: UsageRequest, rows_max: int) -> Query:
    """Aggregates by customer and the group_by properties; a row has the customer, a value for each property
    (NULL where the event has none), quantity, event count, event digest and the count of unreadable values.
    """
    parameters: Parameters = {
        "tenant": request.tenant,
        "event_type": request.event_type,
        "customer_ids": list(request.customer_ids),
        "period_start_us": request.period_start_us,
        "period_end_us": request.period_end_us,
        "as_of_us": request.as_of_us,
        "rows_max": rows_max,
    }
    conditions = [
        "tenant = {tenant:String}",
        "customer_id IN {customer_ids:Array(String)}",
        "event_type = {event_type:String}",
        "event_time >= fromUnixTimestamp64Micro({period_start_us:Int64}, 'UTC')",
        "event_time < fromUnixTimestamp64Micro({period_end_us:Int64}, 'UTC')",
        "ingested_at <= fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC')",
    ]
    for i, (name, accepted) in enumerate(request.filters.items()):
        parameters |= {f"filter_{i}": name, f"accepted_{i}": list(accepted)}
        conditions.append(
            f"mapContains(properties, {{filter_{i}:String}})"
            f" AND properties[{{filter_{i}:String}}] IN {{accepted_{i}:Array(String)}}"
        )
    dimensions = []
    for i, name in enumerate(request.group_by):
        parameters[f"group_{i}"] = name
        dimensions.append(
            f"if(mapContains(properties, {{group_{i}:String}}), properties[{{group_{i}:String}}], NULL) AS dimension_{i}"
        )
    unreadable = "toUInt64(0)"
    if request.value_property is not None:
        parameters["value_property"] = request.value_property
    if request.aggregation in _NUMERIC:
        parameters["quantity_pattern"] = QUANTITY_PATTERN
        unreadable = f"countIf(mapContains(properties, {{value_property:String}}) AND isNull({_DECIMAL}))"
    keys = ["customer_id", *(f"dimension_{i}" for i in range(len(dimensions)))]
    columns = [
        "customer_id",
        *dimensions,
        f"{_QUANTITY_OF[request.aggregation]} AS quantity",
        "count() AS event_count",
        f"{_EVENT_DIGEST} AS event_digest",
        f"{unreadable} AS unreadable_event_count",
    ]
    sql = (
        f"SELECT {', '.join(columns)}\nFROM {EVENTS_TABLE} FINAL\n"
        f"WHERE {' AND '.join(conditions)}\nGROUP BY {', '.join(keys)}\nORDER BY {', '.join(keys)}"
        "\nLIMIT {rows_max:UInt64}"
    )
    return Query(sql, parameters)


def latest_stamp_query() -> Query:
    """The newest `ingested_at`, in microseconds since 1970; 0 for an empty store."""
    return Query(f"SELECT toUnixTimestamp64Micro(max(ingested_at)) FROM {EVENTS_TABLE}", {})  # noqa: S608


def recent_events_query(rows_max: int) -> Query:
    """The events ingested last, oldest of them first, to warm the hot window."""
    return Query(
        "SELECT tenant, event_id, event_type, customer_id, toUnixTimestamp64Micro(event_time),"  # noqa: S608
        f" mapKeys(properties), mapValues(properties) FROM {EVENTS_TABLE}"
        " ORDER BY ingested_at DESC LIMIT {rows_max:UInt64}",
        {"rows_max": rows_max},
    )
