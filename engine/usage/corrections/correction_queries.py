"""The SQL of corrections: which events are meant, what was recorded, and what else happened meanwhile.

Rules:
1. What is to be corrected is read from the source that usage is read from, at one watermark.
2. Only events that were first ingested by `settled_us` are meant: of those it is settled which version of an id
   stands (engine.usage.corrections.reconciler). What came in later is as if it came after the correction.
3. The hash of an amended event is computed here, by the expression that computes it for every event of the log.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.usage.corrections.correction import Amendment, PropertyFilter, Selection
from engine.usage.corrections.voids import KEY_COLUMNS, STANDS_COLUMNS
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.event_digest import ERASED_EVENT_PROPERTY
from engine.usage.store.tables.properties import exists_sql, text_sql
from engine.usage.store.tables.schema import DRAFTS_TABLE, VOIDS_TABLE, content_hash_sql, stamp_sql
from engine.usage.store.tables.void_sql import BY_PERSON, KEY, RECORDED_BY_THEN, source_sql

_TENANT = "tenant = {tenant:String}"
_THIS = f"correction_id = {{correction_id:String}} AND {BY_PERSON}"
# Facts that stand for one event: of an amended one the fact of the version that was voided.
_ONE_EACH = "(voided != 0 OR stands_customer_id = '')"


def selected_size_query(tenant: str, selection: Selection, as_of_us: int, settled_us: int) -> Query:
    """How many events are selected, and the bytes of their properties."""
    parameters: Parameters = {"tenant": tenant, "as_of_us": as_of_us, "settled_us": settled_us}
    where = _selection(selection, parameters)
    return Query(f"SELECT count(), sum(byteSize(properties)) FROM {where}", parameters)


def selected_query(
    tenant: str, selection: Selection, amendment: Amendment | None, as_of_us: int, settled_us: int
) -> Query:
    """Each selected event: its key (event_time in us), first_at (us), amended properties and their hash."""
    parameters: Parameters = {"tenant": tenant, "as_of_us": as_of_us, "settled_us": settled_us}
    where = _selection(selection, parameters)
    amended = amended_sql(amendment, parameters)
    return Query(
        f"SELECT {KEY_COLUMNS}, toUnixTimestamp64Micro(first_at), {amended} AS amended, "
        f"{content_hash_sql('amended')} FROM {where} ORDER BY {KEY}",
        parameters,
    )


def _selection(selection: Selection, parameters: Parameters) -> str:
    conditions = [
        _TENANT,
        f"event_time >= {stamp_sql('start_us')}",
        f"event_time < {stamp_sql('end_us')}",
    ]
    parameters |= {"start_us": selection.start_us, "end_us": selection.end_us}
    if selection.customer_ids:
        conditions.append("customer_id IN {customer_ids:Array(String)}")
        parameters["customer_ids"] = list(selection.customer_ids)
    if selection.event_type is not None:
        conditions.append("event_type = {event_type:String}")
        parameters["event_type"] = selection.event_type
    wanted = [f"first_at <= {stamp_sql('settled_us')}"]
    for i, each in enumerate(selection.filters):
        wanted += _filter(each, f"filter_{i}", parameters)
    return f"{source_sql(conditions)} WHERE {' AND '.join(wanted)}"


def _filter(each: PropertyFilter, parameter: str, parameters: Parameters) -> list[str]:
    parameters[parameter] = each.name
    found: list[str] = []
    if each.values:
        parameters[f"{parameter}_values"] = list(each.values)
        found.append(
            f"({exists_sql(parameter)} AND {text_sql(parameter)} IN {{{parameter}_values:Array(String)}})"
        )
    if each.exists is not None:
        found.append(exists_sql(parameter) if each.exists else f"NOT {exists_sql(parameter)}")
    return found


def amended_sql(amendment: Amendment | None, parameters: Parameters) -> str:
    """The properties as the amendment leaves them, sorted by key as admission sorts them. Without the one that says what
    hash an erased event had before: what is made here is another event.
    """
    if amendment is None:
        return "map()::Map(String, String)"
    names = [name for name, _ in amendment.set_properties]
    parameters |= {
        "gone": [ERASED_EVENT_PROPERTY, *amendment.remove_properties, *names],
        "set_names": names,
        "set_texts": [text for _, text in amendment.set_properties],
    }
    kept = "mapFilter((name, text) -> NOT has({gone:Array(String)}, name), properties)"
    added = "mapFromArrays({set_names:Array(String)}, {set_texts:Array(String)})"
    return f"mapSort(mapConcat({kept}, {added}))"


def standing_replacements_query(tenant: str, draft_id: int, as_of_us: int) -> Query:
    """The keys (event_time in us) of a draft's replacements that count already."""
    drafted = f"SELECT {KEY} FROM {DRAFTS_TABLE} WHERE draft_id = {{draft_id:UInt64}} AND is_replacement = 1"
    source = source_sql([_TENANT, f"({KEY}) IN ({drafted})"])
    return Query(
        f"SELECT {KEY_COLUMNS} FROM {source}",
        {"tenant": tenant, "draft_id": draft_id, "as_of_us": as_of_us},
    )


def recorded_query(tenant: str, correction_id: str, as_of_us: int, page: tuple[int, int]) -> Query:
    """Corrections (one, or all if the id is empty), the newest first; `page` is (skip, at most): correction_id, kind,
    recorded_by, reason, recorded_at (us), how many events, request_hash, undoes.
    """
    only = f" AND {_THIS}" if correction_id else f" AND {BY_PERSON}"
    skip, rows_max = page
    return Query(
        "SELECT correction_id, any(kind), any(recorded_by), any(reason), toUnixTimestamp64Micro(max(recorded_at)) AS at, "
        f"countIf({_ONE_EACH}), any(request_hash), any(undoes) FROM {VOIDS_TABLE} FINAL "
        f"WHERE {_TENANT} AND {RECORDED_BY_THEN}{only} GROUP BY correction_id "
        "ORDER BY at DESC, correction_id LIMIT {skip:UInt64}, {rows_max:UInt64}",
        {
            "tenant": tenant,
            "correction_id": correction_id,
            "as_of_us": as_of_us,
            "skip": skip,
            "rows_max": rows_max,
        },
    )


def undone_query(tenant: str, as_of_us: int) -> Query:
    """Every undoing, the oldest first: its correction_id and what it undid. A correction may have been undone several
    times, since an undoing can be undone.
    """
    return Query(
        f"SELECT correction_id, any(undoes) FROM {VOIDS_TABLE} "
        f"WHERE {_TENANT} AND {RECORDED_BY_THEN} AND undoes != '' GROUP BY correction_id "
        "ORDER BY max(recorded_at), correction_id",
        {"tenant": tenant, "as_of_us": as_of_us},
    )


def corrected_query(tenant: str, correction_id: str, as_of_us: int, page: tuple[int, int]) -> Query:
    """The facts of a correction, one for each event: key (event_time in us), voided, and the version that stands
    instead (its customer_id is empty for none).
    """
    skip, rows_max = page
    return Query(
        f"SELECT {KEY_COLUMNS}, voided, {STANDS_COLUMNS} FROM {VOIDS_TABLE} FINAL "
        f"WHERE {_TENANT} AND {RECORDED_BY_THEN} AND {_THIS} AND {_ONE_EACH} "
        f"ORDER BY {KEY} LIMIT {{skip:UInt64}}, {{rows_max:UInt64}}",
        {
            "tenant": tenant,
            "correction_id": correction_id,
            "as_of_us": as_of_us,
            "skip": skip,
            "rows_max": rows_max,
        },
    )


def drop_draft_statement(draft_id: int) -> Query:
    return Query(f"ALTER TABLE {DRAFTS_TABLE} DROP PARTITION {draft_id:d}", {})
