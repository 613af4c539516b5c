"""Versions of resources as the store keeps them, and what a snapshot is folded from.

    VERSION_ROWS   rows of the store
    Versions       a part of a tenant's history: customers and subscriptions as columns, all others as objects

A definition is read as a whole when somebody asks for the object. What is looked up or billed row by row is read from
the definitions in bulk (SUBSCRIPTIONS has those fields as columns), where a field that this version doesn't know, one of
another type, or an instant out of the calendar is refused as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from engine.catalog.kinds import read_definition
from engine.catalog.kinds.resource import Resource
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.errors import MeterlineError
from engine.times import INSTANT_US_MAX

R_co = TypeVar("R_co", bound=Resource, covariant=True)

# The kinds of which a tenant may have a million.
IN_COLUMNS: Final = ("customer", "subscription")

_IN_ORDER: Final = [("revision", "ascending"), ("position", "ascending")]
# Positions in a revision, which the order of creation counts within it; a document has fewer entries than that.
_POSITION_BITS: Final = 24

# `position` is the place among the changes of the revision. Definitions together may have more bytes than 32-bit
# offsets reach.
VERSION_ROWS: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("id", pa.string()),
        ("version", pa.int32()),
        ("revision", pa.int64()),
        ("position", pa.int64()),
        ("definition", pa.large_string()),
    ]
)
CUSTOMERS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("version", pa.int32()),
        ("revision", pa.int64()),
        # What orders versions as they were made.
        ("created", pa.int64()),
        ("definition", pa.large_string()),
    ]
)
# `end_us` is NO_END_US for a subscription that has no end.
SUBSCRIPTIONS: Final = pa.schema(
    [
        ("customer", pa.string()),
        ("plan", pa.string()),
        ("start_us", pa.int64()),
        ("end_us", pa.int64()),
        *CUSTOMERS,
    ]
)
_SUBSCRIPTION_DEFINITION: Final = pa.schema(
    [(name, pa.string()) for name in ("id", "customer", "plan", "start", "end")]
)
_INSTANT: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[R_co]):
    """A resource as of its `version` (from 1), which the catalog's `revision` made."""

    resource: R_co
    version: int
    revision: int


@dataclass(frozen=True, slots=True)
class Versions:
    """Consecutive versions. `customers` and `subscriptions` have the schemas of those names, `objects` are the others."""

    objects: Sequence[Versioned[Resource]]
    customers: pa.Table
    subscriptions: pa.Table

    def __len__(self) -> int:
        return len(self.objects) + len(self.customers) + len(self.subscriptions)

    @classmethod
    def read(cls, rows: pa.Table) -> "Versions":
        """From VERSION_ROWS of whole revisions.

        Raises:
            MeterlineError: a definition that this version of Meterline can't read.
        """
        kind = rows.column("kind")
        in_columns = pc.is_in(kind, value_set=pa.array(IN_COLUMNS))
        objects = rows.filter(pc.invert(in_columns)).sort_by(_IN_ORDER)
        revision, position = rows.column("revision"), rows.column("position")
        created = pc.bit_wise_or(pc.shift_left(revision, _POSITION_BITS), position)
        columns = [rows.column(name) for name in ("id", "version", "revision", "definition")]
        columns.insert(CUSTOMERS.get_field_index("created"), created)
        others = pa.table(columns, schema=CUSTOMERS)
        return cls(
            [_object(row) for row in objects.to_pylist()],
            others.filter(pc.equal(kind, "customer")),
            _with_fields(others.filter(pc.equal(kind, "subscription"))),
        )


def together(parts: Sequence[Versions]) -> Versions:
    """Consecutive parts as one."""
    return Versions(
        [each for part in parts for each in part.objects],
        pa.concat_tables([part.customers for part in parts]),
        pa.concat_tables([part.subscriptions for part in parts]),
    )


def _object(row: Mapping[str, Any]) -> Versioned[Resource]:
    resource = read_stored(row["kind"], row["id"], row["version"], row["definition"])
    return Versioned(resource, row["version"], row["revision"])


def _with_fields(rows: pa.Table) -> pa.Table:
    """Subscriptions with the fields of their definitions in front."""
    try:
        fields = _subscription_fields(*(rows.column(name).combine_chunks() for name in ("definition", "id")))
    except (pa.ArrowException, ValueError) as error:
        for row in rows.to_pylist():
            read_stored("subscription", row["id"], row["version"], row["definition"])
        raise MeterlineError(
            f"the catalog store holds subscriptions that this version can't read: {error}; start the version that "
            "wrote them"
        ) from error
    return pa.table([*fields, *rows.columns], schema=SUBSCRIPTIONS)


def _subscription_fields(definitions: pa.LargeStringArray, ids: pa.StringArray) -> list[pa.Array]:
    """Customer, plan, start and end. Raises ArrowException or ValueError for anything else in a definition."""
    if not len(definitions):
        return [pa.array([], field.type) for field in SUBSCRIPTIONS][:4]
    nothing, newline = (pa.scalar(text, pa.large_string()) for text in ("", "\n"))
    lines = pc.binary_join_element_wise(definitions, nothing, newline)
    read = arrow_json.read_json(
        pa.BufferReader(lines.buffers()[2]),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=_SUBSCRIPTION_DEFINITION, unexpected_field_behavior="error"
        ),
    )
    own_ids, customer, plan, start, end = (
        read.column(name).combine_chunks() for name in _SUBSCRIPTION_DEFINITION.names
    )
    start_us, end_us = (pc.cast(each, _INSTANT).cast(pa.int64()) for each in (start, end))
    if any(each.null_count for each in (customer, plan, start_us)) or not own_ids.equals(ids):
        raise ValueError("a field is missing, or the id is another's")
    ends = end_us.fill_null(INSTANT_US_MAX)
    earliest, latest = pc.min(start_us).as_py(), pc.max(ends).as_py()
    if earliest < 0 or latest > INSTANT_US_MAX or not pc.all(pc.less(start_us, ends)).as_py():
        raise ValueError("an end is not after its start, or out of the years that there are")
    return [customer, plan, start_us, end_us.fill_null(NO_END_US)]


def read_stored(kind: str, resource_id: str, version: int, text: str) -> Resource:
    """The resource of a definition that the store holds.

    Raises:
        MeterlineError: this version of Meterline can't read it.
    """
    try:
        return read_definition(kind, text)
    except ValueError as error:
        raise MeterlineError(
            f"the catalog store holds a {kind} that this version can't read ({resource_id!r}, version "
            f"{version}): {error}; start the version that wrote it"
        ) from error
