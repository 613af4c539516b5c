"""The SQL that selects the events of a request, each once, as the columns that partials are reduced from.

Rules:
1. Whatever comes from a person or a producer (ids, property names, values) is a bound parameter, never text.
2. Every read sees each event once and only what was ingested at or before its watermark, without what is void by
   then and with what replaces it (engine.usage.store.tables.void_sql).
3. Which stretch of the sorting key is read is the caller's to say, by conditions on its columns only.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from engine.meters.value import MeterValue
from engine.usage.facts.aggregations import BEFORE
from engine.usage.facts.filter_sql import filter_conditions
from engine.usage.facts.usage_request import Measure, UsageRequest
from engine.usage.facts.value_sql import value_sql
from engine.usage.store.query import Parameters
from engine.usage.store.tables.event_digest import EVENT_HASH_SQL
from engine.usage.store.tables.partials import (
    EVENT_HASH,
    VALUE,
    Reduction,
    reduced_sql,
)
from engine.usage.store.tables.properties import exists_sql, nullable_text_sql, text_sql
from engine.usage.store.tables.schema import stamp_sql
from engine.usage.store.tables.void_sql import log_sql, source_sql

# What fixes tenant and event type, which every condition of a request begins with.
OF_TENANT = "tenant = {tenant:String}"
OF_TENANT_AND_TYPE = (OF_TENANT, "event_type = {event_type:String}")
OF_CUSTOMERS = "customer_id IN {customer_ids:Array(String)}"
BEFORE_END = f"event_time < {stamp_sql('period_end_us')}"
AFTER_START = f"event_time >= {stamp_sql('period_start_us')}"
# From their distances, each with how often it comes in a row: 10,000 bounds are more than the 128 KiB of text that a
# server takes.
_BOUNDS = (
    "arrayCumSum(arrayFlatten(arrayMap((distance, repeats) -> arrayWithConstant(repeats, distance), "
    "{bound_distances_us:Array(Int64)}, {bound_repeats:Array(UInt32)})))"
)


def parameters_of(request: UsageRequest) -> Parameters:
    """What every statement of a request binds; `events_sql` adds what it needs besides."""
    distances_us = (after - before for before, after in pairwise((0, *request.bounds_us)))
    runs = [(distance_us, len(list(run))) for distance_us, run in groupby(distances_us)]
    parameters: Parameters = {
        "tenant": request.tenant,
        "event_type": request.event_type,
        "period_start_us": request.bounds_us[0],
        "period_end_us": request.bounds_us[-1],
        "bound_distances_us": [distance_us for distance_us, _ in runs],
        "bound_repeats": [repeats for _, repeats in runs],
        "as_of_us": request.as_of_us,
    }
    if request.customer_ids is not None:
        parameters["customer_ids"] = list(request.customer_ids)
    for i, (name, values) in enumerate(request.narrowed_to):
        parameters |= {f"narrowed_{i}": name, f"narrowed_{i}_values": list(values)}
    if request.draft_id is not None:
        parameters["draft_id"] = request.draft_id
    if request.percentile is not None:
        parameters["percentile_thousandths"] = int(request.percentile * 1000)
    return parameters


def dimension_names(measure: Measure) -> list[str]:
    return [f"dimension_{i}" for i in range(len(measure.group_by))]


def keys_of(request: UsageRequest) -> list[str]:
    """The columns that make a group."""
    return [*(["customer_id"] if request.by_customer else []), *dimension_names(request)]


def slice_conditions(request: UsageRequest) -> list[str]:
    """The whole stretch of the sorting key that a request may read."""
    starts = [] if request.carries_over else [AFTER_START]
    customers = [] if request.customer_ids is None else [OF_CUSTOMERS]
    return [*OF_TENANT_AND_TYPE, *customers, BEFORE_END, *starts]


def window_sql(request: UsageRequest, instant_us: str) -> str:
    """The start of the window that an instant (an expression in microseconds) lies in; BEFORE before the first."""
    first = "{period_start_us:Int64}"
    start = first if len(request.bounds_us) == 2 else f"roundDown({instant_us}, {_BOUNDS})"
    return f"if({instant_us} < {first}, toInt64({BEFORE}), {start})" if request.carries_over else start


def events_sql(
    measure: Measure,
    parameters: Parameters,
    where: Sequence[str],
    narrowing: Sequence[str] = (),
    *,
    any_facts: bool,
    draft: bool = False,
) -> str:
    """A row for each event in the stretch `where` that passes the meter's filters, and these conditions.

    draft: with the facts of `draft_id`.
    any_facts: False only where it is known that nothing about the tenant's events had been corrected by `as_of_us`:
    then the read is as fast as if there were no corrections in the world.
    """
    conditions = [*filter_conditions(measure.filters, parameters), *narrowing]
    read = read_of_event(measure.group_by, {VALUE: measure.value}, parameters)
    return counting_sql(read, where, conditions, any_facts=any_facts, draft=draft)


def read_of_event(
    group_by: Sequence[str], values: Mapping[str, MeterValue | None], parameters: Parameters
) -> list[str]:
    """What meters read of an event, by the names that partials and dimensions have for it; each value has one."""
    columns = [f"{EVENT_HASH_SQL} AS {EVENT_HASH}"]
    for i, name in enumerate(group_by):
        parameters[f"group_{i}"] = name
        columns.append(f"{nullable_text_sql(f'group_{i}')} AS dimension_{i}")
    for name, each in values.items():
        if each is not None:
            value = value_sql(each, parameters, name)
            columns += [
                f"{value.decimal} AS {name}",
                f"{value.given} AS {name}_given",
                f"{value.text} AS {name}_text",
            ]
    return columns


def group_conditions(measure: Measure, group: Mapping[str, str], parameters: Parameters) -> list[str]:
    """Conditions on the events of one group: a property that isn't named there is one that they lack."""
    found = []
    for i, name in enumerate(measure.group_by):
        parameters[f"group_{i}"] = name
        if name not in group:
            found.append(f"NOT {exists_sql(f'group_{i}')}")
            continue
        parameters[f"group_{i}_value"] = group[name]
        found.append(
            f"({exists_sql(f'group_{i}')} AND {text_sql(f'group_{i}')} = {{group_{i}_value:String}})"
        )
    return found


def counting_sql(
    read: Sequence[str], where: Sequence[str], conditions: Sequence[str], *, any_facts: bool, draft: bool
) -> str:
    """The events in the stretch `where` that count and pass these conditions: their identity, and what is read of them."""
    columns = ", ".join(["customer_id", "event_time", "event_id", "ingested_at", "content_hash", *read])
    if not any_facts and not draft:
        return log_sql(columns, where, conditions)
    passing = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {columns} FROM {source_sql(where, draft=draft)}{passing}"


def narrowed_values_sql(request: UsageRequest) -> list[str]:
    """Of each of `narrowed_to`, the values that an event may have."""
    return [f"{{narrowed_{i}_values:Array(String)}}" for i in range(len(request.narrowed_to))]


def windows_of(request: UsageRequest) -> list[str]:
    """The columns that make a group and a window."""
    return [*keys_of(request), "window_start_us"]


def reduced_events(
    request: UsageRequest, parameters: Parameters, where: Sequence[str], *, any_facts: bool
) -> Reduction:
    """The partials of these events, by group and window."""
    window = window_sql(request, "toUnixTimestamp64Micro(event_time)")
    narrowing = [
        f"({exists_sql(f'narrowed_{i}')} AND {text_sql(f'narrowed_{i}')} IN {values_sql})"
        for i, values_sql in enumerate(narrowed_values_sql(request))
    ]
    draft = request.draft_id is not None
    events = events_sql(request, parameters, where, narrowing, any_facts=any_facts, draft=draft)
    return Reduction(
        windows_of(request),
        [*keys_of(request), f"{window} AS window_start_us"],
        reduced_sql(request.aggregation),
        f"({events})",
    )
