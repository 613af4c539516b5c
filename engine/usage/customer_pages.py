"""The customers who may have usage, in the order of their ids, some at a time.

It is a look along the sorting key, which ends where enough were found. Whether an event is void, came after the
watermark or passes no filter is not looked at: a customer of whom there is nothing else makes no row of usage. So are
those whose events have expired, whatever they had.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.event_source import AFTER_START, BEFORE_END, OF_TENANT_AND_TYPE
from engine.usage.queries import Query
from engine.usage.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.schema import EVENTS_TABLE
from engine.usage.store import UsageStore
from engine.usage.usage_request import UsageRequest


def customers_from(store: UsageStore, request: UsageRequest, from_customer_id: str, count: int) -> list[str]:
    """The first `count` customers at or behind an id who have events that the request may read.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [str(row[0]) for row in store.query(customers_query(request, from_customer_id, count))]


def customers_query(request: UsageRequest, from_customer_id: str, count: int) -> Query:
    conditions = [*OF_TENANT_AND_TYPE, BEFORE_END, "customer_id >= {from_customer_id:String}"]
    conditions += [] if request.carries_over else [AFTER_START]
    first = "GROUP BY customer_id ORDER BY customer_id LIMIT {count:UInt64}"
    expired = [
        *OF_TENANT_AND_TYPE,
        "customer_id >= {from_customer_id:String}",
        *(
            []
            if request.carries_over
            else ["expired_before > fromUnixTimestamp64Micro({period_start_us:Int64}, 'UTC')"]
        ),
    ]
    return Query(
        "SELECT DISTINCT customer_id FROM ("
        f"(SELECT customer_id FROM {EVENTS_TABLE} WHERE {' AND '.join(conditions)} {first} "
        "SETTINGS optimize_aggregation_in_order = 1) UNION ALL "
        f"(SELECT customer_id FROM {EXPIRED_CUSTOMERS_TABLE} WHERE {' AND '.join(expired)} {first})"
        ") ORDER BY customer_id LIMIT {count:UInt64}",
        {
            "tenant": request.tenant,
            "event_type": request.event_type,
            "period_start_us": request.bounds_us[0],
            "period_end_us": request.bounds_us[-1],
            "from_customer_id": from_customer_id,
            "count": count,
        },
    )
