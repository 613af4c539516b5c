"""The SQL that finds what happened to slices: the one place that says when a slice has changed.

A slice changes when an event of it is ingested, or a fact about one is recorded (engine.usage.store.tables.schema,
rules 5 and 6). A retry counts as a change here, though it changes nothing: what is found is computed again, or read
from the events.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence

from engine.usage.store.tables.rollup_schema import SLICE_START
from engine.usage.store.tables.schema import (
    EVENTS_TABLE,
    VOIDS_TABLE,
    ingested_after_sql,
    ingested_by_sql,
    stamp_sql,
)

# (customer_id, start of the slice in seconds since 1970)
Slice = tuple[str, int]
# Values in one parameter, well below the 128 KiB of text that ClickHouse takes.
_VALUES_MAX = 2_000
# The index of stamps finds what came in last; reads of a period do without it.
_BY_INDEX = " SETTINGS use_skip_indexes = 1"


def slice_start_sql(slice_s: int) -> str:
    """The start of the slice that an event lies in: DateTime."""
    return f"{SLICE_START[slice_s]}(event_time)"


def changed_sql(
    columns: str,
    where: Sequence[str],
    *,
    after_us: str = "{after_us:Int64}",
    facts: bool = True,
    end: str = "",
) -> str:
    """These columns, one row or more for each change with a stamp in (`after_us`, `until_us`].

    `where` names columns of the sorting key only, which both tables begin with. `end` stands behind each SELECT; there
    is one without `facts`, which needs no other around it.
    """
    until_us = "{until_us:Int64}"
    stamped = {EVENTS_TABLE: (ingested_after_sql(after_us), ingested_by_sql(until_us))}
    if facts:
        after = f"recorded_at > fromUnixTimestamp64Micro({after_us}, 'UTC')"
        stamped[VOIDS_TABLE] = (after, f"recorded_at <= {stamp_sql('until_us')}")
    found = []
    for table, between in stamped.items():
        conditions = " AND ".join([*where, *between])
        found.append(f"SELECT {columns} FROM {table} WHERE {conditions} {end}{_BY_INDEX}")
    return " UNION ALL ".join(found)


def bound_slices_sql(slices: Sequence[Slice], parameters: dict[str, object], prefix: str) -> str:
    """What stands behind IN for these (customer_id, start), from values bound under `prefix`; empty for none."""
    if not slices:
        return ""
    if len(slices) <= _VALUES_MAX:
        # As one value: a statement in its place is planned wherever it stands.
        parameters[prefix] = list(slices)
        return f"{{{prefix}:Array(Tuple(String, DateTime('UTC')))}}"
    found = []
    for number, first in enumerate(range(0, len(slices), _VALUES_MAX)):
        some = slices[first : first + _VALUES_MAX]
        names = f"{prefix}_{number}_customers", f"{prefix}_{number}_starts"
        parameters[names[0]] = [customer_id for customer_id, _ in some]
        parameters[names[1]] = [start_s for _, start_s in some]
        pairs = f"arrayJoin(arrayZip({{{names[0]}:Array(String)}}, {{{names[1]}:Array(UInt32)}}))"
        found.append(f"SELECT {pairs} AS pair")
    return f"(SELECT pair.1, fromUnixTimestamp(pair.2) FROM ({' UNION ALL '.join(found)}))"
