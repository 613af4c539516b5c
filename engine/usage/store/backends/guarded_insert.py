"""Inserts that can be called off: how a server is kept from storing, later, what nobody waits for any more. Pure.

An insert whose answer was lost may still be in a socket's buffer, in a proxy, or in a server that hangs, and be
executed at any time. Rows would then appear under a stamp that readers have passed. So:

Rules:
1. Every insert carries its stamp, twice: in its query id, and in a condition that the server evaluates after it has
   listed the query as running: no fence may cover the stamp.
2. To call a stamp off, write a fence that covers it, then end the queries with its id, then see that none is left.
   A query that looked before the fence was there is in the list, and is ended or waited for; one that looks later
   stores nothing. No clock is involved, and it doesn't matter how late the insert is.
3. A fence is kept for a week: no connection holds a request that long.
"""

from collections.abc import Sequence

import pyarrow as pa

# The fences of expired events are another table, in the catalog database (engine.sql.schema).
INSERT_FENCES_TABLE = "fences"

CREATE_INSERT_FENCES = f"""
CREATE TABLE IF NOT EXISTS {INSERT_FENCES_TABLE} (
    from_us Int64,
    to_us Int64,
    made_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (to_us, from_us)
TTL made_at + INTERVAL 7 DAY
"""

# Inclusive ends, in microseconds since 1970.
Span = tuple[int, int]


def query_id(database: str, stamp_us: int) -> str:
    return f"{query_id_prefix(database)}{stamp_us}"


def query_id_prefix(database: str) -> str:
    return f"meterline-{database}-"


def guarded_target(table: str, schema: pa.Schema, stamp_us: int) -> str:
    """What stands between INSERT INTO and FORMAT for rows of this schema."""
    columns = ", ".join(schema.names)
    structure = ", ".join(f"{each.name} {_type_of(each.type)}" for each in schema).replace("'", "\\'")
    return (
        f"{table} ({columns}) SELECT {columns} FROM input('{structure}') "  # noqa: S608 - names are our own
        f"WHERE {not_called_off_sql(stamp_us)}"
    )


def not_called_off_sql(stamp_us: int) -> str:
    """A condition that fails the statement if a fence covers the stamp."""
    fences = (
        f"SELECT count() FROM {INSERT_FENCES_TABLE} WHERE from_us <= {stamp_us:d} AND to_us >= {stamp_us:d}"  # noqa: S608
    )
    return f"throwIf(({fences}) > 0, 'this insert was called off') = 0"


def insert_fences_statement(spans: Sequence[Span]) -> str:
    values = ", ".join(f"({first:d}, {last:d})" for first, last in spans)
    return f"INSERT INTO {INSERT_FENCES_TABLE} (from_us, to_us) VALUES {values}"  # noqa: S608 - numbers only


def running_condition(database: str, spans: Sequence[Span]) -> str:
    """True for the queries whose stamp lies in one of the spans."""
    prefix = query_id_prefix(database)
    stamp = f"toInt64OrZero(substring(query_id, {len(prefix) + 1:d}))"
    within = " OR ".join(f"{stamp} BETWEEN {first:d} AND {last:d}" for first, last in spans)
    return f"startsWith(query_id, '{prefix}') AND ({within})"


def _type_of(arrow: pa.DataType) -> str:
    if pa.types.is_dictionary(arrow):
        return f"LowCardinality({_type_of(arrow.value_type)})"
    if pa.types.is_map(arrow):
        return f"Map({_type_of(arrow.key_type)}, {_type_of(arrow.item_type)})"
    if pa.types.is_timestamp(arrow) and arrow.unit == "us" and arrow.tz == "UTC":
        return "DateTime64(6, 'UTC')"
    for is_type, name in _SIMPLE:
        if is_type(arrow):
            return name
    raise TypeError(f"no column type for {arrow}")


_SIMPLE = (
    (pa.types.is_string, "String"),
    (pa.types.is_int64, "Int64"),
    (pa.types.is_uint64, "UInt64"),
    (pa.types.is_uint32, "UInt32"),
    (pa.types.is_uint8, "UInt8"),
)
