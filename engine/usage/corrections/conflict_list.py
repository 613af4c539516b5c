"""What the reconciler has voided, for a person to look at: each version beside the one that stands.

Rules:
1. A listing is a snapshot: the same pages at the same watermark.
2. The page comes from the facts alone; the events that it names are then read by their key, so that a page costs
   the same however long the log is.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.usage.corrections.voids import KEY_COLUMNS, EventKey, event_key
from engine.usage.store.query import Query, number
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.tables.void_sql import (
    ID_REUSED,
    INGESTED_BY_THEN,
    IS_VOID,
    KEY,
    RECORDED_BY_THEN,
    SETTLE,
)
from engine.usage.store.usage_store import UsageStore

# The engine's own facts say to which version another was lost: the newest that was settled, else the first.
_SETTLED = f"kind = '{SETTLE}'"
_REUSED = f"kind = '{ID_REUSED}'"
_STANDS = "(stands_customer_id, stands_event_type, stands_event_time, stands_content_hash)"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an event: its key, its properties, and when it was ingested first; None for one that has expired,
    of which nothing but the key is known.
    """

    key: EventKey
    properties: Mapping[str, str]
    ingested_at_us: int | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event whose id had been used when it came; `void` is False if it counts all the same by a person's decision."""

    voided: Version
    stands: Version
    voided_at_us: int
    void: bool


def list_conflicts(
    store: UsageStore, tenant: str, event_id: str, as_of_us: int, page: tuple[int, int]
) -> list[Conflict]:
    """The conflicts known at a watermark, in the order in which they were found; `page` is (skip, at most).

    `event_id` limits them to one id; empty for all.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    rows = store.query(conflicts_query(tenant, event_id, as_of_us, page))
    pairs = [(event_key(tenant, row[:5]), event_key(tenant, row[5:10])) for row in rows]
    known = known_versions(store, [key for pair in pairs for key in pair], as_of_us)
    return [
        Conflict(known[lost], known[stands], number(row[10]), bool(row[11]))
        for row, (lost, stands) in zip(rows, pairs, strict=True)
    ]


def conflicts_query(tenant: str, event_id: str, as_of_us: int, page: tuple[int, int]) -> Query:
    """customer_id, event_type, event_time (us), event_id and content_hash of what was voided, and of what
    stands; when it was voided first (us); whether it is void.
    """
    only = " AND event_id = {event_id:String}" if event_id else ""
    skip, rows_max = page
    parameters = {
        "tenant": tenant,
        "event_id": event_id,
        "as_of_us": as_of_us,
        "skip": skip,
        "rows_max": rows_max,
    }
    stands = (
        f"if(countIf({_SETTLED}) > 0, argMaxIf({_STANDS}, recorded_at, {_SETTLED}), "
        f"argMinIf({_STANDS}, recorded_at, {_REUSED}))"
    )
    lost = f"({_REUSED} OR {_SETTLED}) AND stands_customer_id != ''"
    facts = (
        f"SELECT {KEY}, {stands} AS stands, minIf(recorded_at, {lost}) AS voided_at, {IS_VOID} AS is_void "
        f"FROM {VOIDS_TABLE} WHERE tenant = {{tenant:String}} AND {RECORDED_BY_THEN}{only} "
        f"GROUP BY {KEY} HAVING countIf({lost}) > 0 AND stands.1 != ''"
    )
    return Query(
        f"SELECT {KEY_COLUMNS}, stands.1, stands.2, toUnixTimestamp64Micro(stands.3), event_id, stands.4, "
        "toUnixTimestamp64Micro(voided_at), is_void "
        f"FROM ({facts}) ORDER BY voided_at, event_id, {KEY} LIMIT {{skip:UInt64}}, {{rows_max:UInt64}}",
        parameters,
    )


def versions_query(keys: Sequence[EventKey], as_of_us: int) -> Query:
    """Of one tenant's events with these keys, replacements too: the key (event_time in us), properties, when ingested
    or recorded first (us).
    """
    wanted = (
        "SELECT arrayJoin(arrayZip({customer_ids:Array(String)}, {event_types:Array(String)}, "
        "arrayMap(us -> fromUnixTimestamp64Micro(us, 'UTC'), {times_us:Array(Int64)}), {event_ids:Array(String)}))"
    )
    where = f"tenant = {{tenant:String}} AND (customer_id, event_type, event_time, event_id) IN ({wanted})"
    rows = (
        f"SELECT {KEY}, properties, ingested_at AS came_at FROM {EVENTS_TABLE} WHERE {where} AND {INGESTED_BY_THEN} "
        f"UNION ALL SELECT {KEY}, properties, recorded_at AS came_at FROM {VOIDS_TABLE} "
        f"WHERE {where} AND {RECORDED_BY_THEN} AND is_replacement = 1"
    )
    return Query(
        f"SELECT {KEY_COLUMNS}, any(properties), toUnixTimestamp64Micro(min(came_at)) FROM ({rows}) "
        "GROUP BY customer_id, event_type, event_time, event_id, content_hash",
        {
            "tenant": keys[0].tenant,
            "customer_ids": [key.customer_id for key in keys],
            "event_types": [key.event_type for key in keys],
            "times_us": [key.event_time_us for key in keys],
            "event_ids": [key.event_id for key in keys],
            "as_of_us": as_of_us,
        },
    )


def known_versions(store: UsageStore, keys: Sequence[EventKey], as_of_us: int) -> dict[EventKey, Version]:
    """The versions with these keys, of one tenant, which facts recorded by then name."""
    if not keys:
        return {}
    found = {key: Version(key, {}, None) for key in keys}
    for *key_columns, properties, ingested_at_us in store.query(versions_query(keys, as_of_us)):
        key = event_key(keys[0].tenant, tuple(key_columns))
        if not isinstance(properties, Mapping):
            raise TypeError(f"the usage store returned properties of type {type(properties).__name__}")
        found[key] = Version(key, properties, number(ingested_at_us))
    return found
