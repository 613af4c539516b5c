"""The SQL that finds ids used for more than one event, and says which of their versions stand.

Rules:
1. All rows of an id are looked at, whatever customer, type or time they have: nothing but a look through the whole
   column of ids can do that. It is looked through once for a stretch of the log, not once for an id.
2. A version is first ingested when the first of its retries was; what replaces a version by a person's correction is
   a version, too, and has its place. Of the versions that are not void the one that
   was ingested first stands; of those ingested at one instant the one with the earlier event_time, then the lesser
   customer_id, event_type and content_hash (texts in byte order).
   An id is looked at when one of its events was ingested, and when a person decided on one.
3. The others are to be voided, except those about which something other than `id_reused` was recorded: these are for
   engine.usage.corrections.settling.
4. Ids are compared by a hash of 64 bits that never leaves these statements: two ids that share one are looked at
   for nothing, and no id is missed.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence
from dataclasses import dataclass

from engine.usage.corrections.voids import KEY_COLUMNS
from engine.usage.store.query import Query
from engine.usage.store.tables.schema import (
    EVENTS_TABLE,
    RECONCILED_TABLE,
    VOIDS_TABLE,
    ingested_after_sql,
    ingested_by_sql,
    stamp_sql,
)
from engine.usage.store.tables.void_sql import (
    BY_PERSON,
    DECIDED,
    INGESTED_BY_THEN,
    IS_VOID,
    RECORDED_BETWEEN,
    RECORDED_BY_THEN,
)

_ID = "cityHash64(tenant, event_id)"
_KEY = "tenant, event_id, customer_id, event_type, event_time, content_hash"
_VERSION_HASH = "cityHash64(customer_id, event_type, event_time, content_hash)"
_VERSION = "customer_id, event_type, event_time, content_hash"
_STANDS_FIRST = "first_at, event_time, customer_id, event_type, content_hash"
# What came in last is found by the index of stamps, which the reads of a period do without.
_BY_INDEX = " SETTINGS use_skip_indexes = 1"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the log: the events ingested after one instant, up to another; microseconds since 1970."""

    after_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class PeriodPart:
    """The events of a tenant (None: of all) in a half-open period, or one part in `parts` of their ids."""

    tenant: str | None
    period_start_us: int
    period_end_us: int
    part: int = 0
    parts: int = 1


def position_query(reader: str) -> Query:
    """Up to which stamp this reader has looked; 0 at first."""
    return Query(
        f"SELECT toUnixTimestamp64Micro(max(ingested_at)) FROM {RECONCILED_TABLE} WHERE reader = {{reader:String}}",
        {"reader": reader},
    )


def keep_position_statement(reader: str, position_us: int) -> Query:
    """Keeps it; an older one is never found again."""
    return Query(
        f"INSERT INTO {RECONCILED_TABLE} (reader, ingested_at) "
        f"SELECT {{reader:String}}, {stamp_sql('position_us')}",
        {"reader": reader, "position_us": position_us},
    )


def stretch_query(after_us: int, as_of_us: int, events_max: int) -> Query:
    """How many events and persons' decisions there are after a stamp, at most `events_max`, and the last stamp of
    so many.
    """
    stamps = (
        f"SELECT ingested_at AS at FROM {EVENTS_TABLE} "
        f"WHERE {ingested_after_sql('{after_us:Int64}')} AND {INGESTED_BY_THEN} "
        f"UNION ALL SELECT recorded_at AS at FROM {VOIDS_TABLE} WHERE {BY_PERSON} "
        f"AND recorded_at > {stamp_sql('after_us')} AND {RECORDED_BY_THEN}"
    )
    return Query(
        "SELECT count(), toUnixTimestamp64Micro(max(at)) FROM "
        f"(SELECT at FROM ({stamps}) ORDER BY at LIMIT {{events_max:UInt64}}){_BY_INDEX}",
        {"after_us": after_us, "as_of_us": as_of_us, "events_max": events_max},
    )


def part_count_query(chosen: PeriodPart, as_of_us: int) -> Query:
    """How many events a slice has; a retry may count twice."""
    condition, parameters = _condition(chosen)
    return Query(
        f"SELECT count() FROM {EVENTS_TABLE} WHERE {INGESTED_BY_THEN} AND {condition}",
        parameters | {"as_of_us": as_of_us},
    )


def reused_ids_query(chosen: Stretch | PeriodPart, as_of_us: int) -> Query:
    """The hashes of ids that have an event in the choice, or were corrected there, and have more than one version in
    the log by `as_of_us`.
    """
    condition, parameters = _condition(chosen)
    if isinstance(chosen, Stretch):
        corrected = f"{BY_PERSON} AND {RECORDED_BETWEEN}"
    else:
        corrected = f"is_replacement = 1 AND {condition}"
    chosen_ids = (
        f"SELECT {_ID} FROM {EVENTS_TABLE} WHERE {INGESTED_BY_THEN} AND {condition} "
        f"UNION ALL SELECT {_ID} FROM {VOIDS_TABLE} WHERE {RECORDED_BY_THEN} AND {corrected}"
    )
    return Query(
        f"SELECT {_ID} AS id FROM {EVENTS_TABLE} "
        f"WHERE {INGESTED_BY_THEN} AND {_ID} IN ({chosen_ids}) "
        f"GROUP BY id HAVING min({_VERSION_HASH}) != max({_VERSION_HASH}) ORDER BY id{_BY_INDEX}",
        parameters | {"as_of_us": as_of_us},
    )


def losing_versions_query(ids: Sequence[int], as_of_us: int, rows_max: int) -> Query:
    """Of the ids with these hashes the versions to be voided: their key, then what stands instead.

    Columns: tenant, the key (event_time in us), and the key of the version that stands.
    """
    rows = (
        f"SELECT {_KEY}, ingested_at AS came_at FROM {EVENTS_TABLE} "
        f"WHERE {INGESTED_BY_THEN} AND {_ID} IN {{ids:Array(UInt64)}} "
        f"UNION ALL SELECT {_KEY}, first_at AS came_at FROM {VOIDS_TABLE} "
        f"WHERE {RECORDED_BY_THEN} AND is_replacement = 1 AND {_ID} IN {{ids:Array(UInt64)}}"
    )
    versions = f"SELECT {_KEY}, min(came_at) AS first_at FROM ({rows}) GROUP BY {_KEY}"
    states = (
        f"SELECT {_KEY}, {IS_VOID} AS is_void, max({DECIDED}) AS is_decided FROM {VOIDS_TABLE} "
        f"WHERE {_ID} IN {{ids:Array(UInt64)}} GROUP BY {_KEY}"
    )
    alive = (
        f"SELECT {_KEY}, is_decided, row_number() OVER standing AS place, "
        f"first_value(({_VERSION})) OVER standing AS stands "
        f"FROM ({versions}) AS versions LEFT JOIN ({states}) AS states USING ({_KEY}) WHERE is_void = 0 "
        f"WINDOW standing AS (PARTITION BY tenant, event_id ORDER BY {_STANDS_FIRST})"
    )
    return Query(
        f"SELECT tenant, {KEY_COLUMNS}, stands.1, stands.2, toUnixTimestamp64Micro(stands.3), event_id, stands.4 "
        f"FROM ({alive}) WHERE place > 1 AND is_decided = 0 ORDER BY {_KEY} LIMIT {{rows_max:UInt64}}",
        {"ids": list(ids), "as_of_us": as_of_us, "rows_max": rows_max},
    )


def _condition(chosen: Stretch | PeriodPart) -> tuple[str, dict[str, object]]:
    if isinstance(chosen, Stretch):
        condition = f"{ingested_after_sql('{after_us:Int64}')} AND {ingested_by_sql('{until_us:Int64}')}"
        return condition, {"after_us": chosen.after_us, "until_us": chosen.until_us}
    conditions = [
        f"event_time >= {stamp_sql('period_start_us')}",
        f"event_time < {stamp_sql('period_end_us')}",
    ]
    parameters: dict[str, object] = {
        "period_start_us": chosen.period_start_us,
        "period_end_us": chosen.period_end_us,
    }
    if chosen.parts > 1:
        conditions.append(f"{_ID} % {{parts:UInt32}} = {{part:UInt32}}")
        parameters |= {"parts": chosen.parts, "part": chosen.part}
    if chosen.tenant is not None:
        conditions.append("tenant = {tenant:String}")
        parameters["tenant"] = chosen.tenant
    return " AND ".join(conditions), parameters
