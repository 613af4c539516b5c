"""The customers who have events of a type, in the order of their ids, some at a time.

It is a look along the sorting key: it ends where enough were found. Events that are void, came after the watermark
or pass no filter are not looked for: a customer of whom there is nothing else makes no row of usage.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.queries import Query
from engine.usage.schema import EVENTS_TABLE


def customers_query(
    tenant: str, event_type: str, period_us: tuple[int | None, int], from_customer_id: str, count: int
) -> Query:
    """The first `count` customers at or behind an id who have events in a period; without a start, before its end."""
    start_us, end_us = period_us
    conditions = [
        "tenant = {tenant:String}",
        "customer_id >= {from_customer_id:String}",
        "event_type = {event_type:String}",
        "event_time < fromUnixTimestamp64Micro({end_us:Int64}, 'UTC')",
    ]
    parameters: dict[str, object] = {
        "tenant": tenant,
        "from_customer_id": from_customer_id,
        "event_type": event_type,
        "end_us": end_us,
        "count": count,
    }
    if start_us is not None:
        conditions.append("event_time >= fromUnixTimestamp64Micro({start_us:Int64}, 'UTC')")
        parameters["start_us"] = start_us
    return Query(
        f"SELECT customer_id FROM {EVENTS_TABLE} WHERE {' AND '.join(conditions)} GROUP BY customer_id "
        "ORDER BY customer_id LIMIT {count:UInt64} SETTINGS optimize_aggregation_in_order = 1",
        parameters,
    )
