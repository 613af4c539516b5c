"""The SQL that finds what the usage store holds about a customer."""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence

from engine.erasure.rewriting import BY_THEN, TENANT, theirs
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.erasure_schema import ErasureTables
from engine.usage.store.tables.problem_schema import PROBLEMS_TABLE
from engine.usage.store.tables.rollup_schema import ROLLUPS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, stamp_sql

_IDS = "{customer_ids:Array(String)}"
_OF_CUSTOMER = f"{TENANT} AND customer_id IN {_IDS}"
_NAMING = f"{TENANT} AND (customer_id IN {_IDS} OR stands_customer_id IN {_IDS})"


def held_count_queries(tenant: str, customer_ids: Sequence[str]) -> dict[str, Query]:
    """How many rows there are, by the names of engine.erasure.extent.ErasureFindings."""
    parameters: Parameters = {"tenant": tenant, "customer_ids": list(customer_ids)}
    conditions = {
        "events": f"{EVENTS_TABLE} WHERE {_OF_CUSTOMER}",
        "facts": f"{VOIDS_TABLE} WHERE {_NAMING}",
        "problems": f"{PROBLEMS_TABLE} WHERE {_OF_CUSTOMER}",
        "rollup_rows": f"{ROLLUPS_TABLE} FINAL WHERE {_OF_CUSTOMER}",
    }
    return {name: Query(f"SELECT count() FROM {each}", parameters) for name, each in conditions.items()}


def names_in_use_query(tenant: str, customer_ids: Sequence[str]) -> Query:
    """Event types and names of properties that the customer's usage has."""
    found = (
        f"SELECT event_type, arrayJoin(mapKeys(properties)) AS name FROM {table} WHERE {_OF_CUSTOMER}"
        for table in (EVENTS_TABLE, VOIDS_TABLE)
    )
    return Query(
        f"SELECT DISTINCT event_type, name FROM ({' UNION ALL '.join(found)}) ORDER BY event_type, name",
        {"tenant": tenant, "customer_ids": list(customer_ids)},
    )


def event_types_query(tables: ErasureTables, parameters: Parameters) -> Query:
    """The event types of what is erased."""
    return Query(
        f"SELECT DISTINCT event_type FROM (SELECT event_type FROM {EVENTS_TABLE} WHERE {TENANT} AND {theirs(tables)} "
        f"AND {BY_THEN} UNION ALL SELECT event_type FROM {VOIDS_TABLE} WHERE {TENANT} AND {theirs(tables)} "
        f"UNION ALL SELECT stands_event_type AS event_type FROM {VOIDS_TABLE} WHERE {TENANT} "
        f"AND {theirs(tables, 'stands_customer_id')}) ORDER BY event_type",
        parameters,
    )


def stretch_query(tables: ErasureTables, parameters: Parameters) -> Query:
    """The time of the first event, and of the last, in us; also of what has expired. None where there is none."""
    times = (
        f"SELECT toUnixTimestamp64Micro(event_time) AS time_us FROM {EVENTS_TABLE} WHERE {TENANT} AND {theirs(tables)}",
        f"SELECT toUnixTimestamp64Micro(event_time) FROM {VOIDS_TABLE} WHERE {TENANT} AND {theirs(tables)}",
        f"SELECT toInt64(toUnixTimestamp(slice_start)) * 1000000 FROM {ROLLUPS_TABLE} WHERE {TENANT} AND {theirs(tables)}",
    )
    return Query(
        f"SELECT minOrNull(time_us), maxOrNull(time_us) FROM ({' UNION ALL '.join(times)})", parameters
    )


def stamp_column_query() -> Query:
    """What rows of the log take their stamps by: a server's table of an earlier form makes the rank itself."""
    return Query(
        "SELECT if(default_kind = 'ALIAS', 'ingest_rank', 'ingested_at') FROM system.columns "
        f"WHERE database = currentDatabase() AND table = '{EVENTS_TABLE}' AND name = 'ingested_at'",
        {},
    )


def events_page_query(
    tenant: str,
    customer_ids: Sequence[str],
    as_of_us: int,
    after: tuple[str, str, int, str, int],
    rows_max: int,
) -> Query:
    """Events behind a place (customer_id, event_type, event_time in us, event_id, content_hash), in this order: these, ingested_at (us)
    and properties.
    """
    customer_id, event_type, time_us, event_id, content_hash = after
    return Query(
        "SELECT customer_id, event_type, toUnixTimestamp64Micro(event_time), event_id, content_hash, "
        f"toUnixTimestamp64Micro(ingested_at), properties FROM {EVENTS_TABLE} FINAL "
        f"WHERE {_OF_CUSTOMER} AND {BY_THEN} AND (customer_id, toString(event_type), event_time, event_id, content_hash) > "
        f"({{customer_id:String}}, {{event_type:String}}, {stamp_sql('time_us')}, {{event_id:String}}, {{content_hash:UInt32}}) "
        "ORDER BY customer_id, event_type, event_time, event_id, content_hash LIMIT {rows_max:UInt64}",
        {
            "tenant": tenant,
            "customer_ids": list(customer_ids),
            "as_of_us": as_of_us,
            "customer_id": customer_id,
            "event_type": event_type,
            "time_us": time_us,
            "event_id": event_id,
            "content_hash": content_hash,
            "rows_max": rows_max,
        },
    )


_ROWS = {
    "corrections": (
        (
            "customer_id, event_type, toUnixTimestamp64Micro(event_time) AS event_time_us, event_id, "
            "toUnixTimestamp64Micro(recorded_at) AS recorded_at_us, voided, kind, correction_id, reason, recorded_by, "
            "stands_customer_id, is_replacement, properties"
        ),
        f"{VOIDS_TABLE} FINAL WHERE {_NAMING}",
        "recorded_at, event_id, content_hash, correction_id",
    ),
    "problems": (
        (
            "customer_id, toUnixTimestamp64Micro(received_at) AS received_at_us, verdict, reason, field, event_id, event_type, "
            "toUnixTimestamp64Micro(event_time) AS event_time_us, credential"
        ),
        f"{PROBLEMS_TABLE} WHERE {_OF_CUSTOMER}",
        "received_at, problem_id",
    ),
    "usage_by_hour": (
        "customer_id, rollup_key, slice_s, toUnixTimestamp(slice_start) AS slice_start_s, groups_dimensions, groups_event_count",
        f"{ROLLUPS_TABLE} FINAL WHERE {_OF_CUSTOMER}",
        "rollup_key, slice_s, customer_id, slice_start",
    ),
}
ROW_SECTIONS = tuple(_ROWS)


def rows_page_query(
    section: str, tenant: str, customer_ids: Sequence[str], skip: int, rows_max: int
) -> Query:
    """Some rows of a section, each as one JSON text."""
    columns, source, order = _ROWS[section]
    names = [each.rpartition(" ")[2] for each in columns.split(", ")]
    fields = ", ', ', ".join(f"'\"{name}\": ', toJSONString({name})" for name in names)
    return Query(
        f"SELECT concat('{{', {fields}, '}}') "
        f"FROM (SELECT {columns} FROM {source} ORDER BY {order} "
        "LIMIT {skip:UInt64}, {rows_max:UInt64})",
        {"tenant": tenant, "customer_ids": list(customer_ids), "skip": skip, "rows_max": rows_max},
    )
