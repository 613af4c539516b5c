"""A read from rollups and the exact rest: which part of a request comes from rows, which from events.

Rules:
1. The parts are disjoint and together the whole: a slice of a covered customer comes from its row or from its events.
2. From events: slices that a bound of the request cuts (`edges`), and stale ones (engine.usage.rollups.plan). Which
   these are is bound as values, so that every part of the statement leaves out or takes in the same.
3. A row that is not stale by the plan but has changed after the watermark was computed again in between: the statement
   fails (RollupMovedError) rather than leave the slice out, and the request is read from events. Who alone writes the
   store knows that before and after, without a look at every row (engine.usage.store.backends.own_writes).
4. Rows of the first form stand for what has expired in it alone, where no other row and no event is asked; their digest
   stays apart from that of the rest (engine.usage.store.tables.event_digest).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.usage.facts.event_source import (
    AFTER_START,
    BEFORE_END,
    OF_TENANT_AND_TYPE,
    dimension_names,
    narrowed_values_sql,
    parameters_of,
    reduced_events,
    slice_conditions,
    window_sql,
    windows_of,
)
from engine.usage.facts.queries import merged_query
from engine.usage.facts.usage_request import UsageRequest
from engine.usage.rollups.changes import bound_slices_sql, slice_start_sql
from engine.usage.rollups.plan import ReadPlan
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.partials import (
    EVENT_COUNT,
    Reduction,
    first_form_sql,
    merged_sql,
    partials_of,
    without_first_form,
)
from engine.usage.store.tables.rollup_schema import GROUP_DIMENSIONS, HOUR_S, ROLLUPS_TABLE, groups_column
from engine.usage.store.tables.schema import stamp_sql

_SECOND_US = 1_000_000
# What stands before the name of a partial of one group of a row.
_OF_GROUP = "group_"
# Where ClickHouse's DateTime ends, in 2106: no event is ever so late.
_INSTANT_S_MAX = 2**32 - 1
# With more slices than this cut by bounds, as minutes cut hours, there is nothing to gain.
_EDGES_MAX = 1_000
# To collapse the rows of so few customers in several threads takes longer than to do it in one.
_FEW_CUSTOMERS_MAX = 20


def can_serve(request: UsageRequest) -> bool:
    """Whether the groups of its rollups can be put together to those of the request."""
    asked = {*request.group_by, *(name for name, _ in request.narrowed_to)}
    return asked <= set(request.rollup_group_by)


def useful_customers(request: UsageRequest, covered: Mapping[int, Sequence[str]]) -> dict[int, Sequence[str]]:
    """The covered customers of whose slices at least one lies whole in the period."""
    return {
        slice_s: customer_ids
        for slice_s, customer_ids in covered.items()
        if _has_whole_slices(request, slice_s)
    }


def rollup_query(
    request: UsageRequest,
    plan: ReadPlan,
    groups_max: int,
    states_skip: int = 0,
    *,
    any_facts: bool,
    may_move: bool = True,
) -> Query:
    """The usage of a request from rollups and events; as engine.usage.facts.queries.usage_query gives it. may_move: False where
    it is known otherwise that no row has changed after the watermark.
    """
    parameters = parameters_of(request) | {"rollup_key": request.rollup_key}
    covered = {customer_id for customer_ids in plan.customer_ids.values() for customer_id in customer_ids}
    parameters["customer_ids"] = [each for each in request.customer_ids or () if each not in covered]
    parts: list[Reduction] = []
    if parameters["customer_ids"]:
        where = [*slice_conditions(request), *_behind_first_form(plan, parameters)]
        parts.append(reduced_events(request, parameters, where, any_facts=any_facts))
    for slice_s in plan.customer_ids:
        parts += _covered_parts(request, plan, parameters, slice_s, any_facts=any_facts, may_move=may_move)
    if plan.first_form_us:
        parts = [replace(part, partials=without_first_form(part.partials)) for part in parts]
        parts.append(_first_form_rows(request, plan, parameters))
    first_form = bool(plan.first_form_us)
    query = merged_query(request, parts, parameters, groups_max, states_skip, first_form=first_form)
    if request.customer_ids is None or len(request.customer_ids) > _FEW_CUSTOMERS_MAX:
        return query
    return replace(query, sql=f"{query.sql} SETTINGS max_final_threads = 1")


def _covered_parts(
    request: UsageRequest,
    plan: ReadPlan,
    parameters: Parameters,
    slice_s: int,
    *,
    any_facts: bool,
    may_move: bool,
) -> Iterator[Reduction]:
    """What comes from rows, and what from events, of the customers with slices of this length."""
    parameters[f"customers_{slice_s}"] = list(plan.customer_ids[slice_s])
    of_customers = f"customer_id IN {{customers_{slice_s}:Array(String)}}"
    stale = bound_slices_sql(plan.stale[slice_s], parameters, f"stale_{slice_s}")
    edges = _edges(request, slice_s)
    parameters[f"edges_{slice_s}"] = edges
    of_edges = f"{{edges_{slice_s}:Array(UInt32)}}"
    kept = [
        "tenant = {tenant:String}",
        "rollup_key = {rollup_key:String}",
        f"slice_s = {slice_s:d}",
        of_customers,
        *_row_bounds(request, parameters, slice_s),
        *([f"toUnixTimestamp(slice_start) NOT IN {of_edges}"] if edges else []),
        *([f"(customer_id, slice_start) NOT IN {stale}"] if stale else []),
    ]
    yield _rolled(request, kept, merged_sql(request.aggregation, _OF_GROUP), may_move=may_move)
    start = slice_start_sql(slice_s)
    of_slices = [f"(customer_id, {start}) IN {stale}"] if stale else []
    if edges:
        of_slices.append(f"{start} IN (SELECT fromUnixTimestamp(arrayJoin({of_edges})))")
    if of_slices:
        whole = [BEFORE_END, *([] if request.carries_over else [AFTER_START])]
        stretch = [*OF_TENANT_AND_TYPE, of_customers, *whole, f"({' OR '.join(of_slices)})"]
        stretch += _behind_first_form(plan, parameters)
        yield reduced_events(request, parameters, stretch, any_facts=any_facts)


def _behind_first_form(plan: ReadPlan, parameters: Parameters) -> list[str]:
    """A condition on events: not in a stretch that comes from rows of the first form."""
    if not plan.first_form_us:
        return []
    return [f"toUnixTimestamp64Micro(event_time) >= {_first_form_before(plan, parameters)}"]


def _first_form_before(plan: ReadPlan, parameters: Parameters) -> str:
    """Of a customer's rows or events, before which instant they are of the first form, in us."""
    parameters["first_form_ids"] = list(plan.first_form_us)
    parameters["first_form_us"] = list(plan.first_form_us.values())
    return "transform(customer_id, {first_form_ids:Array(String)}, {first_form_us:Array(Int64)}, toInt64(0))"


def _first_form_rows(request: UsageRequest, plan: ReadPlan, parameters: Parameters) -> Reduction:
    """They never move: their events are gone."""
    parameters["first_form_key"] = request.first_form_key
    kept = [
        "tenant = {tenant:String}",
        "rollup_key = {first_form_key:String}",
        f"slice_s = {HOUR_S:d}",
        "customer_id IN {first_form_ids:Array(String)}",
        *_row_bounds(request, parameters, HOUR_S),
        f"toInt64(toUnixTimestamp(slice_start)) * {_SECOND_US} < {_first_form_before(plan, parameters)}",
    ]
    return _rolled(request, kept, first_form_sql(request.aggregation, _OF_GROUP), may_move=False)


def _rolled(
    request: UsageRequest, where: Sequence[str], partials: Mapping[str, str], *, may_move: bool
) -> Reduction:
    """These partials of rows, by group and window. `where` names columns of the sorting key."""
    arrays = [
        f"{groups_column(each.name)} AS {_OF_GROUP}{each.name}" for each in partials_of(request.aggregation)
    ]
    place = {name: i + 1 for i, name in enumerate(request.rollup_group_by)}
    if place:
        arrays.append(f"{GROUP_DIMENSIONS} AS dimensions")
    chosen = [
        f"dimensions[{place[name]}] IN {values_sql}"
        for (name, _), values_sql in zip(request.narrowed_to, narrowed_values_sql(request), strict=True)
    ]
    columns = [
        *(["customer_id"] if request.by_customer else []),
        *(
            f"dimensions[{place[name]}] AS {column}"
            for name, column in zip(request.group_by, dimension_names(request), strict=True)
        ),
        f"{window_sql(request, f'toInt64(toUnixTimestamp(slice_start)) * {_SECOND_US}')} AS window_start_us",
    ]
    read = f"PREWHERE {' AND '.join(where)}"
    joined = f"ARRAY JOIN {', '.join(arrays)}"
    if may_move:
        # Also of a slice whose events are all void by now, which has no groups: hence LEFT, and one expression, or it
        # could be dropped before it is looked at. Of no other row: what is not asked for ends at PREWHERE, not later.
        moved = f"throwIf(last_change > {stamp_sql('as_of_us')}, 'a rollup has moved on')"
        left_out = f"empty({groups_column(EVENT_COUNT.name)})"
        if chosen:
            left_out = f"({left_out} OR NOT ({' AND '.join(chosen)}))"
        source = f"{ROLLUPS_TABLE} FINAL LEFT {joined} {read} WHERE {moved} + {left_out} = 0"
    else:
        passing = f" WHERE {' AND '.join(chosen)}" if chosen else ""
        source = f"{ROLLUPS_TABLE} FINAL {joined} {read}{passing}"
    return Reduction(windows_of(request), columns, partials, source)


def _row_bounds(request: UsageRequest, parameters: Parameters, slice_s: int) -> Iterator[str]:
    """Conditions on `slice_start`: whole slices of the period, and of all time before it if it carries over."""
    first_s, last_s = _whole_slices(request, slice_s)
    parameters[f"last_{slice_s}_s"] = last_s
    yield f"slice_start < fromUnixTimestamp({{last_{slice_s}_s:UInt32}})"
    if not request.carries_over:
        parameters[f"first_{slice_s}_s"] = first_s
        yield f"slice_start >= fromUnixTimestamp({{first_{slice_s}_s:UInt32}})"


def _whole_slices(request: UsageRequest, slice_s: int) -> tuple[int, int]:
    """Start of the first whole slice of the period, and end of the last, in seconds since 1970."""
    slice_us = slice_s * _SECOND_US
    first = -(-request.bounds_us[0] // slice_us) * slice_s
    return min(first, _INSTANT_S_MAX), min(request.bounds_us[-1] // slice_us * slice_s, _INSTANT_S_MAX)


def _has_whole_slices(request: UsageRequest, slice_s: int) -> bool:
    first_s, last_s = _whole_slices(request, slice_s)
    return len(_edges(request, slice_s)) <= _EDGES_MAX and (request.carries_over or first_s < last_s)


def _edges(request: UsageRequest, slice_s: int) -> list[int]:
    """The slices that a bound cuts, by their start in seconds since 1970."""
    slice_us = slice_s * _SECOND_US
    cut = {bound // slice_us * slice_s for bound in request.bounds_us if bound % slice_us}
    return sorted(each for each in cut if each <= _INSTANT_S_MAX)
