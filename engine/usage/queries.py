"""The statements of the usage store, as pure functions: text and bound parameters out.

Rules:
1. A statement on usage puts together partials, whatever they come from (engine.usage.partials), and gives the
   state of every group and window, for engine.usage.aggregations to finish.
2. A meter that carries over reads the events before the period as well: they are part of the quantity, hence of the
   count and the digest. A group that is at zero, and to which nothing happened, has no row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.usage.aggregations import carried_group_sql, finished, state_columns
from engine.usage.event_source import (
    Parameters,
    keys_of,
    parameters_of,
    reduced_events,
    slice_conditions,
    windows_of,
)
from engine.usage.partials import PART, Reduction, merged_sql
from engine.usage.rollup_schema import ROLLUP_PROGRESS_TABLE, ROLLUPS_TABLE
from engine.usage.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.usage_request import Group, UsageRequest
from engine.usage.void_sql import KEY, any_fact_sql, released_sql
from ingest import EVENT_SCHEMA

# The text of events that is read at once to warm the window; in memory it takes four times as much.
_RECENT_BYTES_MAX = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Query:
    """One statement for the usage store."""

    sql: str
    parameters: Parameters


def usage_query(
    request: UsageRequest, groups_max: int, states_skip: int = 0, *, any_facts: bool = True
) -> Query:
    """The usage of a request from events alone; `read_groups` reads its rows.

    any_facts: see engine.usage.event_source. states_skip: rows to leave out first.
    """
    parameters = parameters_of(request)
    part = reduced_events(request, parameters, slice_conditions(request), any_facts=any_facts)
    return merged_query(request, [part], parameters, groups_max, states_skip)


def merged_query(
    request: UsageRequest,
    parts: Sequence[Reduction],
    parameters: Parameters,
    groups_max: int,
    states_skip: int = 0,
) -> Query:
    """The usage of a request from partials, whatever they come from."""
    aggregation, keys, windows = request.aggregation, keys_of(request), windows_of(request)
    whole = parts[0]
    if len(parts) > 1:
        source = f"({' UNION ALL '.join(part.sql() for part in parts)}) AS {PART}"
        whole = Reduction(windows, windows, merged_sql(aggregation), source)
    states = state_columns(aggregation)
    if request.carries_over and request.group_by:
        sql = f"SELECT {', '.join([*windows, *states])} FROM ({whole.sql()}) {carried_group_sql(aggregation, keys)}"  # noqa: S608
    else:
        sql = whole.finishing_sql(states)
    parameters |= {"rows_max": rows_max(request, groups_max), "states_skip": states_skip}
    return Query(
        f"{sql} ORDER BY {', '.join(windows)} LIMIT {{states_skip:UInt64}}, {{rows_max:UInt64}}", parameters
    )


def rows_max(request: UsageRequest, groups_max: int) -> int:
    """So many rows hold so many groups at least: one for each window, and one for the time before."""
    return groups_max * len(request.bounds_us)


def read_groups(request: UsageRequest, rows: Iterable[Sequence[object]]) -> Iterator[Group]:
    """The groups in the rows of `usage_query`, by customer and dimensions."""
    keys = len(keys_of(request))
    for key, of_group in groupby(rows, key=lambda row: tuple(row[:keys])):
        states = [row[keys:] for row in of_group]
        customer_id = str(key[0]) if request.by_customer else ""
        dimensions = tuple(
            None if value is None else str(value) for value in key[keys - len(request.group_by) :]
        )
        usage = list(finished(request, customer_id, dimensions, states))
        yield Group(customer_id, len(states), usage)


def any_void_query(tenant: str, as_of_us: int) -> Query:
    """One row if anything about the tenant's events was voided or restored by then, none otherwise."""
    return Query(any_fact_sql(), {"tenant": tenant, "as_of_us": as_of_us})


def latest_stamp_query() -> Query:
    """The newest stamp of an event, a fact or a rollup, in microseconds since 1970; 0 for an empty store.

    No stamp may be given out again below what rollups say that they hold.
    """
    return Query(
        f"SELECT toUnixTimestamp64Micro(greatest((SELECT max(ingested_at) FROM {EVENTS_TABLE}), "  # noqa: S608
        f"(SELECT max(recorded_at) FROM {VOIDS_TABLE}), (SELECT max(rolled_up_at) FROM {ROLLUPS_TABLE}), "
        f"(SELECT max(rolled_up_until) FROM {ROLLUP_PROGRESS_TABLE})))",
        {},
    )


def rolled_up_as_of_query() -> Query:
    """The latest watermark that any row of rollups was computed as of, in microseconds since 1970; 0 for none."""
    return Query(f"SELECT toUnixTimestamp64Micro(max(rolled_up_at)) FROM {ROLLUPS_TABLE}", {})  # noqa: S608


def recent_events_query(rows_max: int, bytes_max: int = _RECENT_BYTES_MAX) -> Query:
    """The events ingested last, oldest of them first, to warm the hot window.

    All events of the newest stamps that together reach `rows_max` events, and fewer where they have more than
    `bytes_max`, without those by which their id is known no more (engine.usage.void_sql). Only the column of stamps is
    read as a whole.
    """
    columns = ", ".join(EVENT_SCHEMA.names)
    newest = f"SELECT ingest_rank FROM {EVENTS_TABLE} ORDER BY ingest_rank LIMIT {{rows_max:UInt64}}"  # noqa: S608
    weighed = (
        f"SELECT ingest_rank, sum(sum(byteSize({columns}))) OVER (ORDER BY ingest_rank) AS bytes"  # noqa: S608
        f" FROM {EVENTS_TABLE} WHERE ingest_rank <= (SELECT maxOrNull(ingest_rank) FROM ({newest}))"
        " GROUP BY ingest_rank"
    )
    first = f"SELECT maxOrNull(ingest_rank) FROM ({weighed}) WHERE bytes <= {{bytes_max:UInt64}}"  # noqa: S608
    recent = f"FROM {EVENTS_TABLE} WHERE ingest_rank <= ({first})"
    released = released_sql(f"({KEY}) IN (SELECT {KEY} {recent})")
    return Query(
        f"SELECT {columns} {recent} AND ({KEY}) NOT IN ({released}) ORDER BY ingest_rank DESC",
        {"rows_max": rows_max, "bytes_max": bytes_max},
    )
