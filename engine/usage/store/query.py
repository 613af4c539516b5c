"""One statement for the usage store; and what the store is asked about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import pyarrow as pa

from engine.usage.store.rollup_schema import ROLLUP_PROGRESS_TABLE, ROLLUPS_TABLE
from engine.usage.store.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.void_sql import KEY, any_fact_sql, released_sql
from ingest import EVENT_SCHEMA

Parameters: TypeAlias = dict[str, object]
# The text of events that is read at once to warm the window; in memory it takes four times as much.
_RECENT_BYTES_MAX = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Query:
    """One statement for the usage store.

    tables: what it reads besides the store's own tables, by the names that it has for them. Of a server every parameter,
        and the text with its parameters if it has such tables, has at most 128 KiB; a table has no such bound.
    """

    sql: str
    parameters: Parameters
    tables: Mapping[str, pa.Table] = field(default_factory=lambda: MappingProxyType({}))


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
    `bytes_max`, without those by which their id is known no more (engine.usage.store.void_sql). Only the column of stamps is
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


def number(value: object) -> int:
    """The integer that a column of integers holds: the driver types what it reads as anything.

    Raises:
        ValueError: it is none.
    """
    return int(str(value))


# The types that a table of a statement may have.
_COLUMN_TYPES = {
    pa.string(): "String",
    pa.int64(): "Int64",
    pa.uint32(): "UInt32",
    pa.uint8(): "UInt8",
}


def structure_of(table: pa.Table) -> str:
    """A table's columns as ClickHouse declares them."""
    return ", ".join(f"{field.name} {_COLUMN_TYPES[field.type]}" for field in table.schema)
