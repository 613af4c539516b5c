"""The SQL of an expiry: who has events before an instant, what is recorded, what is deleted."""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping

from engine.usage.facts.event_source import OF_TENANT_AND_TYPE
from engine.usage.query.expiries import ExpiredKey
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE, EXPIRED_KEYS_TABLE
from engine.usage.store.tables.rollup_schema import HOUR_S, ROLLUP_CUSTOMERS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, ingested_by_sql, stamp_sql

_OF_TYPE = " AND ".join(OF_TENANT_AND_TYPE)


def holders_query(tenant: str, event_type: str, before_us: int) -> Query:
    """Customers with events of a type before an instant: rows of (customer_id, all its events of the type, those before
    the instant, time of the first in us). A retry may count twice.
    """
    return Query(
        f"SELECT customer_id, count(), countIf(event_time < {stamp_sql('before_us')}) AS events, "
        f"toUnixTimestamp64Micro(min(event_time)) FROM {EVENTS_TABLE} WHERE {_OF_TYPE} "
        "GROUP BY customer_id HAVING events > 0 ORDER BY customer_id",
        {"tenant": tenant, "event_type": event_type, "before_us": before_us},
    )


def first_fact_query(tenant: str, event_type: str, before_us: int) -> Query:
    """When the earliest event is that a fact is about; the instant itself if there is none before it."""
    return Query(
        f"SELECT ifNull(minOrNull(toUnixTimestamp64Micro(least(event_time, {stamp_sql('before_us')}))), "
        f"{{before_us:Int64}}) FROM {VOIDS_TABLE} WHERE {_OF_TYPE}",
        {"tenant": tenant, "event_type": event_type, "before_us": before_us},
    )


def expired_query(tenant: str, event_type: str) -> Query:
    """Rows of (customer_id, expired_before, verified_at, first_form_before; in us)."""
    return Query(
        "SELECT customer_id, toUnixTimestamp64Micro(expired_before), toUnixTimestamp64Micro(verified_at), "
        "toUnixTimestamp64Micro(first_form_before) "
        f"FROM {EXPIRED_CUSTOMERS_TABLE} FINAL WHERE {_OF_TYPE}",
        {"tenant": tenant, "event_type": event_type},
    )


def covered_by_hours_query(tenant: str, rollup_key: str) -> Query:
    return Query(
        f"SELECT DISTINCT customer_id FROM {ROLLUP_CUSTOMERS_TABLE} WHERE tenant = {{tenant:String}} "
        f"AND rollup_key = {{rollup_key:String}} AND slice_s = {HOUR_S:d}",
        {"tenant": tenant, "rollup_key": rollup_key},
    )


def record_key_statement(tenant: str, rollup_key: str, key: ExpiredKey) -> Query:
    return Query(
        f"INSERT INTO {EXPIRED_KEYS_TABLE} (tenant, event_type, rollup_key, rows_from, expired_before, recorded_at) "
        f"SELECT {{tenant:String}}, {{event_type:String}}, {{rollup_key:String}}, {stamp_sql('rows_from_us')}, "
        f"{stamp_sql('before_us')}, {stamp_sql('recorded_at_us')}",
        {
            "tenant": tenant,
            "event_type": key.event_type,
            "rollup_key": rollup_key,
            "rows_from_us": key.rows_from_us,
            "before_us": key.before_us,
            "recorded_at_us": key.recorded_at_us,
        },
    )


def record_customers_statement(
    tenant: str, event_type: str, first_form_us: Mapping[str, int], before_us: int, verified_us: int
) -> Query:
    """`first_form_us`: of each customer, what lies before this instant is in rows of the first form."""
    each = "arrayJoin(arrayZip({customers:Array(String)}, {first_form_us:Array(Int64)})) AS each"
    return Query(
        f"INSERT INTO {EXPIRED_CUSTOMERS_TABLE} "
        "(tenant, event_type, customer_id, expired_before, verified_at, recorded_at, first_form_before) "
        f"SELECT {{tenant:String}}, {{event_type:String}}, each.1, {stamp_sql('before_us')}, "
        f"{stamp_sql('verified_us')}, {stamp_sql('verified_us')}, fromUnixTimestamp64Micro(each.2, 'UTC') "
        f"FROM (SELECT {each})",
        {
            "tenant": tenant,
            "event_type": event_type,
            "customers": list(first_form_us),
            "first_form_us": list(first_form_us.values()),
            "before_us": before_us,
            "verified_us": verified_us,
        },
    )


def deletable_query(tenant: str, event_type: str, before_us: int, verified_us: int) -> Query:
    """How many events are left of the customers that expired at once, and of how many of them."""
    condition, parameters = _deletable(tenant, event_type, before_us, verified_us)
    return Query(f"SELECT count(), uniqExact(customer_id) FROM {EVENTS_TABLE} WHERE {condition}", parameters)


def delete_statement(tenant: str, event_type: str, before_us: int, verified_us: int) -> Query:
    condition, parameters = _deletable(tenant, event_type, before_us, verified_us)
    return Query(f"ALTER TABLE {EVENTS_TABLE} DELETE WHERE {condition}", parameters)


def size_query(before_us: int) -> Query:
    """Bytes on disk, and rows, of the months before an instant, of all tenants together."""
    return Query(
        "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE database = currentDatabase() "
        f"AND table = '{EVENTS_TABLE}' AND active AND partition < toString(toYYYYMM({stamp_sql('before_us')}))",
        {"before_us": before_us},
    )


def _deletable(tenant: str, event_type: str, before_us: int, verified_us: int) -> tuple[str, Parameters]:
    # Only what was there when the rows were verified: what came in later is in none.
    customers = (
        f"SELECT customer_id FROM {EXPIRED_CUSTOMERS_TABLE} FINAL WHERE {_OF_TYPE} "
        f"AND expired_before = {stamp_sql('before_us')} AND verified_at = {stamp_sql('verified_us')}"
    )
    conditions = [
        _OF_TYPE,
        f"event_time < {stamp_sql('before_us')}",
        ingested_by_sql("{verified_us:Int64}"),
        f"customer_id IN ({customers})",
    ]
    return (
        " AND ".join(conditions),
        {"tenant": tenant, "event_type": event_type, "before_us": before_us, "verified_us": verified_us},
    )
