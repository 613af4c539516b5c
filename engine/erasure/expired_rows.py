"""The SQL that writes what is left of a customer's expired usage anew, under a pseudonym: rows of rollups.

Rules:
1. Only rows of a stretch whose events have expired: all others are computed again from the events.
2. Groups and ids of events get what events get in their place (engine.erasure.rewriting). Of a value that unique_count
   tells apart rows have a hash: the one of the text that events have now, where events have it, and another of its own
   otherwise. So a count over both says what it said.
3. Markers stand in for the customer among those who have rows: who remembers them by how many there are
   (engine.usage.rollups.coverage, rule 3) sees that somebody has gone.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Iterator, Sequence

from engine.erasure.rewriting import TENANT, new_customer_sql, replaced_text_sql, theirs
from engine.erasure.treatment import Treatment
from engine.usage.facts.usage_request import Measure
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.erasure_schema import ErasureTables
from engine.usage.store.tables.partials import ALL_PARTIALS, DISTINCT, NEWEST
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.rollup_schema import (
    DAY_S,
    GROUP_DIMENSIONS,
    HOUR_S,
    ROLLUP_CUSTOMERS_TABLE,
    ROLLUPS_TABLE,
    groups_column,
)

_NEWEST, _DISTINCT = groups_column(NEWEST.name), groups_column(DISTINCT.name)
_AS_THEY_ARE = ("tenant", "rollup_key", "slice_s", "slice_start", "rolled_up_at", "last_change")


def expired_types_query(tables: ErasureTables, parameters: Parameters) -> Query:
    """Event types of which something of the customer's has expired, and before which instant (us)."""
    return Query(
        f"SELECT event_type, toUnixTimestamp64Micro(max(expired_before)) FROM {EXPIRED_CUSTOMERS_TABLE} "
        f"WHERE {TENANT} AND {theirs(tables)} GROUP BY event_type ORDER BY event_type",
        parameters,
    )


def copy_expired_customer_statement(tables: ErasureTables, parameters: Parameters) -> Query:
    kept = "expired_before, verified_at, recorded_at, first_form_before"
    return Query(
        f"INSERT INTO {EXPIRED_CUSTOMERS_TABLE} (tenant, event_type, customer_id, {kept}) "
        f"SELECT tenant, event_type, {new_customer_sql(tables, 'customer_id')}, {kept} FROM {EXPIRED_CUSTOMERS_TABLE} FINAL "
        f"WHERE {TENANT} AND {theirs(tables)}",
        parameters,
    )


def copy_rows_statements(
    tables: ErasureTables,
    parameters: Parameters,
    meter: Measure,
    treatment: Treatment,
    before_us: int,
) -> Iterator[Query]:
    """The rows of a meter before an instant, of today's form and of the first."""
    columns = {name: name for name in _AS_THEY_ARE}
    columns |= {groups_column(each.name): groups_column(each.name) for each in ALL_PARTIALS}
    columns["customer_id"] = new_customer_sql(tables, "customer_id")
    bound = parameters | {"event_type": meter.event_type, "before_us": before_us}
    columns[GROUP_DIMENSIONS] = _dimensions_sql(tables, meter.rollup_group_by, treatment, bound)
    columns[_NEWEST] = _newest_sql(tables)
    if isinstance(meter.value, str) and meter.value in treatment.replaced:
        bound["value_property"] = meter.value
        columns[_DISTINCT] = _distinct_sql(tables)
    for rollup_key in (meter.rollup_key, meter.first_form_key):
        if rollup_key is not None:
            yield Query(
                f"INSERT INTO {ROLLUPS_TABLE} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
                f"FROM {ROLLUPS_TABLE} FINAL WHERE {TENANT} AND rollup_key = {{rollup_key:String}} "
                f"AND slice_s = {HOUR_S:d} AND {theirs(tables)} "
                "AND toUnixTimestamp(slice_start) * 1000000 < {before_us:Int64}",
                bound | {"rollup_key": rollup_key},
            )


def _dimensions_sql(
    tables: ErasureTables, group_by: Sequence[str], treatment: Treatment, bound: Parameters
) -> str:
    if not set(group_by) & treatment.replaced:
        return GROUP_DIMENSIONS
    values = []
    for place, name in enumerate(group_by, start=1):
        value = f"dimensions[{place:d}]"
        if name in treatment.replaced:
            bound[f"group_{place:d}"] = name
            pair = f"concat({{group_{place:d}:String}}, char(0), assumeNotNull({value}))"
            value = f"if(isNull({value}), NULL, {replaced_text_sql(tables, pair)})"
        values.append(value)
    made = f"arrayMap(dimensions -> [{', '.join(values)}]::Array(Nullable(String)), {GROUP_DIMENSIONS})"
    return f"CAST({made}, 'Array(Array(Nullable(String)))')"


def _newest_sql(tables: ErasureTables) -> str:
    of_rows = f"SELECT arrayJoin({_NEWEST}).2 FROM {ROLLUPS_TABLE} WHERE {TENANT} AND {theirs(tables)}"
    noted = f"SELECT event_id, new_id FROM {tables.ids} WHERE event_id IN ({of_rows}) ORDER BY event_id"
    olds = f"(SELECT arrayPushBack(groupArray(event_id), '') FROM ({noted}))"
    news = f"(SELECT arrayPushBack(groupArray(new_id), '') FROM ({noted}))"
    made = f"arrayMap(each -> (each.1, transform(each.2, {olds}, {news}, each.2), each.3, each.4), {_NEWEST})"
    escaped = NEWEST.type.replace("'", "\\'")
    return f"CAST({made}, 'Array({escaped})')"


def _distinct_sql(tables: ErasureTables) -> str:
    noted = (
        "SELECT toString(reinterpretAsUInt128(sipHash128(text))) AS old, "
        f"toString(reinterpretAsUInt128(sipHash128(new_text))) AS new FROM {tables.texts} "
        "WHERE event_type = {event_type:String} AND property = {value_property:String} ORDER BY old"
    )
    olds = f"(SELECT arrayPushBack(groupArray(old), '') FROM ({noted}))"
    news = f"(SELECT arrayPushBack(groupArray(new), '') FROM ({noted}))"
    other = "toString(reinterpretAsUInt128(sipHash128({salt:String}, each)))"
    made = f"toUInt128(transform(toString(each), {olds}, {news}, {other}))"
    return f"arrayMap(hashes -> arrayMap(each -> {made}, hashes), {_DISTINCT})"


def mark_gone_statement(tables: ErasureTables, parameters: Parameters) -> Query:
    """Rule 3: of each key as many markers as the customer has entries, and one more."""
    return Query(
        f"INSERT INTO {ROLLUP_CUSTOMERS_TABLE} (tenant, rollup_key, customer_id, slice_s) "
        f"SELECT tenant, rollup_key, concat({{pseudonym:String}}, ':', toString(arrayJoin(range(entries + 1)))), {DAY_S:d} "
        f"FROM (SELECT tenant, rollup_key, uniqExact(customer_id, slice_s) AS entries FROM {ROLLUP_CUSTOMERS_TABLE} "
        f"WHERE {TENANT} AND {theirs(tables)} GROUP BY tenant, rollup_key)",
        parameters,
    )
