"""The SQL that reads the value of each event of one meter, for customers each in a period of its own.

A row is the value of an event that counts and has a readable one: its mantissa at 12 fractional digits, an Int256.

Rules:
1. Which events count, and whose they are, is as in a scan (engine.usage.facts.period_scan): the values at a place sum up to
   the quantity that a scan has there.
2. Rows come place by place, in a place group by group, in the order of UsageColumns: so the counts of the groups say whose
   each row is, and no row says it.
3. In a group they come by event_time, then by event_id, in byte order; of one id used twice at one time by content_hash.
   That is the order in which an allowance is used up.
"""

# ruff: noqa: S608 - only names that are written here become SQL

import pyarrow as pa

from engine.usage.facts.event_source import OF_TENANT_AND_TYPE, counting_sql, dimension_names, read_of_event
from engine.usage.facts.filter_sql import filter_conditions
from engine.usage.facts.period_scan import Asked, ScanSnapshot
from engine.usage.facts.period_states import integers_of
from engine.usage.facts.usage_request import Measure
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.partials import VALUE, VALUE_DIGITS
from rating import DecimalColumn

_AMOUNT = "amount"
_ORDER = ("event_time", "event_id", "content_hash", _AMOUNT)


def amounts_query(measure: Measure, asked: Asked, snapshot: ScanSnapshot, rows_max: int) -> Query:
    """The values at these places; of more than `rows_max` the first ones."""
    parameters: Parameters = {
        **asked.parameters(),
        "tenant": snapshot.tenant,
        "event_type": measure.event_type,
        "as_of_us": snapshot.as_of_us,
        "rows_max": rows_max,
    }
    if snapshot.draft_id is not None:
        parameters["draft_id"] = snapshot.draft_id
    conditions = [*filter_conditions(measure.filters, parameters), f"isNotNull({VALUE})"]
    events = counting_sql(
        read_of_event(measure.group_by, {VALUE: measure.value}, parameters),
        [*OF_TENANT_AND_TYPE, *asked.conditions(carries_over=False)],
        conditions,
        any_facts=snapshot.any_facts,
        draft=snapshot.draft_id is not None,
    )
    amount = f"reinterpret(assumeNotNull({VALUE}), 'Int256') AS {_AMOUNT}"
    order = ", ".join([asked.place, *dimension_names(measure), *_ORDER])
    return Query(
        f"SELECT {amount} FROM {asked.joined(f'({events})', carries_over=False)} "
        f"ORDER BY {order} LIMIT {{rows_max:UInt64}}",
        parameters,
        asked.tables(),
    )


def amounts_of(rows: pa.Table) -> DecimalColumn:
    """The values in the rows of `amounts_query`."""
    return integers_of(rows, _AMOUNT, VALUE_DIGITS)
