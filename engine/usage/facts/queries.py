"""The statements of the usage store, as pure functions: text and bound parameters out.

Rules:
1. A statement on usage puts together partials, whatever they come from (engine.usage.store.tables.partials), and gives
   the state of every group and window, for engine.usage.facts.aggregations to finish.
2. A meter that carries over reads the events before the period as well: they are part of the quantity, hence of the
   count and the digest. A group that is at zero, and to which nothing happened, has no row.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from engine.usage.facts.aggregations import carried_group_sql, finished, state_columns
from engine.usage.facts.event_source import (
    keys_of,
    parameters_of,
    reduced_events,
    slice_conditions,
    windows_of,
)
from engine.usage.facts.usage_request import Group, UsageRequest
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.partials import PART, Reduction, merged_sql


def usage_query(
    request: UsageRequest, groups_max: int, states_skip: int = 0, *, any_facts: bool = True
) -> Query:
    """The usage of a request from events alone; `read_groups` reads its rows.

    any_facts: see engine.usage.facts.event_source. states_skip: rows to leave out first.
    """
    parameters = parameters_of(request)
    part = reduced_events(request, parameters, slice_conditions(request), any_facts=any_facts)
    return merged_query(request, [part], parameters, groups_max, states_skip)


def merged_query(
    request: UsageRequest,
    parts: Sequence[Reduction],
    parameters: Parameters,
    groups_max: int,
    states_skip: int = 0,
    *,
    first_form: bool = False,
) -> Query:
    """The usage of a request from partials, whatever they come from.

    first_form: rows of the first form are among the parts (engine.usage.store.tables.partials, rule 6).
    """
    aggregation, keys, windows = request.aggregation, keys_of(request), windows_of(request)
    whole = parts[0]
    if len(parts) > 1:
        source = f"({' UNION ALL '.join(part.sql() for part in parts)}) AS {PART}"
        whole = Reduction(windows, windows, merged_sql(aggregation, first_form=first_form), source)
    states = state_columns(aggregation, first_form=first_form)
    if request.carries_over and request.group_by:
        sql = f"SELECT {', '.join([*windows, *states])} FROM ({whole.sql()}) {carried_group_sql(aggregation, keys)}"  # noqa: S608
    else:
        sql = whole.finishing_sql(states)
    parameters |= {"rows_max": rows_max(request, groups_max), "states_skip": states_skip}
    return Query(
        f"{sql} ORDER BY {', '.join(windows)} LIMIT {{states_skip:UInt64}}, {{rows_max:UInt64}}", parameters
    )


def rows_max(request: UsageRequest, groups_max: int) -> int:
    """So many rows hold so many groups at least: one for each window, and one for the time before."""
    return groups_max * len(request.bounds_us)


def read_groups(request: UsageRequest, rows: Iterable[Sequence[object]]) -> Iterator[Group]:
    """The groups in the rows of `usage_query`, by customer and dimensions."""
    keys = len(keys_of(request))
    for key, of_group in groupby(rows, key=lambda row: tuple(row[:keys])):
        states = [row[keys:] for row in of_group]
        customer_id = str(key[0]) if request.by_customer else ""
        dimensions = tuple(
            None if value is None else str(value) for value in key[keys - len(request.group_by) :]
        )
        usage = list(finished(request, customer_id, dimensions, states))
        yield Group(customer_id, len(states), usage)
