"""Voids: facts that leave an event out of every read from their stamp on, bring it back, or put another there.

Rules:
1. A fact is never changed: what ends a void is a later fact. The log of events itself stays as it is. A version that
   a person puts in the place of another comes with its fact (`Replacement`), so that both are there or neither.
2. The newest fact about a version of an event at a watermark decides, but a fact of kind `id_reused` only where there
   is no other. So two reconcilers, or one that starts again, may record the same twice and late, and change nothing.
   Where a person has decided on an id, what follows for its versions (engine.usage.corrections.id_states) is recorded as `settle`,
   under the same discipline as a correction: nothing else about the tenant may have come in between.
3. Facts are stamped by the clock that stamps events, and no two groups have one stamp: a snapshot at an earlier
   watermark stays as it was, to the byte.
"""
# ruff: noqa: S608 - only names that are written here become SQL

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from engine.usage.store.query import Query, number
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.tables.void_sql import (
    ID_REUSED,
    KEY,
    RECORDED_BETWEEN,
    SETTLE,
    STANDING_KEY,
    UNMADE,
    not_void_at_all_sql,
    released_sql,
)
from ingest import EVENT_SCHEMA, IngestOrder

# One insert is one block of ClickHouse, stored whole or not at all, as long as it has no more rows than this. Undoing
# the largest correction takes as many facts as it has, and some for other versions of its ids.
FACTS_MAX = 200_000
# Who records the engine's own facts, and why.
ENGINE = "reconciler"
ID_REUSED_REASON = "event_id was used before for an event with other content, which stands"
_INSTANT = pa.timestamp("us", "UTC")
_NOTHING_US = 0


class Kind(enum.StrEnum):
    """What made a fact."""

    # The engine's own.
    ID_REUSED = ID_REUSED
    SETTLE = SETTLE
    # A person's decisions.
    VOID = "void"
    AMEND = "amend"
    RESTORE = "restore"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class EventKey:
    """One version of an event: what makes two rows of the log the same event."""

    tenant: str
    customer_id: str
    event_type: str
    event_time_us: int
    event_id: str
    content_hash: int


# The columns that `event_key` reads, and those of the version that stands instead.
KEY_COLUMNS = "customer_id, event_type, toUnixTimestamp64Micro(event_time), event_id, content_hash"
STANDS_COLUMNS = "stands_customer_id, stands_event_type, toUnixTimestamp64Micro(stands_event_time), event_id, stands_content_hash"


def event_key(tenant: str, row: Sequence[object]) -> EventKey:
    """Of the columns customer_id, event_type, event_time (us), event_id and content_hash."""
    customer_id, event_type, time_us, event_id, content_hash = row
    return EventKey(
        tenant, str(customer_id), str(event_type), number(time_us), str(event_id), number(content_hash)
    )


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a version that is not in the log consists of besides its key."""

    properties: Mapping[str, str]
    # When the event that it replaces, or the first of a row of them, was ingested: among the versions of an id it
    # has that one's place.
    first_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """A fact: this version is void from now on, or it is (`voided` False) no longer. `unmade`: void since the amendment
    that made it is undone, until it comes in.
    """

    event: EventKey
    voided: bool
    unmade: bool = False
    kind: Kind
    # The same for all facts of one correction; a correction that is sent again repeats it.
    correction_id: str
    reason: str
    recorded_by: str
    # The version of the same id that stands instead, if one does.
    stands: EventKey | None = None
    replacement: Replacement | None = None
    # Of a person's correction: the hash of what was asked for, and the correction that it undoes.
    request_hash: str = ""
    undoes: str = ""


class VoidSink(Protocol):
    """Where facts become durable."""

    def insert_voids(self, facts: pa.Table, recorded_at_us: int) -> None:
        """Returns when all are durable; raises if that is not sure."""


def record_voids(
    facts: Sequence[Void],
    sink: VoidSink,
    clock: IngestOrder,
    now_us: Callable[[], int],
    still_right: Callable[[int], bool] = lambda _stamp_us: True,
) -> int | None:
    """Makes facts durable under one stamp, and returns it; None for no facts, or if they are not right any more.

    `still_right` is asked with the stamp, before anything is stored under it.

    Raises:
        ValueError: more than FACTS_MAX, which could be stored in part; or two about one version of an event, of
            which neither would be the newer.
        StoreUnavailableError: they may or may not be stored; record them again.
    """
    check_facts(facts)
    if not facts:
        return None
    stamp_us = clock.begin(now_us())
    try:
        right = still_right(stamp_us)
        if right:
            sink.insert_voids(fact_columns(facts, stamp_us), stamp_us)
    except BaseException:
        clock.abandon(stamp_us)
        raise
    clock.end(stamp_us)
    return stamp_us if right else None


def check_facts(facts: Sequence[Void]) -> None:
    """Raises ValueError for facts that can't be one group."""
    if len(facts) > FACTS_MAX:
        raise ValueError(f"{len(facts)} facts in one group; at most {FACTS_MAX} are stored whole")
    if len({fact.event for fact in facts}) < len(facts):
        raise ValueError("two facts about one version of an event in one group: record one after the other")


def fact_columns(facts: Sequence[Void], stamp_us: int) -> pa.Table:
    """The rows of the table of voids."""
    nothing = EventKey("", "", "", _NOTHING_US, "", 0)
    return pa.table(
        _key_columns([fact.event for fact in facts])
        | {
            "recorded_at": pa.array([stamp_us] * len(facts), _INSTANT),
            "voided": pa.array([UNMADE if fact.unmade else int(fact.voided) for fact in facts], pa.uint8()),
            "kind": pa.array([fact.kind.value for fact in facts]),
            "correction_id": pa.array([fact.correction_id for fact in facts]),
            "reason": pa.array([fact.reason for fact in facts]),
            "recorded_by": pa.array([fact.recorded_by for fact in facts]),
            "request_hash": pa.array([fact.request_hash for fact in facts]),
            "undoes": pa.array([fact.undoes for fact in facts]),
        }
        | _stands_columns([fact.stands or nothing for fact in facts])
        | _replacement_columns([fact.replacement for fact in facts])
    )


def _key_columns(events: Sequence[EventKey]) -> dict[str, pa.Array]:
    return {
        "tenant": pa.array([each.tenant for each in events]),
        "customer_id": pa.array([each.customer_id for each in events]),
        "event_type": pa.array([each.event_type for each in events]),
        "event_time": pa.array([each.event_time_us for each in events], _INSTANT),
        "event_id": pa.array([each.event_id for each in events]),
        "content_hash": pa.array([each.content_hash for each in events], pa.uint32()),
    }


def _stands_columns(stands: Sequence[EventKey]) -> dict[str, pa.Array]:
    columns = _key_columns(stands)
    names = ("customer_id", "event_type", "event_time", "content_hash")
    return {f"stands_{name}": columns[name] for name in names}


def _replacement_columns(replacements: Sequence[Replacement | None]) -> dict[str, pa.Array]:
    # Sorted by the bytes of the key, as admission does it: the digest of an event's properties depends on it.
    maps = [
        sorted(each.properties.items(), key=lambda pair: pair[0].encode()) if each is not None else []
        for each in replacements
    ]
    return {
        "is_replacement": pa.array([int(each is not None) for each in replacements], pa.uint8()),
        "properties": pa.array(maps, pa.map_(pa.string(), pa.string())),
        "first_at": pa.array(
            [_NOTHING_US if each is None else each.first_at_us for each in replacements], _INSTANT
        ),
    }


# What a gateway hears of what was decided: the events behind the facts of a stretch of time.
_COLUMNS = ", ".join(EVENT_SCHEMA.names)
# An event that was sent again may be there twice, until ClickHouse merges the two.
_PAGE = f"LIMIT 1 BY {KEY} LIMIT {{events_max:UInt64}} OFFSET {{first:UInt64}}"


@dataclass(frozen=True, slots=True)
class Heard:
    """The facts recorded after one instant, up to another; microseconds since 1970."""

    after_us: int
    until_us: int


def newest_heard_query(after_us: int, until_us: int, facts_max: int) -> Query:
    """The last stamp of the next `facts_max` facts; 0 for none."""
    return Query(
        "SELECT toUnixTimestamp64Micro(max(recorded_at)) FROM ("
        f"SELECT recorded_at FROM {VOIDS_TABLE} WHERE {RECORDED_BETWEEN} ORDER BY recorded_at LIMIT {{facts_max:UInt64}})",
        {"after_us": after_us, "until_us": until_us, "facts_max": facts_max},
    )


def void_events_query(heard: Heard, first: int, events_max: int) -> Query:
    """A page of the events that the facts are about and by which their id is known no more."""
    return _events(f"({KEY}) IN ({released_sql(RECORDED_BETWEEN)})", heard, first, events_max)


def standing_events_query(heard: Heard, first: int, events_max: int) -> Query:
    """A page of the events that stand instead, by these facts, and are not void themselves."""
    standing = f"SELECT {STANDING_KEY} FROM {VOIDS_TABLE} WHERE {RECORDED_BETWEEN}"
    return _events(f"({KEY}) IN ({standing}) AND {not_void_at_all_sql()}", heard, first, events_max)


def _events(condition: str, heard: Heard, first: int, events_max: int) -> Query:
    return Query(
        f"SELECT {_COLUMNS} FROM {EVENTS_TABLE} WHERE {condition} ORDER BY {KEY} {_PAGE}",
        {"after_us": heard.after_us, "until_us": heard.until_us, "events_max": events_max, "first": first},
    )
