"""What came in about a line's usage between two watermarks: counts, by one statement over the log and one over the facts."""

# ruff: noqa: S608 - only names that are written here become SQL

from engine.billing.explaining.explanation import FactsBetween
from engine.usage.facts.event_source import (
    AFTER_START,
    BEFORE_END,
    OF_CUSTOMERS,
    OF_TENANT_AND_TYPE,
    events_sql,
    group_conditions,
    parameters_of,
)
from engine.usage.facts.listed_events import MeterGroup
from engine.usage.store.query import Query, number
from engine.usage.store.tables.schema import VOIDS_TABLE, ingested_after_sql
from engine.usage.store.tables.void_sql import RECORDED_BETWEEN
from engine.usage.store.usage_store import UsageStore

# What a fact of each kind is counted as (engine.usage.corrections.voids).
_COUNTED = {
    "void": "voided",
    "amend": "amended",
    "restore": "restored",
    "undo": "restored",
    "id_reused": "reused_ids",
    "settle": "reused_ids",
}


def facts_between(store: UsageStore, of: MeterGroup, after_us: int) -> FactsBetween:
    """After one watermark, up to that of `of.usage`. Raises StoreUnavailableError."""
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for kind, events in store.query(_facts_query(of, after_us)):
        if (name := _COUNTED.get(str(kind))) is not None:
            counts[name] += number(events)
    ((late,),) = store.query(_late_query(of, after_us))
    return FactsBetween(late_events=number(late), **counts)


def _slice(of: MeterGroup) -> list[str]:
    starts = [] if of.usage.carries_over else [AFTER_START]
    return [*OF_TENANT_AND_TYPE, OF_CUSTOMERS, BEFORE_END, *starts]


def _late_query(of: MeterGroup, after_us: int) -> Query:
    parameters = parameters_of(of.usage) | {"after_us": after_us}
    conditions = [ingested_after_sql("{after_us:Int64}")]
    if of.group is not None:
        conditions += group_conditions(of.usage, of.group, parameters)
    # Also those that were voided since: they came in all the same.
    events = events_sql(of.usage, parameters, _slice(of), conditions, any_facts=False)
    return Query(f"SELECT count() FROM ({events})", parameters)


def _facts_query(of: MeterGroup, after_us: int) -> Query:
    """An event that was amended into another customer's is counted for both."""
    return Query(
        f"SELECT kind, uniqExact(event_id) FROM {VOIDS_TABLE} "
        f"WHERE {' AND '.join([*_slice(of), RECORDED_BETWEEN])} GROUP BY kind",
        parameters_of(of.usage) | {"after_us": after_us, "until_us": of.usage.as_of_us},
    )
