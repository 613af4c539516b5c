"""The SQL that aggregates several meters in one scan of the events, for customers each in a period of its own.

Meters that read the same events (type, filters) in the same groups share a scan; a statement unites scans. Rows are

    scan            which scan of the statement: UInt16
    place           whose, and in which period (`Asked.places`)
    dimensions      the values of the properties that the scan groups by, NULL where the events lack one
    event_count, event_digest
    skipped         for each meter, how many events have a value that can't be read, and how many have none
    states          for each meter, the integers that its quantity is made of (engine.usage.facts.period_states)

Rules:
1. Which events count, what they are reduced to and that nothing wraps is as everywhere
   (engine.usage.store.tables.void_sql, engine.usage.store.tables.partials): there is one window, the period.
2. A meter that carries over reads the events before the period as well. An event before it counts as if it were at its
   start: then a level that lasts has the one formula end * total - moment.
3. Whose usage is asked for comes as a table with the statement (engine.usage.store.query), each customer with the period.
   A few customers in one period are bound as values instead: a join takes longer to plan than such a read takes. A
   customer's aliases are further rows with its place, so what is recorded under any of its ids is reduced together.
4. Names that come from a person are parameters. Those of a scan begin with its number; all other names are written here.
5. Scans for a few customers that differ in nothing but the type of their events are one SELECT, grouped by type: a SELECT takes
   longer to plan than such a read takes. Each row has the states of its type's meters alone, but every meter's partials are
   made of the events of every type. So meters that keep values of their events (unique_count, percentile) are apart: a busy
   type would fill the memory with what nobody asked for.
"""

# ruff: noqa: S608 - only names that are written here become SQL

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from engine.usage.facts.event_source import (
    AFTER_START,
    BEFORE_END,
    OF_CUSTOMERS,
    OF_TENANT,
    counting_sql,
    read_of_event,
)
from engine.usage.facts.filter_sql import filter_conditions
from engine.usage.facts.periods_request import Index, Periods
from engine.usage.facts.usage_request import Measure
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.partials import EVENT_DIGEST, reduced_sql
from engine.usage.store.tables.void_sql import log_sql

# A server takes 128 KiB of text where tables come with it; what is bound is apart from that.
_STATEMENT_CHARS_MAX = 96 * 1024
# Bound as parameters: some KB.
_FEW_MAX = 50
# Meters in one SELECT of several scans: each is text of the statement, and a value that is read of each event.
_TOGETHER_MAX = 16
_KEEPING_VALUES = frozenset({"unique_count", "percentile"})
_ASKED = "asked_periods"
# What a scan's parameters share with all others of the statement.
_SHARED = frozenset({"tenant", "as_of_us", "draft_id", "quantity_pattern"})
_PARAMETER = re.compile(r"\{(\w+):")
_VALUE_NAME = re.compile(r"\bvalue(_given|_text)?\b")
_EVENT_US = "toUnixTimestamp64Micro(event_time)"
# Of a decimal with 12 fractional digits its mantissa; 0 for NULL.
_INTEGER = "ifNull(reinterpret({}, 'Int256'), toInt256(0))"
# NULL past the end, hence for no value.
_RANKED = "arrayMap(each -> arrayElementOrNull(each, {rank}), [arraySort({value_list})])[1]"
# The integers that a quantity is made of, from partials (engine.usage.store.tables.partials).
STATES: Mapping[str, tuple[str, ...]] = {
    "count": (),
    "sum": ("{total}",),
    "min": (_INTEGER.format("{lowest}"),),
    "max": (_INTEGER.format("{highest}"),),
    "avg": ("{total}", "toInt256({value_count})"),
    "latest": (_INTEGER.format("{newest_value}"),),
    "unique_count": ("toInt256(length({distinct_hashes}))",),
    "time_weighted": ("{total}", "{clamped}"),
    "percentile": (_INTEGER.format(f"toDecimal256({_RANKED}, 12)"),),
}


@dataclass(frozen=True, slots=True)
class Scan:
    """Meters that share a scan, by their places in a request."""

    measures: Sequence[Measure]
    numbers: Sequence[int]

    @property
    def group_by(self) -> Sequence[str]:
        return self.measures[0].group_by

    @property
    def carries_over(self) -> bool:
        return self.measures[0].carries_over


@dataclass(frozen=True, slots=True)
class ScanSnapshot:
    """What a statement reads besides its scans: as of when, with which draft; whether anything about the tenant's events
    was corrected by then; and whether digests are wanted.
    """

    tenant: str
    as_of_us: int
    draft_id: int | None
    any_facts: bool
    digests: bool


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Groups of one place in one scan, and of a statement. A read that reaches one of them is not whole."""

    of_place: int
    of_statement: int


class Asked:
    """The places of a statement, at least one, and how it names them (rule 3)."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        customers = periods.customer_id
        few = len(periods) <= _FEW_MAX and len(customers.unique()) == len(customers)
        self.are_bound = few and periods.are_one and not len(periods.with_aliases)

    def __len__(self) -> int:
        return len(self._periods)

    @property
    def place(self) -> str:
        """What names the place of an event."""
        return "customer_id" if self.are_bound else "place"

    def places(self, rows: pa.Table) -> Index:
        """The place of each row, counted from 0."""
        named = rows["place"]
        places: Index = (
            pc.index_in(named, self._periods.customer_id) if self.are_bound else named
        ).to_numpy()
        return places

    @property
    def start_us(self) -> str:
        """Of an event's period."""
        return "{period_start_us:Int64}" if self.are_bound else "start_us"

    def conditions(self, *, carries_over: bool) -> list[str]:
        """On the sorting key: what lies outside of all periods is not read."""
        within = [BEFORE_END, *([] if carries_over else [AFTER_START])]
        if self.are_bound:
            return [OF_CUSTOMERS, *within]
        between = "customer_id BETWEEN {first_customer_id:String} AND {last_customer_id:String}"
        return [between, f"customer_id IN (SELECT customer_id FROM {_ASKED})", *within]

    def joined(self, events: str, *, carries_over: bool) -> str:
        """Behind FROM: the events that a subquery gives, with the place and the period of each."""
        if self.are_bound:
            return events
        within = [f"{_EVENT_US} < end_us", *([] if carries_over else [f"{_EVENT_US} >= start_us"])]
        return (
            f"{events} AS event INNER JOIN {_ASKED} AS asked ON event.customer_id = asked.customer_id "
            f"WHERE {' AND '.join(within)}"
        )

    def parameters(self) -> Parameters:
        periods = self._periods
        if self.are_bound:
            customers: Parameters = {"customer_ids": periods.customer_id.to_pylist()}
        else:
            bounds = pc.min_max(periods.subjects()[0]).as_py()
            customers = {"first_customer_id": bounds["min"], "last_customer_id": bounds["max"]}
        return customers | {
            "period_start_us": int(periods.start_us.min()),
            "period_end_us": int(periods.end_us.max()),
        }

    def tables(self) -> dict[str, pa.Table]:
        if self.are_bound:
            return {}
        customer_id, place = self._periods.subjects()
        columns = {
            "place": pa.array(place, pa.uint32()),
            "customer_id": customer_id,
            "start_us": pa.array(self._periods.start_us[place]),
            "end_us": pa.array(self._periods.end_us[place]),
        }
        return {_ASKED: pa.table(columns)}


def scans_of(measures: Sequence[Measure]) -> list[Scan]:
    """The scans that these meters take, in the order of their first ones."""
    together: dict[object, list[int]] = {}
    for number, each in enumerate(measures):
        # Which groups of a level live on is for its own value to say.
        alone = number if each.carries_over and each.group_by else None
        # Filters are mappings: equal ones have the same text.
        shape = each.event_type, repr(dict(each.filters)), tuple(each.group_by), each.carries_over, alone
        together.setdefault(shape, []).append(number)
    return [Scan([measures[number] for number in numbers], numbers) for numbers in together.values()]


def scan_statements(
    scans: Sequence[Scan], asked: Asked, snapshot: ScanSnapshot, limits: GroupLimits
) -> list[tuple[Query, list[int]]]:
    """As few statements as their text allows, each with the scans of it. One more row than `of_statement`, or than
    `of_place` for one place in one scan, says that there are more.
    """
    statements: list[tuple[Query, list[int]]] = []
    texts: list[str] = []
    own: list[int] = []
    bound: Parameters = {}
    for numbers in _selects_of(scans, asked):
        text, parameters = _scan_sql([scans[each] for each in numbers], numbers, asked, snapshot)
        if texts and sum(map(len, texts)) + len(text) > _STATEMENT_CHARS_MAX:
            statements.append((_united(texts, bound, asked, snapshot, limits), own))
            texts, own, bound = [], [], {}
        texts.append(text)
        own += numbers
        bound |= parameters
    statements.append((_united(texts, bound, asked, snapshot, limits), own))
    return statements


def _selects_of(scans: Sequence[Scan], asked: Asked) -> list[list[int]]:
    """The numbers of the scans of each SELECT (rule 5)."""
    together: dict[object, list[list[int]]] = {}
    for number, scan in enumerate(scans):
        filters = repr(dict(scan.measures[0].filters))
        shape = (filters, tuple(scan.group_by), scan.carries_over) if _may_unite(scan, asked) else number
        selects = together.setdefault(shape, [[]])
        if selects[-1] and sum(len(scans[each].measures) for each in (*selects[-1], number)) > _TOGETHER_MAX:
            selects.append([])
        selects[-1].append(number)
    return [numbers for selects in together.values() for numbers in selects]


def _may_unite(scan: Scan, asked: Asked) -> bool:
    if not asked.are_bound or (scan.carries_over and scan.group_by):
        return False
    return not any(each.aggregation in _KEEPING_VALUES for each in scan.measures)


def _united(
    texts: Sequence[str], bound: Parameters, asked: Asked, snapshot: ScanSnapshot, limits: GroupLimits
) -> Query:
    parameters: Parameters = {
        **bound,
        **asked.parameters(),
        "tenant": snapshot.tenant,
        "as_of_us": snapshot.as_of_us,
        "of_place_max": limits.of_place + 1,
        "of_statement_max": limits.of_statement + 1,
    }
    if snapshot.draft_id is not None:
        parameters["draft_id"] = snapshot.draft_id
    # A statement around another one takes a millisecond to plan.
    united = texts[0] if len(texts) == 1 else f"SELECT * FROM ({' UNION ALL '.join(texts)})"
    return Query(f"{united} LIMIT {{of_statement_max:UInt64}}", parameters, asked.tables())


def _scan_sql(
    scans: Sequence[Scan], numbers: Sequence[int], asked: Asked, snapshot: ScanSnapshot
) -> tuple[str, Parameters]:
    first = scans[0]
    parameters: Parameters = {f"event_type_{i}": each.measures[0].event_type for i, each in enumerate(scans)}
    dimensions = ", ".join(f"dimension_{i}" for i in range(len(first.group_by)))
    skipped, states = _measured_by_scan(scans, parameters, asked.start_us)
    digest = reduced_sql("count")[EVENT_DIGEST.name] if snapshot.digests else "toUInt128(0)"
    columns = [
        f"{_of_type([f'toUInt16({number})' for number in numbers])} AS scan",
        f"{asked.place} AS place",
        f"[{dimensions}]::Array(Nullable(String)) AS dimensions",
        "count() AS event_count",
        f"{digest} AS event_digest",
        f"{_of_type([f'[{each}]::Array(UInt64)' for each in skipped])} AS skipped",
        f"{_of_type([f'[{each}]::Array(Int256)' for each in states])} AS states",
    ]
    keys = ["place", *(["event_type"] if len(scans) > 1 else []), *([dimensions] if dimensions else [])]
    sql = f"{_reduced_sql(scans, columns, parameters, asked, snapshot)} GROUP BY {', '.join(keys)}"
    if first.carries_over and first.group_by:
        # What was once there and is at zero would be listed for ever (engine.usage.facts.aggregations, rule 4).
        happened = f"countIf({_EVENT_US} >= {asked.start_us})"
        sql += f" HAVING {happened} > 0 OR skipped[1] > 0 OR states[1] != 0"
    if first.group_by:
        sql += " LIMIT {of_place_max:UInt64} BY place, scan"
    own = {name: name if name in _SHARED else f"scan_{numbers[0]}_{name}" for name in parameters}
    renamed = _PARAMETER.sub(lambda found: f"{{{own.get(found[1], found[1])}:", sql)
    return renamed, {own[name]: value for name, value in parameters.items()}


def _of_type(texts: Sequence[str]) -> str:
    """Of several scans, what the one of a row's type has."""
    *others, last = texts
    cases = (f"event_type = {{event_type_{i}:String}}, {each}" for i, each in enumerate(others))
    return f"multiIf({', '.join(cases)}, {last})" if others else last


def _reduced_sql(
    scans: Sequence[Scan],
    reduced: Sequence[str],
    parameters: Parameters,
    asked: Asked,
    snapshot: ScanSnapshot,
) -> str:
    """What the scans' events reduce to, which is yet to be grouped."""
    first = scans[0]
    conditions = filter_conditions(first.measures[0].filters, parameters)
    types = ", ".join(f"{{event_type_{i}:String}}" for i in range(len(scans)))
    of_type = f"event_type IN ({types})" if len(scans) > 1 else f"event_type = {types}"
    where = [OF_TENANT, of_type, *asked.conditions(carries_over=first.carries_over)]
    measures = [measure for scan in scans for measure in scan.measures]
    values = {_value_name(place): each.value for place, each in enumerate(measures)}
    read = read_of_event(first.group_by, values, parameters)
    draft = snapshot.draft_id is not None
    if asked.are_bound and not snapshot.any_facts and not draft:
        # One statement without another one in it: that would take almost a millisecond to plan.
        return f"WITH {', '.join(read)} {log_sql(', '.join(reduced), where, conditions)}"
    if len(scans) > 1:
        read = ["event_type", *read]
    events = counting_sql(read, where, conditions, any_facts=snapshot.any_facts, draft=draft)
    joined = asked.joined(f"({events})", carries_over=first.carries_over)
    return f"SELECT {', '.join(reduced)} FROM {joined}"


def _measured_by_scan(
    scans: Sequence[Scan], parameters: Parameters, start_us: str
) -> tuple[list[str], list[str]]:
    """What each scan's meters skip, and their states."""
    skipped, states, places = [], [], itertools.count()
    for scan in scans:
        own = [_measured(each, next(places), parameters, start_us) for each in scan.measures]
        skipped.append(", ".join(text for texts, _ in own for text in texts))
        states.append(", ".join(text for _, texts in own for text in texts))
    return skipped, states


def _measured(
    measure: Measure, place: int, parameters: Parameters, start_us: str
) -> tuple[list[str], list[str]]:
    """The two counts of what a meter skips, and its states."""
    name = _value_name(place)
    partials = {
        partial: _VALUE_NAME.sub(rf"{name}\1", sql)
        for partial, sql in reduced_sql(measure.aggregation).items()
    }
    if measure.percentile is not None:
        parameters[f"{name}_percentile"] = int(measure.percentile * 1000)
    parts = partials | {
        "clamped": partials.get("moment", "").replace(_EVENT_US, f"greatest({_EVENT_US}, {start_us})"),
        "rank": f"intDiv({{{name}_percentile:UInt64}} * length(each) + 99999, 100000)",
    }
    skipped = [partials.get("unreadable_count", "0"), partials.get("missing_count", "0")]
    return skipped, [state.format_map(parts) for state in STATES[measure.aggregation]]


def _value_name(place: int) -> str:
    return f"value{place}"
