"""The histories of ids, read from the log and the facts: what engine.usage.corrections.id_states works on.

Rules:
1. A history is a snapshot: all that had arrived and been recorded by a watermark.
2. All versions of an id are in it, whatever customer, type or time they have: ids are found by the column of ids.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.usage.corrections.correction import Amendment, Standing
from engine.usage.corrections.correction_queries import amended_sql
from engine.usage.corrections.id_states import IdHistory, RecordedFact
from engine.usage.corrections.voids import KEY_COLUMNS, STANDS_COLUMNS, EventKey, Kind, event_key
from engine.usage.store.query import Parameters, Query, number
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, content_hash_sql
from engine.usage.store.tables.void_sql import BY_PERSON, INGESTED_BY_THEN, KEY, RECORDED_BY_THEN, UNMADE
from engine.usage.store.usage_store import Row, UsageStore

_TENANT = "tenant = {tenant:String}"
_FACT_COLUMNS = (
    f"{KEY_COLUMNS}, toUnixTimestamp64Micro(recorded_at) AS recorded_us, kind, voided, correction_id, undoes, "
    "is_replacement, toUnixTimestamp64Micro(first_at), "
    f"{STANDS_COLUMNS}"
)
# 128 bytes each, in one statement (engine.usage.corrections.reconciler has the bound of a parameter).
IDS_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class IdVersion:
    """A version with what an amendment would make of it; `arrived_at_us` is None for one that is not in the log."""

    event: Standing
    arrived_at_us: int | None


@dataclass(frozen=True, slots=True)
class WantedIds:
    """Ids of one tenant: these, or those that a correction is about."""

    tenant: str
    event_ids: Sequence[str] = ()
    correction_id: str = ""

    def condition(self, parameters: Parameters) -> str:
        parameters["tenant"] = self.tenant
        if not self.correction_id:
            parameters["event_ids"] = list(self.event_ids)
            return f"{_TENANT} AND event_id IN {{event_ids:Array(String)}}"
        parameters["correction_id"] = self.correction_id
        of_correction = (
            f"SELECT event_id FROM {VOIDS_TABLE} WHERE {_TENANT} AND {BY_PERSON} "
            f"AND correction_id = {{correction_id:String}} AND {RECORDED_BY_THEN}"
        )
        return f"{_TENANT} AND event_id IN ({of_correction})"


def id_versions_query(wanted: WantedIds, amendment: Amendment | None, as_of_us: int, rows_max: int) -> Query:
    """Every version of these ids: its key (event_time in us), when it arrived in the log (us; 0 for a version that is
    not there), its place (us), amended properties and their hash.
    """
    parameters: Parameters = {"as_of_us": as_of_us, "rows_max": rows_max}
    ids = wanted.condition(parameters)
    rows = (
        f"SELECT {KEY}, properties, ingested_at AS came_at, 1 AS in_log FROM {EVENTS_TABLE} "
        f"WHERE {ids} AND {INGESTED_BY_THEN} "
        f"UNION ALL SELECT {KEY}, properties, first_at AS came_at, 0 AS in_log FROM {VOIDS_TABLE} "
        f"WHERE {ids} AND {RECORDED_BY_THEN} AND is_replacement = 1"
    )
    versions = (
        f"SELECT {KEY}, any(properties) AS properties, min(came_at) AS place, "
        f"minIf(came_at, in_log = 1) AS arrived FROM ({rows}) GROUP BY {KEY}"
    )
    amended = amended_sql(amendment, parameters)
    return Query(
        f"SELECT {KEY_COLUMNS}, toUnixTimestamp64Micro(arrived), toUnixTimestamp64Micro(place), "
        f"{amended} AS amended, {content_hash_sql('amended')} FROM ({versions}) "
        f"ORDER BY event_id, {KEY} LIMIT {{rows_max:UInt64}}",
        parameters,
    )


def id_facts_query(wanted: WantedIds, as_of_us: int) -> Query:
    """Every fact about these ids, the oldest first, each once."""
    parameters: Parameters = {"as_of_us": as_of_us}
    ids = wanted.condition(parameters)
    return Query(
        f"SELECT {_FACT_COLUMNS} FROM {VOIDS_TABLE} FINAL WHERE {ids} AND {RECORDED_BY_THEN} "
        f"ORDER BY recorded_us, {KEY}, correction_id",
        parameters,
    )


def corrected_ids_query(hashes: Sequence[int] | None, after: tuple[str, str], rows_max: int) -> Query:
    """(tenant, event_id) of ids that a person has ever decided on: of these hashes (engine.usage.corrections.conflict_queries), or
    of all; in their order, behind `after`.
    """
    parameters: Parameters = {"after_tenant": after[0], "after_id": after[1], "rows_max": rows_max}
    among = ""
    if hashes is not None:
        parameters["ids"] = list(hashes)
        among = " AND cityHash64(tenant, event_id) IN {ids:Array(UInt64)}"
    return Query(
        f"SELECT DISTINCT tenant, event_id FROM {VOIDS_TABLE} WHERE {BY_PERSON}{among} "
        "AND (tenant, event_id) > ({after_tenant:String}, {after_id:String}) "
        "ORDER BY tenant, event_id LIMIT {rows_max:UInt64}",
        parameters,
    )


def read_versions(
    store: UsageStore, wanted: WantedIds, amendment: Amendment | None, as_of_us: int, rows_max: int
) -> list[IdVersion]:
    """At most `rows_max` versions of these ids, whole ids first.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [
        _version(wanted.tenant, row)
        for row in store.query(id_versions_query(wanted, amendment, as_of_us, rows_max))
    ]


def read_histories(
    store: UsageStore, wanted: WantedIds, versions: Sequence[IdVersion], as_of_us: int
) -> dict[str, IdHistory]:
    """The history of each of these ids, whose versions are given.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    facts: Mapping[str, list[RecordedFact]] = defaultdict(list)
    for fact in _facts(wanted.tenant, store.query(id_facts_query(wanted, as_of_us))):
        facts[fact.event.event_id].append(fact)
    arrived: Mapping[str, dict[EventKey, int]] = defaultdict(dict)
    for version in versions:
        if version.arrived_at_us is not None:
            arrived[version.event.key.event_id][version.event.key] = version.arrived_at_us
    return {
        event_id: IdHistory(arrived.get(event_id, {}), facts.get(event_id, []))
        for event_id in sorted({*facts, *arrived})
    }


def _version(tenant: str, row: Row) -> IdVersion:
    arrived_us, place_us, amended, amended_hash = row[5:]
    if not isinstance(amended, Mapping):
        raise TypeError(f"the usage store returned properties of type {type(amended).__name__}")
    standing = Standing(event_key(tenant, row[:5]), number(place_us), amended, number(amended_hash))
    return IdVersion(standing, number(arrived_us) or None)


def _facts(tenant: str, rows: Sequence[Row]) -> Iterator[RecordedFact]:
    for row in rows:
        recorded_us, kind, voided, correction_id, undoes, is_replacement, place_us = row[5:12]
        yield RecordedFact(
            event=event_key(tenant, row[:5]),
            recorded_at_us=number(recorded_us),
            kind=Kind(str(kind)),
            voided=bool(voided),
            unmade=voided == UNMADE,
            correction_id=str(correction_id),
            undoes=str(undoes),
            stands=event_key(tenant, row[12:]) if row[12] else None,
            is_replacement=bool(is_replacement),
            place_us=number(place_us),
        )
