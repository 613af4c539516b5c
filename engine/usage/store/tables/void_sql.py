"""The SQL that says which events count: the one place that knows when an event is void, and what replaces one.

A fact is one row of the table of voids; what it means is in engine.usage.corrections.voids.

Rules:
1. Whoever aggregates events reads `source_sql`, and nothing else of the log: each event once, as ingested by
   `as_of_us`, without what is void by then, with what replaces it. Without any fact it comes to `log_sql`.
2. A version with a replacement row is taken from its newest such row and not from the log: should a producer send
   the amended content too, it is there once. One that is UNMADE is what the log says of it: should a producer send it
   after all, it counts at once.
3. Slice conditions hold for every event of a read and name columns of the sorting key only, which both tables
   begin with: no more facts are read than events, and the key prunes both.
4. A read of a draft takes the facts of that draft as the newest ones, beside all that were recorded.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence

from engine.usage.store.query import Query
from engine.usage.store.tables.schema import (
    DRAFTS_TABLE,
    EVENT_KEY,
    EVENTS_TABLE,
    VOIDS_TABLE,
    ingested_by_sql,
    stamp_sql,
)

# The kinds of the engine's own facts: of an id that nobody has corrected, and of one that somebody has.
ID_REUSED = "id_reused"
SETTLE = "settle"

BY_PERSON = f"kind NOT IN ('{ID_REUSED}', '{SETTLE}')"
# Facts that stand before the first kind (engine.usage.corrections.voids).
DECIDED = f"kind != '{ID_REUSED}'"
# Of one version of an event: whether it is void; UNMADE if an undone amendment had made it, and it had not come in.
UNMADE = 2
IS_VOID = f"argMax(voided, ({DECIDED}, recorded_at))"
HAS_REPLACEMENT = "max(is_replacement)"

RECORDED_BY_THEN = f"recorded_at <= {stamp_sql('as_of_us')}"
RECORDED_BETWEEN = f"recorded_at > {stamp_sql('after_us')} AND recorded_at <= {stamp_sql('until_us')}"
INGESTED_BY_THEN = ingested_by_sql("{as_of_us:Int64}")
KEY = ", ".join(EVENT_KEY)
# Of a fact, the key of the version that stands instead.
STANDING_KEY = ", ".join(name if name in {"tenant", "event_id"} else f"stands_{name}" for name in EVENT_KEY)
# Of the key, what a slice of one tenant and one event type doesn't fix.
_VERSION = "customer_id, event_time, event_id, content_hash"
_FACT = f"{KEY}, recorded_at, voided, kind, is_replacement, properties, first_at"


def source_sql(slice_conditions: Sequence[str], *, draft: bool = False) -> str:
    """A subquery of the events that count at `as_of_us`: the columns of the log with `content_hash`, and
    `first_at`, when the event, or the first that it replaces, was ingested first. `draft`: with the facts of `draft_id`.
    """
    known = facts_sql(slice_conditions, draft=draft)
    left_out = (
        f"({_VERSION}, event_type) NOT IN (SELECT {_VERSION}, event_type FROM {known} "
        f"GROUP BY {KEY} HAVING {IS_VOID} = 1 OR ({HAS_REPLACEMENT} = 1 AND {IS_VOID} = 0))"
    )
    columns = f"{KEY}, properties, ingested_at, ingested_at AS first_at"
    log = log_sql(columns, slice_conditions, [left_out])
    return f"({log} UNION ALL {replacements_sql(slice_conditions, draft=draft)})"


def log_sql(columns: str, slice_conditions: Sequence[str], conditions: Sequence[str] = ()) -> str:
    """What the log alone says at `as_of_us`, each event once: as many columns and conditions as are needed, in one
    SELECT. All that counts only where it is known that no fact about the tenant's events had been recorded by then
    (`any_void_query`): then a read is as fast as if there were none in the world.
    """
    # Rows that collapse have the same key, so a slice may be cut out before they do: of an hour in the middle of a
    # stretch that the index can't tell apart, nothing else is read or collapsed. Everything else comes after.
    return (
        f"SELECT {columns} FROM {EVENTS_TABLE} FINAL PREWHERE {' AND '.join(slice_conditions)} "
        f"WHERE {' AND '.join([*conditions, INGESTED_BY_THEN])}"
    )


def replacements_sql(slice_conditions: Sequence[str], *, draft: bool = False) -> str:
    """The replacements that count at `as_of_us`, with the columns of `source_sql`; ingested when recorded."""
    known = facts_sql(slice_conditions, draft=draft)
    replacing = "is_replacement = 1"
    states = (
        f"SELECT {KEY}, argMinIf(properties, recorded_at, {replacing}) AS content, "
        f"minIf(recorded_at, {replacing}) AS replaced_at, minIf(first_at, {replacing}) AS replaced_first_at "
        f"FROM {known} GROUP BY {KEY} HAVING {HAS_REPLACEMENT} = 1 AND {IS_VOID} = 0"
    )
    return (
        f"SELECT {KEY}, content AS properties, replaced_at AS ingested_at, replaced_first_at AS first_at "
        f"FROM ({states})"
    )


def voided_sql(slice_conditions: Sequence[str]) -> str:
    """A subquery of the events that are void at `as_of_us`, each as it was: the columns of the log with `content_hash`;
    `voided_at`, when that was decided; and `voided_by`, the person's correction that did, empty for the engine's own facts.
    """
    slices = " AND ".join(slice_conditions)
    newest, replacing = f"({DECIDED}, recorded_at)", "is_replacement = 1"
    states = (
        f"SELECT {KEY}, {HAS_REPLACEMENT} AS replaces, argMinIf(properties, recorded_at, {replacing}) AS content, "
        f"minIf(recorded_at, {replacing}) AS replaced_at, argMax(recorded_at, {newest}) AS voided_at, "
        f"argMax(if({BY_PERSON}, correction_id, ''), {newest}) AS voided_by "
        f"FROM {VOIDS_TABLE} WHERE {slices} AND {RECORDED_BY_THEN} GROUP BY {KEY} HAVING {IS_VOID} = 1"
    )
    log = log_sql(f"{KEY}, properties, ingested_at", slice_conditions)
    return (
        f"(SELECT {KEY}, properties, ingested_at, voided_at, voided_by FROM ({log}) AS logged "
        f"INNER JOIN (SELECT {KEY}, voided_at, voided_by FROM ({states}) WHERE replaces = 0) AS state USING ({KEY}) "
        f"UNION ALL SELECT {KEY}, content AS properties, replaced_at AS ingested_at, voided_at, voided_by "
        f"FROM ({states}) WHERE replaces = 1)"
    )


def facts_sql(slice_conditions: Sequence[str], *, draft: bool = False) -> str:
    """A subquery of the facts recorded by `as_of_us`, and those of the draft."""
    where = " AND ".join(slice_conditions)
    recorded = f"SELECT {_FACT} FROM {VOIDS_TABLE} WHERE {where} AND {RECORDED_BY_THEN}"
    if not draft:
        return f"({recorded})"
    tried = f"SELECT {_FACT} FROM {DRAFTS_TABLE} WHERE draft_id = {{draft_id:UInt64}} AND {where}"
    return f"({recorded} UNION ALL {tried})"


def not_void_at_all_sql() -> str:
    """A condition on events of every tenant: not void by all that is recorded."""
    return f"({KEY}) NOT IN (SELECT {KEY} FROM {VOIDS_TABLE} GROUP BY {KEY} HAVING {IS_VOID} = 1)"


def released_sql(about: str) -> str:
    """A subquery of keys. Of the events that facts with this condition are about, those by which their id is known no
    more: void by all that is recorded, unless something stands in their place that no producer sent. Then a retry is
    of what was sent, and other content is a conflict.
    """
    standing = f"SELECT {STANDING_KEY} FROM {VOIDS_TABLE} WHERE {about}"
    sent = f"SELECT {KEY} FROM {EVENTS_TABLE} WHERE ({KEY}) IN ({standing})"
    free = (
        f"argMax(stands_customer_id, recorded_at) = '' OR argMax(({STANDING_KEY}), recorded_at) IN ({sent})"
    )
    return (
        f"SELECT {KEY} FROM {VOIDS_TABLE} WHERE ({KEY}) IN (SELECT {KEY} FROM {VOIDS_TABLE} WHERE {about}) "
        f"GROUP BY {KEY} HAVING {IS_VOID} = 1 AND ({free})"
    )


def any_fact_sql() -> str:
    """One row if any fact about the tenant's events was recorded by `as_of_us`, none otherwise."""
    return f"SELECT 1 FROM {VOIDS_TABLE} WHERE tenant = {{tenant:String}} AND {RECORDED_BY_THEN} LIMIT 1"


def any_void_query(tenant: str, as_of_us: int) -> Query:
    """One row if anything about the tenant's events was voided or restored by then, none otherwise."""
    return Query(any_fact_sql(), {"tenant": tenant, "as_of_us": as_of_us})


def any_event_query(tenant: str) -> Query:
    """One row if the tenant has any event, none otherwise."""
    return Query(f"SELECT 1 FROM {EVENTS_TABLE} WHERE tenant = {{tenant:String}} LIMIT 1", {"tenant": tenant})
