"""Versions of resources as the store keeps them, and what a snapshot is folded from.

    VERSION_ROWS   rows of the store
    Versions       a part of a tenant's history: customers and subscriptions as columns, all others as objects
    ENDED          what is archived or deleted, of every kind

A definition is read as a whole when somebody asks for the object. What is looked up or billed row by row is read from
the definitions in bulk (SUBSCRIPTIONS has those fields as columns), where a field that this version doesn't know, one of
another type, or an instant out of the calendar is refused as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.kinds import read_definition
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import instant_us, steps_of
from engine.catalog.snapshots.definition_columns import definition_fields
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.errors import MeterlineError
from engine.times import INSTANT_US_MAX
from fields import declaration

R_co = TypeVar("R_co", bound=Resource, covariant=True)

SUBSCRIPTION_FIELDS: Final = declaration(Subscription).names.keys()
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
        # Of ResourceState; without one a version is active.
        ("state", pa.string()),
    ]
)
_RESOURCE: Final = [
    pa.field("id", pa.string()),
    pa.field("version", pa.int32()),
    pa.field("revision", pa.int64()),
    # What orders versions as they were made; null for one that ends the resource.
    pa.field("created", pa.int64()),
    pa.field("definition", pa.large_string()),
]
# `time_zone` and `currency` are null for a customer who has none.
_OF_CUSTOMER: Final = ("time_zone", "currency")
CUSTOMERS: Final = pa.schema([*((name, pa.string()) for name in _OF_CUSTOMER), *_RESOURCE])
# `end_us` is NO_END_US for a subscription that has no end. The steps (engine.catalog.kinds.terms) are null for one that
# has its plan from its start to its end, and says no more.
SUBSCRIPTIONS: Final = pa.schema(
    [
        ("customer", pa.string()),
        ("plan", pa.string()),
        ("start_us", pa.int64()),
        ("end_us", pa.int64()),
        ("time_zone", pa.string()),
        ("anchor", pa.string()),
        ("step_start_us", pa.list_(pa.int64())),
        ("step_since_us", pa.list_(pa.int64())),
        ("step_terms", pa.list_(pa.string())),
        *_RESOURCE,
    ]
)
# Versions that end a resource; `created` is null for a later one, which brings it back.
ENDED: Final = pa.schema(
    [
        ("id", pa.string()),
        ("kind", pa.string()),
        ("version", pa.int32()),
        ("created", pa.int64()),
        ("definition", pa.large_string()),
        ("state", pa.string()),
    ]
)
COUPONS: Final = pa.list_(pa.struct([("coupon", pa.string()), ("start", pa.string())]))
_OF_DEFINITION: Final = list(SUBSCRIPTIONS)[: -len(_RESOURCE)]
# What Arrow reads by itself.
_SUBSCRIPTION_DEFINITION: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "customer", "plan", "start", "end", "time_zone", "anchor")),
        ("coupons", COUPONS),
    ]
)
# A definition that has one of these fields has steps. In a text of a definition the quotes would be escaped.
_HAS_STEPS: Final = '"(add_ons|commitments|currency|features|invoicing_threshold|limits|overrides|phases|plan_version|quantities)":'
_INSTANT: Final = pa.timestamp("us", "UTC")


class ResourceState(StrEnum):
    """What a version makes of its resource. What is not active is in no snapshot that is rated by."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    DELETED = "deleted"


_ENDING: Final = (ResourceState.ARCHIVED, ResourceState.DELETED)


@dataclass(frozen=True, slots=True)
class Versioned(Generic[R_co]):
    """A resource as of its `version` (from 1), which the catalog's `revision` made; `is_active`: unless it ends there."""

    resource: R_co
    version: int
    revision: int
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Versions:
    """Consecutive versions. `customers` and `subscriptions` have the schemas of those names, `objects` are the others.
    `ended`: those of all of them that end a resource.
    """

    objects: Sequence[Versioned[Resource]]
    customers: pa.Table
    subscriptions: pa.Table
    ended: pa.Table

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
        made = pc.bit_wise_or(pc.shift_left(revision, _POSITION_BITS), position)
        ends = pc.is_in(rows.column("state"), value_set=pa.array(_ENDING, pa.string()))
        created = pc.if_else(ends, pa.scalar(None, pa.int64()), made)
        columns = [created if each.name == "created" else rows.column(each.name) for each in _RESOURCE]
        others = pa.table(columns, schema=pa.schema(_RESOURCE))
        return cls(
            [_object(row) for row in objects.to_pylist()],
            _with_own_fields(others.filter(pc.equal(kind, "customer"))),
            _with_fields(others.filter(pc.equal(kind, "subscription"))),
            rows.append_column("created", made).filter(ends).select(ENDED.names).cast(ENDED),
        )


def together(parts: Sequence[Versions]) -> Versions:
    """Consecutive parts as one."""
    return Versions(
        [each for part in parts for each in part.objects],
        pa.concat_tables([part.customers for part in parts]),
        pa.concat_tables([part.subscriptions for part in parts]),
        pa.concat_tables([part.ended for part in parts]),
    )


def _object(row: Mapping[str, Any]) -> Versioned[Resource]:
    resource = read_stored(row["kind"], row["id"], row["version"], row["definition"])
    return Versioned(resource, row["version"], row["revision"], row["state"] not in _ENDING)


def _with_own_fields(rows: pa.Table) -> pa.Table:
    """Customers with the time zones and currencies of their definitions in front."""
    columns = [_own_field(rows["definition"], name) for name in _OF_CUSTOMER]
    return pa.table([*columns, *rows.columns], schema=CUSTOMERS)


def _own_field(definitions: pa.ChunkedArray, name: str) -> pa.ChunkedArray | pa.Array:
    """One text of each definition, null where it has none."""
    found = pa.nulls(len(definitions), pa.string())
    has_one = pc.match_substring(definitions, f'"{name}":')
    if pc.any(has_one).as_py():
        schema = pa.schema([CUSTOMERS.field(name)])
        (own,) = definition_fields(definitions.filter(has_one).combine_chunks(), schema)
        found = pc.replace_with_mask(found, has_one.combine_chunks(), own)
    return found


def _with_fields(rows: pa.Table) -> pa.Table:
    """Subscriptions with the fields of their definitions in front."""
    definitions = rows.column("definition").combine_chunks()
    has_steps = pc.match_substring_regex(definitions, _HAS_STEPS)
    try:
        if not pc.any(has_steps).as_py():
            fields = _plain_fields(definitions, rows.column("id").combine_chunks())
            return pa.table([*fields, *rows.columns], schema=SUBSCRIPTIONS)
        plain, stepped = rows.filter(pc.invert(has_steps)), rows.filter(has_steps)
        fields = _plain_fields(*(plain.column(name).combine_chunks() for name in ("definition", "id")))
        both = pa.concat_tables(
            [
                pa.table([*fields, *plain.columns], schema=SUBSCRIPTIONS),
                pa.table([*_stepped_fields(stepped), *stepped.columns], schema=SUBSCRIPTIONS),
            ]
        )
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        for row in rows.to_pylist():
            read_stored("subscription", row["id"], row["version"], row["definition"])
        raise MeterlineError(
            f"the catalog store holds subscriptions that this version can't read: {error}; start the version that "
            "wrote them"
        ) from error
    return both.sort_by("created")


def _stepped_fields(rows: pa.Table) -> list[pa.Array]:
    """As `_plain_fields`, of definitions with steps. Raises ValueError, KeyError or TypeError for anything else in one."""
    found = []
    for resource_id, definition in zip(rows["id"].to_pylist(), rows["definition"].to_pylist(), strict=True):
        fields = json.loads(definition)
        if fields["id"] != resource_id or not fields.keys() <= SUBSCRIPTION_FIELDS:
            raise ValueError("a field is unknown, or the id is another's")
        steps = steps_of(fields)
        found.append(
            {
                **{name: fields.get(name) for name in ("customer", "plan", "time_zone", "anchor")},
                "start_us": instant_us(fields["start"]),
                "end_us": instant_us(fields["end"]) if "end" in fields else NO_END_US,
                "step_start_us": [instant_us(each.start) for each in steps],
                "step_since_us": [instant_us(each.since) for each in steps],
                "step_terms": [each.terms for each in steps],
            }
        )
    table = pa.Table.from_pylist(found, pa.schema(_OF_DEFINITION))
    return [column.combine_chunks() for column in table.columns]


def _plain_fields(definitions: pa.LargeStringArray, ids: pa.StringArray) -> list[pa.Array]:
    """Of definitions without steps. Raises ArrowException or ValueError for anything else in one."""
    if not len(definitions):
        return [pa.array([], field.type) for field in _OF_DEFINITION]
    # What coupons there are engine.catalog.snapshots.redemption_columns reads.
    own_ids, customer, plan, start, end, time_zone, anchor, _ = definition_fields(
        definitions, _SUBSCRIPTION_DEFINITION, others="error"
    )
    start_us, end_us = (pc.cast(each, _INSTANT).cast(pa.int64()) for each in (start, end))
    if any(each.null_count for each in (customer, plan, start_us)) or not own_ids.equals(ids):
        raise ValueError("a field is missing, or the id is another's")
    ends = end_us.fill_null(INSTANT_US_MAX)
    earliest, latest = pc.min(start_us).as_py(), pc.max(ends).as_py()
    if earliest < 0 or latest > INSTANT_US_MAX or not pc.all(pc.less(start_us, ends)).as_py():
        raise ValueError("an end is not after its start, or out of the years that there are")
    columns = [customer, plan, start_us, end_us.fill_null(NO_END_US), time_zone, anchor]
    return columns + [pa.nulls(len(plan), field.type) for field in _OF_DEFINITION[len(columns) :]]


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
