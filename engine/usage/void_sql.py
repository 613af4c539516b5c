"""The SQL that leaves void events out of a read: the one place that says when an event is void.

A fact is one row of the table of voids; what it means is in engine.usage.voids.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence

from engine.usage.schema import EVENT_KEY, VOIDS_TABLE

# The kind of the reconciler's facts; every other kind is a person's decision, and stands before them.
ID_REUSED = "id_reused"

_DECIDED = f"kind != '{ID_REUSED}'"
# Of one version of an event: whether it is void, and whether a person said so or said it isn't.
IS_VOID = f"argMax(voided, ({_DECIDED}, recorded_at))"
IS_DECIDED = f"max({_DECIDED})"

RECORDED_BY_THEN = "recorded_at <= fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC')"
# Of the key, what a slice of one tenant and one event type doesn't fix.
_VERSION = "customer_id, event_time, event_id, content_hash"


def not_void_sql(slice_conditions: Sequence[str]) -> str:
    """A condition on events: not void at `as_of_us`.

    `slice_conditions` hold for every event of the read and must fix tenant and event_type; they name columns of
    the sorting key only, which both tables begin with, so that no more facts are read than events.
    """
    slice_sql = " AND ".join([*slice_conditions, RECORDED_BY_THEN])
    return (
        f"({_VERSION}) NOT IN (SELECT {_VERSION} FROM {VOIDS_TABLE} WHERE {slice_sql} "
        f"GROUP BY {_VERSION} HAVING {IS_VOID} = 1)"
    )


def not_void_at_all_sql() -> str:
    """A condition on events of every tenant: not void by all that is recorded."""
    key = ", ".join(EVENT_KEY)
    return f"({key}) NOT IN (SELECT {key} FROM {VOIDS_TABLE} GROUP BY {key} HAVING {IS_VOID} = 1)"


def any_fact_sql() -> str:
    """One row if any fact about the tenant's events was recorded by `as_of_us`, none otherwise."""
    return f"SELECT 1 FROM {VOIDS_TABLE} WHERE tenant = {{tenant:String}} AND {RECORDED_BY_THEN} LIMIT 1"
