"""Whose events and corrections came in between two stamps."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from engine.usage.store.query import Query, number
from engine.usage.store.tables.schema import (
    EVENTS_TABLE,
    VOIDS_TABLE,
    ingested_after_sql,
    ingested_by_sql,
    stamp_sql,
)
from engine.usage.store.tables.void_sql import RECORDED_BETWEEN
from engine.usage.store.usage_store import UsageStore

_STORED_BETWEEN = f"{ingested_after_sql('{after_us:Int64}')} AND {ingested_by_sql('{until_us:Int64}')}"
_STORED = (
    f"SELECT DISTINCT tenant, customer_id FROM {EVENTS_TABLE} WHERE {_STORED_BETWEEN} "  # noqa: S608 - own names
    "AND (tenant, customer_id) IN (SELECT tenant, customer_id FROM asked_names)"
)
_BEFORE = f"tenant = {{tenant:String}} AND event_time < {stamp_sql('before_us')}"
_LATE = (
    "SELECT customer_id, toUnixTimestamp64Micro(max(at)) FROM ("  # noqa: S608 - own names
    f"SELECT customer_id, ingested_at AS at FROM {EVENTS_TABLE} WHERE {_BEFORE} AND {_STORED_BETWEEN} "
    f"UNION ALL SELECT customer_id, recorded_at AS at FROM {VOIDS_TABLE} WHERE {_BEFORE} AND {RECORDED_BETWEEN}"
    ") GROUP BY customer_id"
)

_EVENT_OF_TENANT = "SELECT customer_id, event_time AS at FROM {table} WHERE tenant = {{tenant:String}} AND "
_TOUCHED = (
    "SELECT customer_id, toUnixTimestamp64Micro(min(at)) FROM ("  # noqa: S608 - own names
    f"{_EVENT_OF_TENANT.format(table=EVENTS_TABLE)} {_STORED_BETWEEN} "
    f"UNION ALL {_EVENT_OF_TENANT.format(table=VOIDS_TABLE)} {RECORDED_BETWEEN}"
    ") GROUP BY customer_id"
)


def stored_between(
    store: UsageStore, after_us: int, until_us: int, names: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of these tenants and names with events of stamps in (after_us, until_us]. Raises StoreUnavailableError."""
    asked = pa.table(
        {
            "tenant": pa.array([tenant for tenant, _ in names], pa.string()),
            "customer_id": pa.array([name for _, name in names], pa.string()),
        }
    )
    query = Query(_STORED, {"after_us": after_us, "until_us": until_us}, {"asked_names": asked})
    return {(each["tenant"], each["customer_id"]) for each in store.query_columns(query).to_pylist()}


def late_facts(
    store: UsageStore, tenant: str, *, after_us: int, as_of_us: int, before_us: int
) -> Mapping[str, int]:
    """Of each customer, as its events name it, the stamp of the newest fact in (after_us, as_of_us] about an event before `before_us`.

    A retry counts as a fact until the store's merge drops it: who asks learns of every change, and of some that
    are none. Raises StoreUnavailableError.
    """
    bounds = {"tenant": tenant, "after_us": after_us, "until_us": as_of_us, "before_us": before_us}
    return {str(customer): number(at) for customer, at in store.query(Query(_LATE, bounds))}


def touched_since(store: UsageStore, tenant: str, *, after_us: int, until_us: int) -> Mapping[str, int]:
    """Of each customer, as its events name it, the earliest time of an event that was stored or corrected in (after_us, until_us].

    Raises StoreUnavailableError.
    """
    bounds = {"tenant": tenant, "after_us": after_us, "until_us": until_us}
    return {str(customer): number(at) for customer, at in store.query(Query(_TOUCHED, bounds))}
