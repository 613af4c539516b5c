"""What a document changes in a catalog: the resources that are new, or differ from their newest version, by field.

    differences({"prices": [{"id": "a", "model": "flat"}]}, {"prices": [{"id": "a", "model": "volume"}]})
    -> (FieldChange("prices.a.model", '"flat"', '"volume"'),)

Mappings are compared by field; lists of entries with ids by id (a new order of the same entries is a change
of the list itself, shown as the ids); other lists of mappings by index; lists of scalars as a whole. There is
no difference if and only if the definitions are equal.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, assert_never

import pyarrow as pa

from engine.catalog.documents.checks.plan_changes import effective_plan, kept_subscriptions
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.kinds import definition, json_text
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import Resource
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import VERSION_ROWS, ResourceState, Versions
from fields import Json

Action: TypeAlias = Literal["create", "update", "archive", "delete"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` and `after` are JSON, empty for a field that is not there."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource that is new, differs or ends; `version` is the version that the change makes. A resource that is
    created anew after its end goes on with the versions of the one before.

    kept_subscription_count: of a plan, how many subscriptions stay on the version that they have.
    """

    action: Action
    kind: str
    id: str
    version: int
    fields: tuple[FieldChange, ...]
    definition: str
    kept_subscription_count: int = 0

    @property
    def state(self) -> ResourceState:
        match self.action:
            case "create" | "update":
                return ResourceState.ACTIVE
            case "archive":
                return ResourceState.ARCHIVED
            case "delete":
                return ResourceState.DELETED
            case other:
                assert_never(other)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did, or a dry run would do. `revision`: after it; as it was if nothing differs, or for a dry run."""

    revision: int
    changes: tuple[ResourceChange, ...]
    unchanged_count: int


@dataclass(frozen=True, slots=True)
class Changes:
    """In the document's order."""

    changes: tuple[ResourceChange, ...]
    unchanged_count: int

    def at(self, revision: int) -> Applied:
        return Applied(revision, self.changes, self.unchanged_count)

    def rows(self, revision: int) -> list[dict[str, object]]:
        """What the revision that makes these changes has of VERSION_ROWS."""
        return [
            {
                "kind": change.kind,
                "id": change.id,
                "version": change.version,
                "revision": revision,
                "position": position,
                "definition": change.definition,
                "state": change.state,
            }
            for position, change in enumerate(self.changes)
        ]

    def applied_to(self, catalog: Catalog) -> Catalog:
        """The catalog as its next revision would be."""
        revision = catalog.revision + 1
        rows = pa.Table.from_pylist(self.rows(revision), schema=VERSION_ROWS)
        return catalog.advanced(revision, Versions.read(rows)) if self.changes else catalog


def changes(resources: Iterable[Resource], excerpt: Excerpt, at: datetime) -> Changes:
    """What differs if it is applied at an instant. Two resources are equal if and only if their definitions are."""
    found: list[ResourceChange] = []
    unchanged_count = 0
    for given in resources:
        resource = effective_plan(given, excerpt.catalog, at) if isinstance(given, Plan) else given
        text = definition(resource)
        before = excerpt.before.get((resource.kind, resource.id))
        if before is None:
            # Of a new resource every field is new: its definition says them.
            ended = excerpt.ended.get((resource.kind, resource.id))
            version = 1 if ended is None else ended.version + 1
            found.append(ResourceChange("create", resource.kind, resource.id, version, (), text))
        elif before.definition == text:
            unchanged_count += 1
        else:
            # What the document didn't say is not its change: from when on the plan's new version is effective.
            fields = differences(json.loads(before.definition), given.to_fields())
            if isinstance(given, Plan) and given.effective_from is None:
                fields = tuple(each for each in fields if each.path != "effective_from")
            kept = kept_subscriptions(resource.id, excerpt.catalog) if isinstance(given, Plan) else 0
            version = before.version + 1
            found.append(ResourceChange("update", resource.kind, resource.id, version, fields, text, kept))
    return Changes(tuple(found), unchanged_count)


class _Absent:
    """No field, as opposed to one that is null."""


_ABSENT: Final = _Absent()
_Value: TypeAlias = "Json | _Absent"


def differences(before: Json, after: Json) -> tuple[FieldChange, ...]:
    return tuple(_compare("", before, after))


def _compare(path: str, before: _Value, after: _Value) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_fields(path, before, after)
    elif (entries := _both(_by_id, before, after)) is not None:
        yield from _compare_fields(path, *entries)
        ids_before, ids_after = (list(each) for each in entries)
        if [each for each in ids_before if each in ids_after] != [
            each for each in ids_after if each in ids_before
        ]:
            yield FieldChange(path, json_text([*ids_before]), json_text([*ids_after]))
    elif (mappings := _both(_by_index, before, after)) is not None:
        yield from _compare_fields(path, *mappings)
    elif _text(before) != _text(after):
        yield FieldChange(path, _text(before), _text(after))


def _compare_fields(path: str, before: dict[str, Json], after: dict[str, Json]) -> Iterator[FieldChange]:
    """Fields in the order of `after`, then those that are gone."""
    for name in (*after, *(name for name in before if name not in after)):
        inner = f"{path}.{name}" if path else name
        yield from _compare(inner, before.get(name, _ABSENT), after.get(name, _ABSENT))


def _both(
    keyed: Callable[[list[Json]], dict[str, Json] | None], before: _Value, after: _Value
) -> tuple[dict[str, Json], dict[str, Json]] | None:
    """Two lists as mappings, if both of them can be."""
    if not isinstance(before, list) or not isinstance(after, list):
        return None
    first, second = keyed(before), keyed(after)
    return None if first is None or second is None else (first, second)


def _by_id(items: list[Json]) -> dict[str, Json] | None:
    entries: dict[str, Json] = {
        str(item["id"]): item for item in items if isinstance(item, dict) and "id" in item
    }
    return entries if len(entries) == len(items) else None


def _by_index(items: list[Json]) -> dict[str, Json] | None:
    mappings: dict[str, Json] = {
        str(index): item for index, item in enumerate(items) if isinstance(item, dict)
    }
    return mappings if len(mappings) == len(items) else None


def _text(value: _Value) -> str:
    return "" if isinstance(value, _Absent) else json_text(value)
