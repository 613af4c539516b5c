"""Whose usage changed behind a watermark: events and corrections that came in since, of before an instant."""

from collections.abc import Mapping

from engine.usage.store.query import Query, number
from engine.usage.store.tables.schema import (
    EVENTS_TABLE,
    VOIDS_TABLE,
    ingested_after_sql,
    ingested_by_sql,
    stamp_sql,
)
from engine.usage.store.usage_store import UsageStore

_LATE = f"""
SELECT customer_id, toUnixTimestamp64Micro(max(at)) FROM (
    SELECT customer_id, ingested_at AS at FROM {EVENTS_TABLE}
    WHERE tenant = {{tenant:String}} AND event_time < {stamp_sql("before_us")}
        AND {ingested_after_sql("{after_us:Int64}")} AND {ingested_by_sql("{as_of_us:Int64}")}
    UNION ALL
    SELECT customer_id, recorded_at AS at FROM {VOIDS_TABLE}
    WHERE tenant = {{tenant:String}} AND event_time < {stamp_sql("before_us")}
        AND recorded_at > {stamp_sql("after_us")}
        AND recorded_at <= {stamp_sql("as_of_us")}
) GROUP BY customer_id
"""  # noqa: S608 - own names


def late_facts(
    store: UsageStore, tenant: str, *, after_us: int, as_of_us: int, before_us: int
) -> Mapping[str, int]:
    """Of each customer, as its events name it, the stamp of the newest fact in (after_us, as_of_us] about an event before `before_us`.

    A retry counts as a fact: who asks learns of every change, and of some that are none. Raises StoreUnavailableError.
    """
    bounds = {"tenant": tenant, "after_us": after_us, "as_of_us": as_of_us, "before_us": before_us}
    return {str(customer): number(at) for customer, at in store.query(Query(_LATE, bounds))}
