"""The SQL that writes a customer's events and facts anew, under a pseudonym.

Rules:
1. An event keeps its time, its type and its stamp, so a read at an earlier watermark finds what it found. What becomes of
   its properties is said in engine.erasure.treatment; one more says what hash it had (the digest of events, rule 5).
   By that one two versions of an id stay two, also where they differed only in what went.
2. Ids of events get others in the same order: where two events have one time, the greater id is the newer one.
   An id that events of other customers have as well stays: they are conflicts, or were amended to another customer.
3. A fact that is there twice, once as it was and once as it will be, changes nothing: facts of other customers that name
   this one are written anew beside the old ones, which are deleted afterwards.
4. Of events only those that were ingested by the erasure's watermark: what comes later is of a customer whom nobody knows.
5. What deletes names tables, and never the customer (engine.usage.store.tables.erasure_schema).
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from engine.erasure.treatment import Treatment
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.erasure_schema import ErasureTables
from engine.usage.store.tables.event_digest import ERASED_EVENT_PROPERTY, EVENT_HASH_SQL
from engine.usage.store.tables.problem_schema import PROBLEMS_TABLE
from engine.usage.store.tables.properties import DECIMAL_PARAMETERS
from engine.usage.store.tables.rollup_schema import ROLLUPS_TABLE
from engine.usage.store.tables.schema import (
    DRAFTS_TABLE,
    EVENTS_TABLE,
    VOIDS_TABLE,
    content_hash_sql,
    ingested_by_sql,
)
from engine.usage.store.tables.void_sql import BY_PERSON

# In the place of a text that was no decimal, and of a reason.
GONE: Final = "erased"
TENANT: Final = "tenant = {tenant:String}"
BY_THEN: Final = ingested_by_sql("{as_of_us:Int64}")
# Of a property and its text, as one text: no name of a property has a NUL.
_PAIR = "concat(pair.1, char(0), pair.2)"
_FACT_KEPT = (
    *("recorded_at", "voided", "kind", "recorded_by"),
    *("stands_event_type", "stands_event_time", "is_replacement", "first_at", "request_hash"),
)


def theirs(tables: ErasureTables, column: str = "customer_id") -> str:
    """A condition: of the customer who is erased."""
    return f"{column} IN (SELECT customer_id FROM {tables.customer})"


def new_customer_sql(tables: ErasureTables, column: str) -> str:
    """The pseudonym in the place of the customer's id, or of an alias; any other id as it is."""
    noted = f"SELECT customer_id, pseudonym FROM {tables.customer} ORDER BY customer_id"
    # Neither array may be empty.
    olds = f"(SELECT arrayPushBack(groupArray(customer_id), '') FROM ({noted}))"
    news = f"(SELECT arrayPushBack(groupArray(pseudonym), '') FROM ({noted}))"
    return f"transform({column}, {olds}, {news}, {column})"


def note_customer_statement(tables: ErasureTables, pseudonyms: Mapping[str, str]) -> Query:
    """The pseudonym of the customer's id, and of each alias."""
    each = "arrayJoin(arrayZip({ids:Array(String)}, {pseudonyms:Array(String)})) AS each"
    return Query(
        f"INSERT INTO {tables.customer} SELECT each.1, each.2 FROM (SELECT {each})",
        {"ids": list(pseudonyms), "pseudonyms": list(pseudonyms.values())},
    )


def noted_customers_query(tables: ErasureTables) -> Query:
    return Query(f"SELECT customer_id FROM {tables.customer}", {})


def note_ids_statement(tables: ErasureTables, parameters: Parameters) -> Query:
    """Every event id of the customer that is nobody else's, each with another: rule 2."""
    own = _own_ids(tables)
    return Query(
        f"INSERT INTO {tables.ids} SELECT event_id, "
        "concat({pseudonym:String}, '-', leftPad(toString(row_number() OVER (ORDER BY event_id)), 12, '0')) "
        f"FROM (SELECT DISTINCT event_id FROM ({own}) WHERE event_id != '') "
        f"WHERE event_id NOT IN ({_shared_ids(tables)})",
        parameters,
    )


def _own_ids(tables: ErasureTables) -> str:
    return (
        f"SELECT event_id FROM {EVENTS_TABLE} WHERE {TENANT} AND {theirs(tables)} AND {BY_THEN} "
        f"UNION ALL SELECT event_id FROM {VOIDS_TABLE} WHERE {TENANT} "
        f"AND ({theirs(tables)} OR {theirs(tables, 'stands_customer_id')}) "
        # Of what has expired, the id of the newest event of a slice.
        f"UNION ALL SELECT arrayJoin(groups_newest).2 AS event_id FROM {ROLLUPS_TABLE} "
        f"WHERE {TENANT} AND {theirs(tables)}"
    )


def _shared_ids(tables: ErasureTables) -> str:
    own = f"event_id IN ({_own_ids(tables)})"
    others_stand = f"stands_customer_id != '' AND NOT {theirs(tables, 'stands_customer_id')}"
    return (
        f"SELECT event_id FROM {EVENTS_TABLE} WHERE {TENANT} AND NOT {theirs(tables)} AND {own} "
        f"UNION ALL SELECT event_id FROM {VOIDS_TABLE} WHERE {TENANT} "
        f"AND (NOT {theirs(tables)} OR ({others_stand})) AND {own}"
    )


def note_texts_statement(
    tables: ErasureTables,
    parameters: Parameters,
    event_type: str,
    name: str,
    rollup_groups: Sequence[tuple[str, int]],
) -> Query:
    """The values of a property, each with another, in the same order. `rollup_groups`: rollup keys of the type, and at
    which place of their groups the property is, from 1.
    """
    found = [
        f"SELECT properties[{{name:String}}] AS text FROM {table} WHERE {TENANT} AND {theirs(tables)} "
        "AND event_type = {event_type:String} AND mapContains(properties, {name:String})"
        for table in (EVENTS_TABLE, VOIDS_TABLE)
    ]
    bound = parameters | {"event_type": event_type, "name": name}
    for i, (rollup_key, place) in enumerate(rollup_groups):
        bound[f"key_{i}"] = rollup_key
        found.append(
            f"SELECT assumeNotNull(dimensions[{place:d}]) AS text FROM (SELECT arrayJoin(groups_dimensions) AS dimensions "
            f"FROM {ROLLUPS_TABLE} WHERE {TENANT} AND rollup_key = {{key_{i}:String}} AND {theirs(tables)}) "
            f"WHERE isNotNull(dimensions[{place:d}])"
        )
    return Query(
        f"INSERT INTO {tables.texts} SELECT {{event_type:String}}, {{name:String}}, text, "
        f"concat('{GONE}-', leftPad(toString(row_number() OVER (ORDER BY text)), 9, '0')) "
        f"FROM (SELECT DISTINCT text FROM ({' UNION ALL '.join(found)}))",
        bound,
    )


def replaced_text_sql(tables: ErasureTables, pair: str) -> str:
    """What stands in the place of a text; `pair`: its property, NUL, and it. Bound: event_type."""
    of_type = (
        f"SELECT concat(property, char(0), text) AS old, new_text FROM {tables.texts} "
        "WHERE event_type = {event_type:String} ORDER BY old"
    )
    # Neither array may be empty.
    olds = f"(SELECT arrayPushBack(groupArray(old), '') FROM ({of_type}))"
    news = f"(SELECT arrayPushBack(groupArray(new_text), '') FROM ({of_type}))"
    return f"transform({pair}, {olds}, {news}, '{GONE}')"


def _treated(treatment: Treatment) -> Parameters:
    return {
        **DECIMAL_PARAMETERS,
        "names": sorted(treatment.names),
        "numbers": sorted(treatment.numbers),
        "replaced": sorted(treatment.replaced),
    }


def _new_properties_sql(tables: ErasureTables) -> str:
    """The properties of an event afterwards, sorted by key as admission sorts them."""
    value = (
        "multiIf(has({numbers:Array(String)}, pair.1), "
        f"if(match(pair.2, {{quantity_pattern:String}}), pair.2, '{GONE}'), "
        f"has({{replaced:Array(String)}}, pair.1), {replaced_text_sql(tables, _PAIR)}, pair.2)"
    )
    kept = "arrayFilter(pair -> has({names:Array(String)}, pair.1), arrayZip(mapKeys(properties), mapValues(properties)))"
    before = f"('{ERASED_EVENT_PROPERTY}', lower(hex(reinterpretAsFixedString({EVENT_HASH_SQL}))))"
    every = f"arrayPushBack(arrayMap(pair -> (pair.1, {value}), {kept}), {before})"
    return f"CAST(arraySort(pair -> pair.1, {every}), 'Map(String, String)')"


def copy_events_statement(
    tables: ErasureTables, parameters: Parameters, event_type: str, treatment: Treatment, stamp_column: str
) -> Query:
    """The events of a type under the pseudonym. `stamp_column`: what the log's rows take their stamps by."""
    old = (
        f"SELECT tenant, {new_customer_sql(tables, 'customer_id')} AS new_customer, event_type, event_time, event_id, "
        f"{stamp_column} AS stamp, "
        f"{_new_properties_sql(tables)} AS new_properties FROM {EVENTS_TABLE} FINAL "
        f"WHERE {TENANT} AND {theirs(tables)} AND event_type = {{event_type:String}} AND {BY_THEN}"
    )
    return Query(
        f"INSERT INTO {EVENTS_TABLE} (tenant, customer_id, event_type, event_time, event_id, {stamp_column}, properties) "
        "SELECT old.tenant, old.new_customer, old.event_type, old.event_time, "
        "if(ids.new_id = '', old.event_id, ids.new_id), old.stamp, old.new_properties "
        f"FROM ({old}) AS old LEFT ANY JOIN {tables.ids} AS ids ON ids.event_id = old.event_id",
        parameters | _treated(treatment) | {"event_type": event_type},
    )


def note_versions_statement(
    tables: ErasureTables, parameters: Parameters, event_type: str, treatment: Treatment
) -> Query:
    """Of the customer's versions that facts are about, what they will be."""
    key = "customer_id, event_type, event_time, event_id, content_hash"
    new = f"{_new_properties_sql(tables)} AS new_properties"
    where = f"{TENANT} AND {theirs(tables)} AND event_type = {{event_type:String}}"
    corrected = f"event_id IN (SELECT event_id FROM {VOIDS_TABLE} WHERE {TENANT})"
    found = (
        f"SELECT {key}, {new} FROM {EVENTS_TABLE} WHERE {where} AND {corrected} "
        f"UNION ALL SELECT {key}, {new} FROM {VOIDS_TABLE} WHERE {where} AND is_replacement = 1"
    )
    return Query(
        f"INSERT INTO {tables.versions} SELECT {key}, new_properties, {content_hash_sql('new_properties')}, 1 "
        # What is noted stays: facts that were copied name it.
        f"FROM ({found}) WHERE ({key}) NOT IN (SELECT {key} FROM {tables.versions}) LIMIT 1 BY {key}",
        parameters | _treated(treatment) | {"event_type": event_type},
    )


def corrections_query(tables: ErasureTables, parameters: Parameters, texts: Sequence[str]) -> Query:
    """Corrections by people that may have to be replaced: rows of (correction_id, reason, whether it is about nobody
    else).
    """
    about = f"({theirs(tables)} OR {theirs(tables, 'stands_customer_id')})"
    named = (
        "multiSearchAnyCaseInsensitiveUTF8(concat(any(reason), ' ', correction_id), {texts:Array(String)})"
    )
    return Query(
        f"SELECT correction_id, any(reason), countIf(NOT {theirs(tables)}) = 0 FROM {VOIDS_TABLE} "
        f"WHERE {TENANT} AND {BY_PERSON} GROUP BY correction_id HAVING countIf({about}) > 0 OR {named} "
        "ORDER BY correction_id",
        parameters | {"texts": list(texts)},
    )


def note_corrections_statement(tables: ErasureTables, some: Sequence[tuple[str, str, int]]) -> Query:
    """`some`: correction_id, the one in its place, whether its reason goes."""
    ids, new_ids, hides = (list(each) for each in zip(*some, strict=True))
    each = "arrayJoin(arrayZip({ids:Array(String)}, {new_ids:Array(String)}, {hides:Array(UInt8)})) AS each"
    return Query(
        f"INSERT INTO {tables.corrections} SELECT each.1, each.2, each.3, 1 FROM (SELECT {each})",
        {"ids": ids, "new_ids": new_ids, "hides": hides},
    )


def _renamed(tables: ErasureTables) -> str:
    return f"SELECT correction_id FROM {tables.corrections} WHERE new_id != correction_id"


def old_facts_condition(tables: ErasureTables) -> str:
    """Of facts: naming the customer, or of a correction that does. Nothing that is written anew meets it."""
    hidden = f"SELECT correction_id FROM {tables.corrections} WHERE hides_reason = 1"
    return (
        f"({theirs(tables)} OR {theirs(tables, 'stands_customer_id')} OR correction_id IN ({_renamed(tables)}) "
        f"OR undoes IN ({_renamed(tables)}) OR (correction_id IN ({hidden}) AND reason != '{GONE}'))"
    )


def copy_facts_statement(tables: ErasureTables, parameters: Parameters) -> Query:
    """The facts that name the customer, as they will be."""
    columns = {
        "tenant": "fact.tenant",
        "customer_id": new_customer_sql(tables, "fact.customer_id"),
        "event_type": "fact.event_type",
        "event_time": "fact.event_time",
        "event_id": "if(ids.new_id = '', fact.event_id, ids.new_id)",
        "content_hash": "if(version.is_found = 1, version.new_hash, fact.content_hash)",
        "correction_id": "if(correction.is_found = 1, correction.new_id, fact.correction_id)",
        "reason": f"if(correction.hides_reason = 1, '{GONE}', fact.reason)",
        "stands_customer_id": new_customer_sql(tables, "fact.stands_customer_id"),
        "stands_content_hash": "if(standing.is_found = 1, standing.new_hash, fact.stands_content_hash)",
        "properties": "if(fact.is_replacement = 1 AND version.is_found = 1, version.new_properties, fact.properties)",
        "undoes": "if(undone.is_found = 1, undone.new_id, fact.undoes)",
        **{name: f"fact.{name}" for name in _FACT_KEPT},
    }
    key = ("customer_id", "event_type", "event_time", "content_hash")
    same, standing = (
        " AND ".join(f"{joined}.{name} = fact.{before}{name}" for name in key)
        for joined, before in (("version", ""), ("standing", "stands_"))
    )
    joins = (
        f"LEFT ANY JOIN {tables.ids} AS ids ON ids.event_id = fact.event_id",
        f"LEFT ANY JOIN {tables.versions} AS version ON version.event_id = fact.event_id AND {same}",
        f"LEFT ANY JOIN {tables.versions} AS standing ON standing.event_id = fact.event_id AND {standing}",
        f"LEFT ANY JOIN {tables.corrections} AS correction ON correction.correction_id = fact.correction_id",
        f"LEFT ANY JOIN {tables.corrections} AS undone ON undone.correction_id = fact.undoes",
    )
    return Query(
        f"INSERT INTO {VOIDS_TABLE} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM (SELECT * FROM {VOIDS_TABLE} WHERE {TENANT} AND {old_facts_condition(tables)}) AS fact "
        f"{' '.join(joins)}",
        parameters,
    )


def delete_statements(
    tables: ErasureTables, parameters: Parameters, others: Sequence[str]
) -> Iterator[Query]:
    """What was written anew goes as it was; of the tables `others` every row of the customer."""
    yield Query(
        f"ALTER TABLE {EVENTS_TABLE} DELETE WHERE {TENANT} AND {theirs(tables)} AND {BY_THEN}", parameters
    )
    yield Query(
        f"ALTER TABLE {VOIDS_TABLE} DELETE WHERE {TENANT} AND {old_facts_condition(tables)}", parameters
    )
    of_ids = f"event_id IN (SELECT event_id FROM {tables.ids})"
    yield Query(
        f"ALTER TABLE {PROBLEMS_TABLE} DELETE WHERE {TENANT} AND ({theirs(tables)} OR {of_ids})", parameters
    )
    drafted = f"({theirs(tables)} OR {theirs(tables, 'stands_customer_id')})"
    yield Query(f"ALTER TABLE {DRAFTS_TABLE} DELETE WHERE {TENANT} AND {drafted}", parameters)
    for table in others:
        yield Query(f"ALTER TABLE {table} DELETE WHERE {TENANT} AND {theirs(tables)}", parameters)
