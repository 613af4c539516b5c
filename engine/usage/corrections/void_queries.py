"""The SQL by which a gateway hears what was decided on events: the events behind the facts of a stretch of time."""

# ruff: noqa: S608 - only names that are written here become SQL

from dataclasses import dataclass

from engine.usage.store.query import Query
from engine.usage.store.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.void_sql import KEY, STANDING_KEY, not_void_at_all_sql, released_sql
from ingest import EVENT_SCHEMA

_COLUMNS = ", ".join(EVENT_SCHEMA.names)
_HEARD = (
    "recorded_at > fromUnixTimestamp64Micro({after_us:Int64}, 'UTC') "
    "AND recorded_at <= fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')"
)
# An event that was sent again may be there twice, until ClickHouse merges the two.
_PAGE = f"LIMIT 1 BY {KEY} LIMIT {{events_max:UInt64}} OFFSET {{first:UInt64}}"


@dataclass(frozen=True, slots=True)
class Heard:
    """The facts recorded after one instant, up to another; microseconds since 1970."""

    after_us: int
    until_us: int


def newest_heard_query(after_us: int, until_us: int, facts_max: int) -> Query:
    """The last stamp of the next `facts_max` facts; 0 for none."""
    return Query(
        "SELECT toUnixTimestamp64Micro(max(recorded_at)) FROM ("
        f"SELECT recorded_at FROM {VOIDS_TABLE} WHERE {_HEARD} ORDER BY recorded_at LIMIT {{facts_max:UInt64}})",
        {"after_us": after_us, "until_us": until_us, "facts_max": facts_max},
    )


def void_events_query(heard: Heard, first: int, events_max: int) -> Query:
    """A page of the events that the facts are about and by which their id is known no more."""
    return _events(f"({KEY}) IN ({released_sql(_HEARD)})", heard, first, events_max)


def standing_events_query(heard: Heard, first: int, events_max: int) -> Query:
    """A page of the events that stand instead, by these facts, and are not void themselves."""
    standing = f"SELECT {STANDING_KEY} FROM {VOIDS_TABLE} WHERE {_HEARD}"
    return _events(f"({KEY}) IN ({standing}) AND {not_void_at_all_sql()}", heard, first, events_max)


def _events(condition: str, heard: Heard, first: int, events_max: int) -> Query:
    return Query(
        f"SELECT {_COLUMNS} FROM {EVENTS_TABLE} WHERE {condition} ORDER BY {KEY} {_PAGE}",
        {"after_us": heard.after_us, "until_us": heard.until_us, "events_max": events_max, "first": first},
    )
