"""What the store is asked about its newest rows: their stamps, and its latest events."""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.store.query import Query
from engine.usage.store.tables.rollup_schema import ROLLUP_PROGRESS_TABLE, ROLLUPS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.tables.void_sql import KEY, released_sql
from ingest import EVENT_SCHEMA

# The text of events that is read at once to warm the window; in memory it takes four times as much.
_RECENT_BYTES_MAX = 128 * 1024 * 1024


def latest_stamp_query() -> Query:
    """The newest stamp of an event, a fact or a rollup, in microseconds since 1970; 0 for an empty store.

    No stamp may be given out again below what rollups say that they hold.
    """
    return Query(
        f"SELECT toUnixTimestamp64Micro(greatest((SELECT max(ingested_at) FROM {EVENTS_TABLE}), "
        f"(SELECT max(recorded_at) FROM {VOIDS_TABLE}), (SELECT max(rolled_up_at) FROM {ROLLUPS_TABLE}), "
        f"(SELECT max(rolled_up_until) FROM {ROLLUP_PROGRESS_TABLE})))",
        {},
    )


def rolled_up_as_of_query() -> Query:
    """The latest watermark that any row of rollups was computed as of, in microseconds since 1970; 0 for none."""
    return Query(f"SELECT toUnixTimestamp64Micro(max(rolled_up_at)) FROM {ROLLUPS_TABLE}", {})


def recent_events_query(rows_max: int, bytes_max: int = _RECENT_BYTES_MAX) -> Query:
    """The events ingested last, oldest of them first, to warm the hot window.

    All events of the newest stamps that together reach `rows_max` events, and fewer where they have more than
    `bytes_max`, without those by which their id is known no more (`void_sql`). Only the column of stamps is read as a
    whole.
    """
    columns = ", ".join(EVENT_SCHEMA.names)
    newest = f"SELECT ingest_rank FROM {EVENTS_TABLE} ORDER BY ingest_rank LIMIT {{rows_max:UInt64}}"
    weighed = (
        f"SELECT ingest_rank, sum(sum(byteSize({columns}))) OVER (ORDER BY ingest_rank) AS bytes"
        f" FROM {EVENTS_TABLE} WHERE ingest_rank <= (SELECT maxOrNull(ingest_rank) FROM ({newest}))"
        " GROUP BY ingest_rank"
    )
    first = f"SELECT maxOrNull(ingest_rank) FROM ({weighed}) WHERE bytes <= {{bytes_max:UInt64}}"
    recent = f"FROM {EVENTS_TABLE} WHERE ingest_rank <= ({first})"
    released = released_sql(f"({KEY}) IN (SELECT {KEY} {recent})")
    return Query(
        f"SELECT {columns} {recent} AND ({KEY}) NOT IN ({released}) ORDER BY ingest_rank DESC",
        {"rows_max": rows_max, "bytes_max": bytes_max},
    )
