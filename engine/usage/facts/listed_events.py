"""The statements that list events, as pure functions: text and bound parameters out.

Rules:
1. Which events count, for a meter or at all, is decided where it is for usage: `counting_sql` and the conditions of
   engine.usage.facts.event_source. A listing of a line's events is what the line counts.
2. The order is event_time, event_id, then what else tells two versions of an id apart (ORDER). A place in it is an event,
   and a page begins behind it: nothing that comes before is read again.
3. The log is sorted by customer first, so a page of a stretch is found in two steps: up to which instant the next rows
   reach, by the narrow columns alone (`stretch_query`); then the events up to there (`listed_query`). The first may
   count rows twice, and rows that are void: it says how much to read, and nothing of what is listed.
4. A page has at most so many bytes of properties, however large each event is, and at least one event.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.usage.facts.event_source import (
    AFTER_START,
    BEFORE_END,
    OF_CUSTOMERS,
    OF_TENANT_AND_TYPE,
    counting_sql,
    group_conditions,
    parameters_of,
    slice_conditions,
)
from engine.usage.facts.filter_sql import filter_conditions
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE, stamp_sql
from engine.usage.store.tables.void_sql import (
    BY_PERSON,
    INGESTED_BY_THEN,
    KEY,
    RECORDED_BY_THEN,
    voided_sql,
)

_OF_TENANT, _OF_TYPE = OF_TENANT_AND_TYPE
_ORDER = "event_time, event_id, customer_id, event_type, content_hash"
_BEHIND = (
    f"({_ORDER}) > ({stamp_sql('place_us')}, {{place_event_id:String}}, {{place_customer_id:String}}, "
    "{place_event_type:String}, {place_content_hash:UInt32})"
)
_OF_CORRECTION = (
    f"({KEY}) IN (SELECT {KEY} FROM {VOIDS_TABLE} WHERE {_OF_TENANT} AND {RECORDED_BY_THEN} "
    f"AND correction_id = {{correction_id:String}} AND {BY_PERSON})"
)
# Types that an answer names: each has up to 128 bytes.
_EXPIRED_TYPES_MAX = 100


@dataclass(frozen=True, slots=True)
class MeterGroup:
    """What a meter counts: `usage` asks for its customers, its period and its watermark. `group` names the group of a line
    item; None for all groups.
    """

    usage: UsageRequest
    group: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChoice:
    """Which events are listed. They fit all that is set.

    customer_ids, event_ids: empty for any. event_type: None for any.
    start_us, end_us: of event_time; None for no bound.
    meter: has customers, type, period and watermark of its own; these are the same here.
    correction_id: empty, or that of a correction whose events are meant.
    with_void: also what is void.
    """

    tenant: str
    as_of_us: int
    customer_ids: Sequence[str] = ()
    event_type: str | None = None
    event_ids: Sequence[str] = ()
    start_us: int | None = None
    end_us: int | None = None
    meter: MeterGroup | None = None
    correction_id: str = ""
    with_void: bool = False


@dataclass(frozen=True, slots=True)
class EventPlace:
    """An event, in the order of a listing; FIRST stands before all."""

    event_time_us: int = 0
    event_id: str = ""
    customer_id: str = ""
    event_type: str = ""
    content_hash: int = 0


FIRST = EventPlace()


def stretch_query(choice: EventChoice, place: EventPlace, rows_max: int) -> Query:
    """How many of the next `rows_max` rows there are from the instant of a place on, and the instant of the last of them
    (us); a row may be void, or an event that is there twice.
    """
    where, conditions, parameters = _conditions(choice)
    where.append(f"event_time >= {stamp_sql('place_us')}")
    stretch = " AND ".join([*where, *conditions])
    nearest = (
        f"SELECT event_time FROM {EVENTS_TABLE} WHERE {stretch} AND {INGESTED_BY_THEN} UNION ALL "
        f"SELECT event_time FROM {VOIDS_TABLE} WHERE {stretch} AND {RECORDED_BY_THEN} AND is_replacement = 1"
    )
    return Query(
        "SELECT count(), toUnixTimestamp64Micro(max(event_time)) FROM "
        f"(SELECT event_time FROM ({nearest}) ORDER BY event_time LIMIT {{rows_max:UInt64}})",
        parameters | {"place_us": place.event_time_us, "rows_max": rows_max},
    )


def listed_query(
    choice: EventChoice,
    place: EventPlace,
    until_us: int | None,
    *,
    events_max: int,
    bytes_max: int,
    any_facts: bool,
) -> Query:
    """The first events behind a place, up to an instant (inclusive; None for no bound), in their order: event_time (us),
    event_id, customer_id, event_type, content_hash, ingested_at (us), properties, voided_at (us; 0 for one that counts),
    voided_by, and how many there would be without the bound of bytes.
    """
    where, conditions, parameters = _conditions(choice)
    where.append(f"event_time >= {stamp_sql('place_us')}")
    if until_us is not None:
        where.append(f"event_time <= {stamp_sql('until_us')}")
        parameters["until_us"] = until_us
    conditions.append(_BEHIND)
    read = f"{_ORDER}, ingested_at, properties"
    counted = counting_sql(["event_type", "properties"], where, conditions, any_facts=any_facts, draft=False)
    listed = f"SELECT {read}, toInt64(0) AS voided_us, '' AS voided_by FROM ({counted})"
    if choice.with_void and any_facts:
        listed += (
            f" UNION ALL SELECT {read}, toUnixTimestamp64Micro(voided_at) AS voided_us, voided_by "
            f"FROM {voided_sql(where)} WHERE {' AND '.join(conditions)}"
        )
    first = f"SELECT * FROM ({listed}) ORDER BY {_ORDER} LIMIT {{events_max:UInt64}}"
    weighed = (
        "SELECT *, row_number() OVER up_to AS number, sum(byteSize(properties)) OVER up_to AS bytes, count() OVER () AS found "
        f"FROM ({first}) WINDOW up_to AS (ORDER BY {_ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )
    return Query(
        "SELECT toUnixTimestamp64Micro(event_time), event_id, customer_id, event_type, content_hash, "
        "toUnixTimestamp64Micro(ingested_at), properties, voided_us, voided_by, found "
        f"FROM ({weighed}) WHERE number = 1 OR bytes <= {{bytes_max:UInt64}} ORDER BY number",
        parameters
        | {
            "place_us": place.event_time_us,
            "place_event_id": place.event_id,
            "place_customer_id": place.customer_id,
            "place_event_type": place.event_type,
            "place_content_hash": place.content_hash,
            "events_max": events_max,
            "bytes_max": bytes_max,
        },
    )


def any_of_correction_query(choice: EventChoice) -> Query:
    """One row if the correction was recorded by then, and is about one of the customers; none otherwise."""
    customers = [OF_CUSTOMERS] if choice.customer_ids else []
    where = [_OF_TENANT, *customers, "correction_id = {correction_id:String}", BY_PERSON, RECORDED_BY_THEN]
    return Query(
        f"SELECT 1 FROM {VOIDS_TABLE} WHERE {' AND '.join(where)} LIMIT 1",
        {
            "tenant": choice.tenant,
            "customer_ids": list(choice.customer_ids),
            "correction_id": choice.correction_id,
            "as_of_us": choice.as_of_us,
        },
    )


def expired_types_query(choice: EventChoice) -> Query:
    """Of which types events have expired that a listing may be asking for: event_type, before when at most (us), and of how
    many of the customers.
    """
    carries_over = choice.meter is not None and choice.meter.usage.carries_over
    start_us = 0 if carries_over or choice.start_us is None else choice.start_us
    types = [] if choice.event_type is None else [_OF_TYPE]
    customers = [OF_CUSTOMERS] if choice.customer_ids else []
    where = [_OF_TENANT, *types, *customers, f"expired_before > {stamp_sql('start_us')}"]
    return Query(
        "SELECT event_type, toUnixTimestamp64Micro(max(expired_before)), count() "
        f"FROM {EXPIRED_CUSTOMERS_TABLE} FINAL WHERE {' AND '.join(where)} "
        "GROUP BY event_type ORDER BY event_type LIMIT {types_max:UInt64}",
        {
            "tenant": choice.tenant,
            "event_type": choice.event_type or "",
            "customer_ids": list(choice.customer_ids),
            "start_us": start_us,
            "types_max": _EXPIRED_TYPES_MAX,
        },
    )


def _conditions(choice: EventChoice) -> tuple[list[str], list[str], Parameters]:
    """Conditions on the sorting key, conditions on the rest of an event, and what they bind."""
    conditions: list[str] = []
    if choice.meter is not None:
        usage = choice.meter.usage
        parameters = parameters_of(usage)
        where = slice_conditions(usage)
        conditions += filter_conditions(usage.filters, parameters)
        if choice.meter.group is not None:
            conditions += group_conditions(usage, choice.meter.group, parameters)
    else:
        where, parameters = _slice(choice)
    if choice.event_ids:
        where.append("event_id IN {event_ids:Array(String)}")
        parameters["event_ids"] = list(choice.event_ids)
    if choice.correction_id:
        where.append(_OF_CORRECTION)
        parameters["correction_id"] = choice.correction_id
    return where, conditions, parameters


def _slice(choice: EventChoice) -> tuple[list[str], Parameters]:
    where = [_OF_TENANT]
    parameters: Parameters = {"tenant": choice.tenant, "as_of_us": choice.as_of_us}
    if choice.customer_ids:
        where.append(OF_CUSTOMERS)
        parameters["customer_ids"] = list(choice.customer_ids)
    if choice.event_type is not None:
        where.append(_OF_TYPE)
        parameters["event_type"] = choice.event_type
    if choice.start_us is not None:
        where.append(AFTER_START)
        parameters["period_start_us"] = choice.start_us
    if choice.end_us is not None:
        where.append(BEFORE_END)
        parameters["period_end_us"] = choice.end_us
    return where, parameters
