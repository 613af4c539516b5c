"""The customers who may have usage, in the order of their ids, some at a time.

It is a look along the sorting key, which ends where enough were found. Whether an event is void, came after the
watermark or passes no filter is not looked at: a customer of whom there is nothing else makes no row of usage. So are
those whose events have expired, whatever they had.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.facts.event_source import AFTER_START, BEFORE_END, OF_TENANT_AND_TYPE
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.store.query import Query
from engine.usage.store.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.usage_store import UsageStore


def customers_from(store: UsageStore, request: UsageRequest, from_customer_id: str, count: int) -> list[str]:
    """The first `count` customers at or behind an id who have events that the request may read.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [str(row[0]) for row in store.query(customers_query(request, from_customer_id, count))]


def customers_query(request: UsageRequest, from_customer_id: str, count: int) -> Query:
    from_then_on = "customer_id >= {from_customer_id:String}"
    conditions = [*OF_TENANT_AND_TYPE, BEFORE_END, from_then_on]
    conditions += [] if request.carries_over else [AFTER_START]
    after = "expired_before > fromUnixTimestamp64Micro({period_start_us:Int64}, 'UTC')"
    gone = [*OF_TENANT_AND_TYPE, from_then_on, *([] if request.carries_over else [after])]
    # An event that a person moved to another customer is in the table of voids alone.
    sources = (
        (EVENTS_TABLE, conditions),
        (VOIDS_TABLE, [*conditions, "is_replacement = 1"]),
        (EXPIRED_CUSTOMERS_TABLE, gone),
    )
    found = " UNION ALL ".join(
        f"SELECT customer_id FROM (SELECT customer_id FROM {table} WHERE {' AND '.join(where)} "
        "GROUP BY customer_id ORDER BY customer_id LIMIT {count:UInt64})"
        for table, where in sources
    )
    return Query(
        f"SELECT DISTINCT customer_id FROM ({found}) ORDER BY customer_id LIMIT {{count:UInt64}} "
        "SETTINGS optimize_aggregation_in_order = 1",
        {
            "tenant": request.tenant,
            "event_type": request.event_type,
            "period_start_us": request.bounds_us[0],
            "period_end_us": request.bounds_us[-1],
            "from_customer_id": from_customer_id,
            "count": count,
        },
    )
